// Writes vectors.json: strings that the IAB's own libraries encode, and what they say they mean.
//   npm install @iabgpp/cmpapi@3.2.0 @iabtechlabtcf/core@1.5.21 && node vectors.mjs > vectors.json
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(join(process.cwd(), "here.js"));
const { GVL, PurposeRestriction, TCModel, TCString } = require("@iabtechlabtcf/core");
const encoder = join(dirname(require.resolve("@iabgpp/cmpapi")), "encoder");
const { GppModel } = require(join(encoder, "GppModel.js"));

let seed = 20260101;
const random = (below) => {
  seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
  return ((seed ^ (seed >>> 13)) >>> 0) % below;
};
const some = (largest, share) => [...Array(largest).keys()].map((n) => n + 1).filter(() => random(100) < share);
const dense = [some(40, 50), some(900, 2), some(900, 97), [], [1], [65535], some(300, 80), [7, 8, 9, 400]];

const list = {
  vendorListVersion: 48, tcfPolicyVersion: 5, gvlSpecificationVersion: 3, lastUpdated: "2026-01-01T00:00:00Z",
  purposes: {}, specialPurposes: {}, features: {}, specialFeatures: {}, stacks: {}, dataCategories: {}, vendors: {},
};
for (let id = 1; id <= 1000; id++) {
  list.vendors[id] = { id, name: `v${id}`, purposes: [1, 2, 3], legIntPurposes: [7, 8], flexiblePurposes: [2, 7],
    specialPurposes: [], features: [], specialFeatures: [] };
}
for (let id = 1; id <= 11; id++) list.purposes[id] = { id };

const tcf = dense.map((vendors, number) => {
  const model = new TCModel(new GVL(list));
  model.cmpId = 10 + number;
  model.cmpVersion = number;
  model.isServiceSpecific = number % 2 === 0;
  model.publisherCountryCode = ["DE", "FR", "AA"][number % 3];
  model.purposeOneTreatment = number === 3;
  model.created = model.lastUpdated = new Date(Date.UTC(2026, number, 1 + number));
  model.specialFeatureOptins.set(some(2, 50));
  model.purposeConsents.set(some(11, 60));
  model.purposeLegitimateInterests.set(some(11, 40).filter((id) => id !== 1));
  model.vendorConsents.set(vendors);
  model.vendorLegitimateInterests.set(dense[(number + 3) % dense.length]);
  if (number % 2) model.vendorsDisclosed.set(vendors);
  if (number === 1 || number === 6) {
    model.purposeConsents.set(2);
    for (const id of vendors.slice(0, 30)) model.publisherRestrictions.add(id, new PurposeRestriction(2, number === 1 ? 0 : 2));
    for (const id of vendors.slice(5, 9)) model.publisherRestrictions.add(id, new PurposeRestriction(7, 1));
  }
  const text = TCString.encode(model, { segments: number % 2 ? ["core", "vendorsDisclosed", "publisherTC"] : ["core", "publisherTC"] });
  const read = TCString.decode(text);
  const ids = (vector) => [...vector].filter(([, is]) => is).map(([id]) => id);
  return {
    text, created: read.created.toISOString(), cmp_id: read.cmpId, policy: read.policyVersion,
    country: read.publisherCountryCode, service_specific: read.isServiceSpecific, purpose_one: read.purposeOneTreatment,
    features: ids(read.specialFeatureOptins), purposes: ids(read.purposeConsents),
    interests: ids(read.purposeLegitimateInterests), vendors: ids(read.vendorConsents),
    interest_vendors: ids(read.vendorLegitimateInterests),
    disclosed: number % 2 ? ids(read.vendorsDisclosed) : null,
    restrictions: read.publisherRestrictions.getRestrictions().map((each) =>
      [each.purposeId, each.restrictionType, read.publisherRestrictions.getVendors(each)]),
  };
});

const names = readdirSync(join(encoder, "section")).filter((name) => /^Us[A-Z].*[a-z]\.js$/.test(name) && !name.endsWith(".d.ts"));
const sections = names.filter((name) => name !== "UspV1.js").map((name) => require(join(encoder, "section", name))[name.slice(0, -3)]);
const gpp = [];
for (const section of sections) {
  for (let turn = 0; turn < 6; turn++) {
    const model = new GppModel();
    const fields = {};
    const set = (field, value) => {
      try {
        model.setFieldValue(section.NAME, field, value);
        fields[field] = value;
      } catch { /* the section has no such field */ }
    };
    const answers = turn === 0 ? [2, 2, 2, 0] : [random(3), random(3), random(3), random(3)];
    ["SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"].forEach((field, place) => {
      set(`${field}Notice`, 1);
      set(field, answers[place]);
    });
    const children = "KnownChildSensitiveDataConsents";
    for (const [field, answer] of [[children, () => answers[3]], ["SensitiveDataProcessing", () => random(3)]]) {
      if (new section().hasField(field)) {
        const blank = new section().getFieldValue(field);
        set(field, Array.isArray(blank) ? blank.map(answer) : answer());
      }
    }
    if (new section().hasField("Gpc")) {
      set("GpcSegmentIncluded", turn % 2 === 1);
      set("Gpc", turn === 3 || turn === 5);
    }
    const read = new GppModel(model.encode());
    const of = (field) => { try { return read.getFieldValue(section.NAME, field); } catch { return null; } };
    gpp.push({ text: model.encode(), ids: read.getSectionIds(), section: section.NAME, sale: of("SaleOptOut") ?? null,
      sharing: of("SharingOptOut") ?? null, targeted: of("TargetedAdvertisingOptOut") ?? null,
      children: of(children) ?? null, gpc: (of("GpcSegmentIncluded") && of("Gpc")) ?? null });
  }
}
const several = new GppModel();
several.setFieldValue("usnat", "SaleOptOutNotice", 1);
several.setFieldValue("usnat", "SaleOptOut", 2);
several.setFieldValue("usca", "SharingOptOutNotice", 1);
several.setFieldValue("usca", "SharingOptOut", 1);
several.setFieldValue("uspv1", "Notice", "Y");
several.setFieldValue("uspv1", "OptOutSale", "Y");
several.setFieldValue("uspv1", "LspaCovered", "N");
several.setFieldValue("tcfcav1", "CmpId", 50);
several.setFieldValue("tcfeuv2", "CmpId", 31);
several.setFieldValue("tcfeuv2", "PurposeConsents", [true, false, true, ...Array(21).fill(false)]);
several.setFieldValue("tcfeuv2", "VendorConsents", [12, 14]);
const lines = (rows) => `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]`;
process.stdout.write(`{"tcf": ${lines(tcf)},\n"gpp": ${lines(gpp)},\n`);
process.stdout.write(`"several": ${JSON.stringify({ text: several.encode(), ids: several.getSectionIds() })}}\n`);
