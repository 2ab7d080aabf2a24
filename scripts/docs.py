"""Writes the tables and files that come from the code; without `--write` it only says which are stale."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import hub_definitions
import plugin_settings
from doctor import operations
from project import TAP as TAP_NAME
from project import TARGET as TARGET_NAME
from project import meltano_yml, plugins_of
from singer_sdk.plugin_base import PluginBase

from exposure_export.rows import COLUMNS as EXPOSURE_COLUMNS
from exposure_export.settings import ExportSettings
from klaviyo_inbox.records import STREAMS as INBOX_STREAMS
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.sources import SOURCES
from klaviyo_inbox.tap import TapKlaviyoInbox
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, Limits
from map_consent_strings.decoding.choices import OptOut
from map_consent_strings.decoding.us_sections import SECTIONS
from map_consent_strings.mapper import MapConsentStrings
from map_consent_strings.rows import PROPERTIES as CONSENT_COLUMNS
from subject_requests.settings import RequestSettings
from subject_requests.tap import TapSubjectRequests
from tap_duckdb.tap import TapDuckDB
from tap_experiments.commands import schema_text
from tap_experiments.definitions import schema as experiment_schema
from tap_experiments.definitions.outcome_metrics import PACKAGED, SEED, read_catalogue
from tap_experiments.tap import TapExperiments
from tap_forwarding.commands import schema_text as forwarding_schema_text
from tap_forwarding.definitions import presets
from tap_forwarding.definitions import schema as forwarding_schema
from tap_forwarding.definitions.paths import unique_id_text
from tap_forwarding.definitions.reader import preset_rules
from tap_forwarding.tap import TapForwarding
from tap_klaviyo_engagement.client import Rhythm
from tap_klaviyo_engagement.reconciliation.tap import OWN_SETTINGS, TapKlaviyoReconcile
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.streams import STREAMS, SWITCHED, revision_of
from tap_klaviyo_engagement.streams.memberships import MembershipSnapshots
from tap_klaviyo_engagement.streams.resource_ids import ResourceIds
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_files.streams import KINDS
from tap_klaviyo_files.tap import TapKlaviyoFiles
from target_duckdb.target import TargetDuckDB
from target_klaviyo_profiles.deletions_tap import TapKlaviyoDeletions
from target_klaviyo_profiles.rejects_tap import RefusedRecords, TapKlaviyoRejects
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from singer_program.definitions.keys import Key
    from tap_klaviyo_engagement.client import KlaviyoStream
    from target_klaviyo_profiles.sinks.base import Sink

ROOT = Path(__file__).parent.parent


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    header = list(header)
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings(schema: Mapping[str, Any]) -> str:
    """Our own settings, in the order of the code; the SDK's built-in ones are in `--about`."""
    required = set(schema.get("required", ()))
    return table(
        ("setting", "required", "default", "description"),
        (
            (
                f"`{name}`",
                "yes" if name in required else "",
                f"`{value['default']}`" if value.get("default") is not None else "",
                " ".join(str(value.get("description", "")).split()),
            )
            for name, value in schema["properties"].items()
        ),
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def scopes(operations: Iterable[str]) -> str:
    """The scopes of some operations, each once."""
    return _code(sorted({scope for name in operations for scope in ENDPOINTS[name].scopes}))


def streams() -> str:
    """The tap's streams and where each comes from."""
    rows = []
    for stream in STREAMS:
        endpoint = ENDPOINTS.get(stream.operation)
        source = f"`{endpoint.method} {endpoint.path}`" if endpoint else "made by other streams"
        cursor = f"`{stream.replication_key}`" if stream.replication_key else "none: read whole"
        needed = scopes(filter(None, [stream.operation, stream.parent]))
        rows.append((f"`{stream.name}`", source, _code(stream.primary_keys), cursor, needed, _when(stream)))
    return table(("stream", "endpoint", "key", "cursor", "scopes", "when"), rows)


def rhythms() -> Mapping[Rhythm, list[type[KlaviyoStream]]]:
    """The streams that make requests, by rhythm, which their plugin is called after."""
    asking = [each for each in STREAMS if each.operation]
    return {rhythm: [each for each in asking if each.rhythm == rhythm] for rhythm in get_args(Rhythm)}


def selection(read: Sequence[type[KlaviyoStream]]) -> str:
    """What a plugin selects that reads some streams: these, and those that tell of them."""
    ids = any(issubclass(each, ListedStream) and each.tells_ids for each in read)
    names = [each.name for each in read]
    names += [ResourceIds.name] if ids else []
    names += [MembershipSnapshots.name] if ids or any(each.leaves_snapshots for each in read) else []
    return "\n".join(["    select:", *(f"    - {name}.*" for name in dict.fromkeys(names))])


def default_scopes() -> str:
    """The scopes of a key that can read every stream that is selected by default."""
    read = [each for each in STREAMS if each.selected_by_default and revision_of(each) in {"", DEFAULT_REVISION}]
    needed = scopes(filter(None, (each for stream in read for each in (stream.operation, stream.parent))))
    return f"A key for all streams that are selected by default needs {needed}, and no write scope."


def scopes_of_both_keys() -> str:
    """What the keys of the pipeline need, for all jobs of meltano.yml."""
    needed: dict[str, set[str]] = {TAP_NAME: set(), TARGET_NAME: set()}
    deleting: set[str] = set()
    for job in meltano_yml()["jobs"]:
        for name, operation_keys in operations(plugins_of(job["name"]), "prod", {}).items():
            deletes = name == TARGET_NAME and "deletions" in job["name"]
            (deleting if deletes else needed[name]).update(operation_keys)
    variables = {name: f"`{name.replace('-', '_').upper()}_API_KEY`" for name in needed}
    return table(
        ("key", "variable", "scopes"),
        (
            ("reads", variables[TAP_NAME], scopes(needed[TAP_NAME])),
            ("writes", variables[TARGET_NAME], scopes(needed[TARGET_NAME])),
            ("deletes people, if the job `deletions` is run", variables[TARGET_NAME], scopes(deleting)),
        ),
    )


def _many_rows() -> Iterable[tuple[str, Limits, int]]:
    """What streams and sinks of many rows ask of Klaviyo: its limits, and the most rows of a request."""
    many = ("events", "profiles", "profile_ids", "list_memberships", "segment_memberships")
    for stream in (each for each in STREAMS if each.name in many):
        endpoint = ENDPOINTS[stream.operation]
        if endpoint.page and endpoint.page.maximum:
            yield f"read `{stream.name}`", endpoint.limits, endpoint.page.maximum
    for name in ("profiles", "events"):
        [route] = {each.routes[0] for each in SINKS if each.stream == name}
        yield f"write `{name}`", ENDPOINTS[route.operation].limits, route.limits.items


def quota() -> str:
    """What rows cost of the quota, and how long a million takes at the least."""
    return table(
        ("what", "rows a request", "requests a second, a minute", "a million rows"),
        (
            (
                what,
                f"{most:,}",
                f"{limits.burst:,}, {limits.steady:,}",
                f"{1_000_000 // most:,} requests, {60_000_000 / most / limits.steady:,.0f} seconds",
            )
            for what, limits, most in _many_rows()
        ),
    )


def quota_at_scale() -> str:
    """How long Klaviyo's limits take, by the number of rows."""
    sizes = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
    return table(
        ("what", *(f"{size:,}" for size in sizes)),
        ((what, *(_span(size / most / limits.steady) for size in sizes)) for what, limits, most in _many_rows()),
    )


def _span(minutes: float) -> str:
    """A time in the unit that a person would say it in."""
    for unit, length, most in (("s", 1 / 60, 120), ("min", 1, 120), ("h", 60, 48)):
        if minutes / length < most:
            return f"{minutes / length:,.0f} {unit}"
    return f"{minutes / 1_440:,.0f} days"


def _when(stream: type[KlaviyoStream]) -> str:
    """When there is a stream of this declaration, and whether it must be selected; nothing: always, by default."""
    others = [revision_of(each) for each in STREAMS if each.name == stream.name and each is not stream]
    own, oldest = revision_of(stream), min(revision_of(each) for each in STREAMS if each.operation)
    said = [f"from {own}"] if own > oldest else []
    said += [f"before {each}" for each in others if each > own]
    if stream in SWITCHED:
        said.append(f"with `{SWITCHED[stream]}`")
    if not stream.selected_by_default:
        said.append("if selected")
    return ", ".join(said)


def _routes(sinks: Iterable[type[Sink]]) -> Iterable[str]:
    """The requests that write, each once, and how many records one takes."""
    told: dict[str, str] = {}
    for sink in sinks:
        for route in sink.routes:
            endpoint = ENDPOINTS[route.operation]
            since = "" if endpoint.revision == DEFAULT_REVISION else f", from {endpoint.revision}"
            told.setdefault(f"`{endpoint.method} {endpoint.path}` ({route.limits.items:,}", since)
    return [f"{request}{since})" for request, since in told.items()]


def _fields(sinks: Iterable[type[Sink]]) -> Iterable[tuple[str, str, str]]:
    """The fields of a stream's records, with the revision from which on there are those that were not always."""
    told: dict[str, tuple[str, str, str]] = {}
    for sink in sinks:
        since = "" if sink.revision() == DEFAULT_REVISION else f". From {sink.revision()}"
        for field in sink.fields:
            kind = f"{field.kind}{', required' if field.required else ''}"
            told.setdefault(field.name, (f"`{field.name}`", kind, f"{field.description}{since}"))
    return told.values()


def sinks() -> str:
    """The target's sinks, what each calls, and the fields of its records; those of one stream as one."""
    by_stream: dict[str, list[type[Sink]]] = {}
    for sink in sorted(SINKS, key=lambda each: each.revision()):
        by_stream.setdefault(sink.stream, []).append(sink)
    declared = {stream: by_stream[stream] for stream in dict.fromkeys(sink.stream for sink in SINKS)}
    calls = table(
        ("stream", "writes through (records a request)", "scopes"),
        (
            (
                f"`{stream}`",
                ", ".join(_routes(those)),
                scopes(operation for sink in those for operation in sink.operations()),
            )
            for stream, those in declared.items()
        ),
    )
    fields = [
        f"Fields of `{stream}`:\n\n" + table(("field", "type", "description"), _fields(those))
        for stream, those in declared.items()
    ]
    return "\n\n".join([calls, *fields])


def keys(sections: Iterable[tuple[str, Iterable[Key]]]) -> str:
    """The keys of a definition, with the path of each."""
    return table(
        ("key", "required", "default", "meaning"),
        (
            (
                f"`{path}{key.name}`",
                "yes" if key.required else "",
                f"`{key.default}`" if key.default else "",
                key.meaning,
            )
            for path, section in sections
            for key in section
        ),
    )


def event_presets() -> str:
    """What the presets of forwarding make of which events."""
    return table(
        ("preset", "event", "becomes", "one of its metric by"),
        (
            (
                f"`{name}`",
                f"`{rule.event}`" if rule.event else f"any {rule.type}",
                f"`{rule.metric}`" + (f", one for each of `{rule.per}`" if rule.per else ""),
                f"`{unique_id_text(rule.unique_id)}`",
            )
            for name in presets.event_presets()
            for rule in preset_rules(name)
        ),
    )


def consent_columns() -> str:
    """The columns that a consent string becomes."""
    return table(
        ("column", "type", "what it is"),
        ((f"`{each.name}`", _kind(each.type_dict), str(each.description)) for each in CONSENT_COLUMNS),
    )


def _kind(schema: Mapping[str, Any]) -> str:
    (kind,) = [each for each in schema["type"] if each != "null"]
    if kind == "array":
        return "list of objects" if "properties" in schema["items"] else "list of texts"
    return "time" if "format" in schema else {"string": "text"}.get(kind, kind)


def consent_sections() -> str:
    """The sections about the laws of the United States, and what each can say."""
    return table(
        ("number", "section", "a person may have opted out of"),
        (
            (
                str(each.id),
                f"`{each.name}`",
                ", ".join(f"`{told}`" for told in OptOut if told in each.can_say()),
            )
            for each in SECTIONS.values()
        ),
    )


def refused_records() -> str:
    """The columns of what `tap-klaviyo-rejects` reads."""
    return table(
        ("column", "type", "what it is"),
        (
            (f"`{name}`", _kind(schema), schema["description"])
            for name, schema in RefusedRecords.schema["properties"].items()
        ),
    )


def inbox_sources() -> str:
    """What the receiver takes, and how it knows the sender."""
    return table(
        ("source", "called at", "open by", "shows", "what comes again is known by", "its retries", "becomes"),
        (
            (
                f"`{each.name}`",
                ", ".join(f"`POST {path}`" for path in each.paths),
                f"`{each.setting}`",
                each.proof,
                each.idempotency,
                each.retries,
                f"`{each.stream.name}`",
            )
            for each in SOURCES
        ),
    )


def inbox_registration() -> str:
    """How a sender is told where the receiver is."""
    return table(
        ("source", "address", "where it is entered"),
        (
            (
                f"`{each.name}`",
                ", ".join(f"`https://inbox.example.com{path}`" for path in each.paths),
                each.registration,
            )
            for each in SOURCES
        ),
    )


def inbox_streams() -> str:
    """The columns of the receiver's streams: also what a form or a shop of one's own sends."""
    return table(
        ("stream", "column", "key", "what it is"),
        (
            (f"`{each.name}`", f"`{name}`", "yes" if name in each.keys else "", str(schema["description"]))
            for each in INBOX_STREAMS.values()
            for name, schema in each.columns.items()
        ),
    )


def plugin(name: str, schema: Mapping[str, Any]) -> Callable[[], str]:
    """The settings of a plugin as Meltano is told them."""
    return lambda: plugin_settings.block(name, schema)


def installation(folder: str) -> str:
    """How a package is installed with pip: out of git, or from wheels that were built here."""
    name = Path(folder).name
    wheels = [f"dist/{Path(each).name.replace('-', '_')}-*.whl" for each in hub_definitions.local_packages(folder)]
    given = " \\\n  ".join(f'"{each}"' for each in hub_definitions.addresses(folder))
    return (
        f"```sh\npython3 -m venv {name}-venv\n{name}-venv/bin/pip install \\\n  {given}\n```\n\n"
        f"```sh\nmake wheels\n{name}-venv/bin/pip install {' '.join(wheels)}\n```"
    )


def hub(name: str, code: type[PluginBase], folder: str) -> Callable[[], str]:
    """A plugin as Meltano Hub describes it."""
    return lambda: hub_definitions.definition(name, code, folder, code.config_jsonschema)


def fields_of_files() -> str:
    """What rows of files are made of: the names that `columns` knows, with those of columns that are found."""
    return table(
        ("stream", "name", "found in a column named"),
        (
            (
                f"`{kind.name}`",
                f"`{field.name}`",
                ", ".join(f"`{name}`" for name in (field.name, *field.aliases)),
            )
            for kind in KINDS.values()
            for field in kind.fields
        ),
    )


def exposure_columns() -> str:
    """The columns of the files of exposures."""
    return table(
        ("column", "type", "what it is"),
        ((f"`{each.name}`", str(each.kind), each.description) for each in EXPOSURE_COLUMNS),
    )


EXPERIMENTS, FORWARDING = Path("plugins/tap-experiments/README.md"), Path("plugins/tap-forwarding/README.md")
PLUGINS: Sequence[tuple[str, str, dict[str, Any], type[PluginBase], str]] = [
    (group, name, code.config_jsonschema if own is None else own, code, folder)
    for group, name, own, code, folder in (
        ("extractors", "tap-klaviyo-engagement", None, TapKlaviyoEngagement, "tap-klaviyo-engagement"),
        ("extractors", "tap-klaviyo-reconcile", OWN_SETTINGS, TapKlaviyoReconcile, "tap-klaviyo-engagement"),
        ("extractors", "tap-experiments", None, TapExperiments, "plugins/tap-experiments"),
        ("extractors", "tap-forwarding", None, TapForwarding, "plugins/tap-forwarding"),
        ("extractors", "tap-duckdb", None, TapDuckDB, "plugins/tap-duckdb"),
        ("extractors", "tap-klaviyo-inbox", None, TapKlaviyoInbox, "plugins/klaviyo-inbox"),
        ("extractors", "tap-klaviyo-files", None, TapKlaviyoFiles, "plugins/tap-klaviyo-files"),
        ("extractors", "tap-klaviyo-deletions", None, TapKlaviyoDeletions, "target-klaviyo-profiles"),
        ("extractors", "tap-klaviyo-rejects", None, TapKlaviyoRejects, "target-klaviyo-profiles"),
        ("extractors", "tap-subject-requests", None, TapSubjectRequests, "plugins/subject-requests"),
        ("mappers", "map-consent-strings", None, MapConsentStrings, "plugins/map-consent-strings"),
        ("loaders", "target-duckdb", None, TargetDuckDB, "plugins/target-duckdb"),
        ("loaders", "target-klaviyo-profiles", None, TargetKlaviyoProfiles, "target-klaviyo-profiles"),
    )
]
"""The Singer plugins: kind, name, the settings that their definition here lists, class, package."""
INBOX, CONSENT = Path("plugins/klaviyo-inbox/README.md"), Path("plugins/map-consent-strings/README.md")
EXPOSURES = Path("plugins/exposure-export/README.md")
FILE_TAP = Path("plugins/tap-klaviyo-files/README.md")
TAP, TARGET = Path("tap-klaviyo-engagement/README.md"), Path("target-klaviyo-profiles/README.md")
BLOCKS: Mapping[tuple[Path, str], Callable[[], str]] = {
    **{
        (Path("plugins/extractors.meltano.yml"), f"streams of tap-klaviyo-{rhythm}"): partial(selection, read)
        for rhythm, read in rhythms().items()
    },
    (Path("README.md"), "scopes of both keys"): scopes_of_both_keys,
    (Path("docs/quota.md"), "quota"): quota,
    (Path("docs/scale.md"), "quota at scale"): quota_at_scale,
    (TAP, "settings"): lambda: settings(TapKlaviyoEngagement.config_jsonschema),
    (TAP, "reconcile"): lambda: settings(OWN_SETTINGS),
    (TAP, "install"): lambda: installation("tap-klaviyo-engagement"),
    (TAP, "streams"): streams,
    (TAP, "scopes"): default_scopes,
    (TARGET, "settings"): lambda: settings(TargetKlaviyoProfiles.config_jsonschema),
    (TARGET, "sinks"): sinks,
    (TARGET, "refused records"): refused_records,
    (TARGET, "install"): lambda: installation("target-klaviyo-profiles"),
    (EXPERIMENTS, "keys"): lambda: keys(experiment_schema.sections(read_catalogue(ROOT / SEED))),
    (EXPERIMENTS, "settings"): lambda: settings(TapExperiments.config_jsonschema),
    (EXPOSURES, "columns"): exposure_columns,
    (EXPOSURES, "settings"): lambda: settings(ExportSettings.json_schema()),
    (Path("plugins/utilities.meltano.yml"), "settings of exposure-export"): plugin(
        "exposure-export", ExportSettings.json_schema()
    ),
    (FILE_TAP, "settings"): lambda: settings(TapKlaviyoFiles.config_jsonschema),
    (FILE_TAP, "fields"): fields_of_files,
    (FORWARDING, "keys"): lambda: keys(forwarding_schema.sections()),
    (FORWARDING, "presets"): event_presets,
    (FORWARDING, "settings"): lambda: settings(TapForwarding.config_jsonschema),
    (CONSENT, "settings"): lambda: settings(MapConsentStrings.config_jsonschema),
    (CONSENT, "columns"): consent_columns,
    (CONSENT, "sections"): consent_sections,
    (Path("plugins/tap-duckdb/README.md"), "settings"): lambda: settings(TapDuckDB.config_jsonschema),
    (INBOX, "sources"): inbox_sources,
    (INBOX, "registration"): inbox_registration,
    (INBOX, "settings"): lambda: settings(InboxSettings.json_schema()),
    (INBOX, "streams"): inbox_streams,
    (INBOX, "tap settings"): lambda: settings(TapKlaviyoInbox.config_jsonschema),
    (Path("plugins/subject-requests/README.md"), "settings"): lambda: settings(RequestSettings.json_schema()),
    (Path("plugins/target-duckdb/README.md"), "settings"): lambda: settings(TargetDuckDB.config_jsonschema),
    **{
        (Path(f"plugins/{group}.meltano.yml"), f"settings of {name}"): plugin(name, schema)
        for group, name, schema, _, _ in PLUGINS
    },
}
"""Which block of which file is written by what: the text between `<!-- name -->` and `<!-- /name -->`.

In YAML the markers are comments: `# name`, `# end of name`. What plugins select is first: scopes follow from it.
"""

FILES: Mapping[Path, Callable[[], str]] = {
    EXPERIMENTS.with_name("experiment.schema.json"): lambda: schema_text(read_catalogue(ROOT / SEED)),
    FORWARDING.with_name("forwarding.schema.json"): forwarding_schema_text,
    PACKAGED.relative_to(ROOT): (ROOT / SEED).read_text,
    **{hub_definitions.path_of(group, name): hub(name, code, folder) for group, name, _, code, folder in PLUGINS},
}
"""Which file is written whole by what."""


def renewed(path: Path, text: str, name: str, block: str) -> str:
    """The text of a file with one block replaced.

    Raises:
        ValueError: the markers are not there, once each.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if path.suffix == ".yml":
        begin, end = f"    # {name}", f"    # end of {name}"
    pattern = re.compile(rf"(?ms)^{re.escape(begin)}$.*?^{re.escape(end)}$")
    if len(pattern.findall(text)) != 1:
        msg = f"{path}: there must be one pair of lines {begin} … {end}"
        raise ValueError(msg)
    return pattern.sub(lambda _: f"{begin}\n{block}\n{end}", text)


def main() -> None:
    """Write, or say what is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the tables")
    write = parser.parse_args().write
    stale = []
    for (path, name), make in BLOCKS.items():
        text = (ROOT / path).read_text()
        fresh = renewed(path, text, name, make())
        if fresh != text:
            stale.append(f"{path}: {name}")
            if write:
                (ROOT / path).write_text(fresh)
    for path, make in FILES.items():
        fresh = make()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != fresh:
            stale.append(str(path))
            if write:
                (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
                (ROOT / path).write_text(fresh)
    if stale and not write:
        sys.exit("\n".join(["stale; renew with `make docs WRITE=--write`:", *stale]))
    fresh_all = f"{len(BLOCKS)} generated blocks and {len(FILES)} files are fresh"
    print(f"renewed: {', '.join(stale)}" if stale else fresh_all)


if __name__ == "__main__":
    main()
