"""What a person's own rows say of others is withheld, wherever it stands; what is theirs is left as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_warehouse import ADA, BOB, filled

from singer_program.identifiers import Identifier
from subject_requests.others import WITHHELD, Others

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
OWN = (
    Identifier("id", "01ADA"),
    Identifier("email", ADA),
    Identifier("external_id", "crm-42"),
    Identifier("phone_number", "+442071838750"),
)
BOBS = (
    Identifier("id", "01BOB"),
    Identifier("external_id", "crm-43"),
    Identifier("phone_number", "+442071838751"),
)
OTHERS = Others(OWN, (*BOBS, Identifier("phone_number", "+442071838750")))  # a household's number is theirs, too
W = WITHHELD


@pytest.mark.parametrize(
    ("row", "left", "number"),
    [
        ({"profile_id": "01ADA", "email": ADA.upper(), "note": f"see {ADA}."}, None, 0),
        # An address in any text, in whatever form; a longer one is somebody else's.
        ({"note": f"cc {BOB}, <{ADA}>"}, {"note": f"cc {W}, <{ADA}>"}, 1),
        ({"note": f"john.{ADA} {ADA}.au x-{ADA}"}, {"note": f"{W} {W} {W}"}, 3),
        ({"u": "/?a=%20bob%40mail.example.net&b=ada%40m"}, {"u": f"/?a=%20{W}&b=ada%40m"}, 1),
        ({"u": "/?b=ada%40mail.example.net"}, None, 0),
        ({"u": "/?a=bob%2Bx%40mail.example.net"}, {"u": f"/?a={W}"}, 1),
        ({"u": "/img/logo@2x.png npm@10.2.0 @bob a@b"}, None, 0),
        ({"context": {"page": {"url": f"/?m={BOB}"}}}, {"context": {"page": {"url": f"/?m={W}"}}}, 1),
        ({"context": {BOB: 1}}, {"context": {W: 1}}, 1),
        ({"tags": [ADA, BOB, None, 3]}, {"tags": [ADA, W, None, 3]}, 1),
        # A column, and what begins alike.
        (
            {"profile_id": "01ADA", "friend_email": BOB, "friend_name": "Bob", "friends": 2},
            {"profile_id": "01ADA", "friend_email": W, "friend_name": W, "friends": 2},
            2,
        ),
        ({"email": ADA, "pay_email": BOB, "name": "Ada"}, {"email": ADA, "pay_email": W, "name": "Ada"}, 1),
        ({"profile_id": "01ADA", "user_id": "crm-43"}, {"profile_id": "01ADA", "user_id": W}, 1),
        ({"user_id": "crm-42", "anonymous_id": "a-7", "id": "e1"}, None, 0),
        # An object about somebody else is withheld whole; hers is not, nor is one that names nobody.
        ({"lines": [{"to": {"email": BOB, "name": "Bob", "street": "1"}}]}, {"lines": [{"to": W}]}, 1),
        ({"lines": [{"email": ADA, "name": "Ada"}, {"sku": "x"}]}, None, 0),
        ({"customer": {"email": BOB, "name": "Bob"}}, {"customer": W}, 1),
        ({"customer": {"user_id": "crm-43", "name": "Bob"}}, {"customer": W}, 1),
        ({"address": {"name": "Bob", "phone": "+44 20 7183 8751"}}, {"address": W}, 1),
        ({"address": {"name": "Ada", "phone": "+44 20 7183 8750"}}, None, 0),
        ({"address": {"name": "Ada", "phone": "+44 20 7183 8759"}}, None, 0),
        (
            {"customer": {"email": ADA, "friend_email": BOB, "friend_name": "B"}},
            {"customer": {"email": ADA, "friend_email": W, "friend_name": W}},
            2,
        ),
        # What says everything of an event is left, without whom it is about.
        (
            {"event_properties": {"email": BOB, "first_name": "Bob", "Item Name": "x", "to": {"email": BOB}}},
            {"event_properties": {"email": W, "first_name": W, "Item Name": "x", "to": W}},
            3,
        ),
        ({"event_properties": {"email": ADA, "first_name": "Ada"}}, None, 0),
        # A document that is kept as a text.
        (
            {"event_properties": json.dumps({"email": BOB, "reward": 5})},
            {"event_properties": json.dumps({"email": W, "reward": 5})},
            1,
        ),
        ({"customer": json.dumps({"email": BOB, "name": "Bob"})}, {"customer": json.dumps(W)}, 1),
        ({"customer": '{"email":  "ada@mail.example.net"}', "cut": '{"email": "'}, None, 0),
    ],
)  # fmt: skip
def test_what_is_withheld(row: Json, left: Json | None, number: int) -> None:
    assert OTHERS.without([row]) == ([left or row], number)


def test_without_a_warehouse_addresses_tell() -> None:
    assert Others(OWN).without([{"to": {"user_id": "crm-43"}, "cc": {"email": BOB}}]) == (
        [{"to": {"user_id": "crm-43"}, "cc": W}], 1
    )  # fmt: skip


ADDRESSES = st.sampled_from([ADA, BOB, f"john.{ADA}", f"{ADA}.au", "eve@x.example"])
FORMS: list[Callable[[str], str]] = [
    str, str.upper, lambda each: f"see <{each}>, or", lambda each: f"/?q=%20{quote(each, safe='')}&z",
    lambda each: json.dumps({"deep": [each]}), lambda each: f"mailto:{each}",
]  # fmt: skip
TEXTS = st.builds(lambda address, form: form(address), ADDRESSES, st.sampled_from(FORMS)) | st.just("plain")
NAMES = st.sampled_from(["email", "note", "friend_email", "friend_name", "url", "items", "user_id", "properties"])
DOCUMENTS = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | ADDRESSES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, DOCUMENTS, max_size=4))
def test_no_address_of_others_is_left_wherever_it_stands(row: Json) -> None:
    others = Others(OWN)
    [left], number = others.without([row])
    text = json.dumps(left).lower().replace("%40", "@")
    assert "bob@" not in text
    assert "eve@" not in text
    assert "john." not in text
    assert ".net.au" not in text
    # What was taken out is all that changed, and there is nothing more to take out.
    assert (left == row) is (number == 0)
    assert others.without([left]) == ([left], 0)


def test_nothing_of_others_is_in_a_package(sandbox: Sandbox, run: Callable[..., Any], tmp_path: Path) -> None:
    """Others next to her in everything that Klaviyo and the warehouse hold; and what is hers is there."""
    rows = sandbox.store.read(
        "select id, email from profiles where email <> '' and id in (select profile_id from events) order by id"
    )
    (ada, email), (bob, bobs) = rows[:2]
    number, key = "+442071838750", "crm-bob"
    write = sandbox.store.write
    write("update profiles set phone_number = ?, external_id = null where id = ?", [[number, ada]])
    write("update profiles set external_id = ? where id = ?", [[key, bob]])
    event = {
        "reward": 5,
        "friend": {"email": bobs, "name": "Robert Tables"},
        "url": f"https://shop.example/?ref={quote(bobs, safe='')}",
        "shipping_phone": number,
    }
    documents = {
        "events": [(event, ada), ({"friend_email": email}, bob)],
        "profiles": [({"brought_by": bobs, "plan": "pro"}, ada), ({"friend": email}, bob)],
    }
    for table, rows_of in documents.items():
        whose, member = ("id", "properties") if table == "profiles" else ("profile_id", "event_properties")
        changed = f"cast(json_set(cast(attributes as text), '$.{member}', json(?)) as blob)"
        values = [[json.dumps(document), whom] for document, whom in rows_of]
        write(f"update {table} set attributes = {changed} where {whose} = ?", values)  # noqa: S608
    held = filled(tmp_path / "warehouse.duckdb")
    gift = json.dumps({"gift_for": {"user_id": key, "name": "Robert"}})
    planted: dict[str, list[tuple[object, ...]]] = {
        "profiles": [(ada, email, number, None, "{}"), (bob, bobs, number, key, json.dumps({"friend": email}))],
        "orders": [
            ("mine", email, number, 1, gift),
            ("household", None, number, 2, "{}"),
            ("his", bobs, number, 3, "{}"),
        ],
        "referrals": [(ada, bobs, "Robert", [bobs, "vip"]), (bob, email, "Ada", [])],
        "shared_lists": [("longer", json.dumps([{"email": f"x.{email}"}]))],
    }
    with duckdb.connect(held) as warehouse:
        warehouse.execute("DELETE FROM klaviyo_raw.profiles")
        columns = "profile_id text, friend_email text, friend_name text, tags text[]"
        warehouse.execute(f"CREATE TABLE klaviyo_raw.referrals ({columns})")
        for table, tuples in planted.items():
            marks = ", ".join("?" * len(tuples[0]))
            warehouse.executemany(f"INSERT INTO klaviyo_raw.{table} VALUES ({marks})", tuples)  # noqa: S608
    refused = [
        {"key": {"email": email}, "given": {"email": email, "cc": {"email": bobs}}, "detail": f"of {bobs}"},
        {"key": {"email": bobs}, "given": {"email": bobs}},
    ]
    (tmp_path / "rejects.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in refused))
    done = run("export", "--email", email, "--out", "package", warehouse=held, rejects_paths='["rejects.jsonl"]')
    assert done.status == 0, done.err
    package = tmp_path / "package"
    everything = "".join(each.read_text() for each in package.rglob("*") if each.is_file()).lower()
    for each in (bobs, quote(bobs, safe=""), bob, key, "robert"):
        assert each.lower() not in everything, each

    def read(name: str) -> list[Json]:
        return json.loads((package / f"{name}.json").read_text())  # type: ignore[no-any-return]

    properties = read("events")[0]["event_properties"]
    assert (properties["reward"], properties["friend"], properties["shipping_phone"]) == (5, W, number)
    assert read("profile")[0]["properties"] == {"brought_by": W, "plan": "pro"}
    assert read("profile")[0]["phone_number"] == number
    [order] = read("warehouse/klaviyo_raw.orders")
    assert (order["order_id"], order["phone_number"], order["customer"]) == ("mine", number, {"gift_for": W})
    hers, by_him = sorted(read("warehouse/klaviyo_raw.referrals"), key=str)
    assert by_him == {"profile_id": W, "friend_email": email, "friend_name": "Ada", "tags": []}
    assert hers == {"profile_id": ada, "friend_email": W, "friend_name": W, "tags": [W, "vip"]}
    assert read("rejects/rejects")[0]["detail"] == f"of {W}"
    manifest = json.loads((package / "manifest.json").read_text())
    told = [(each["category"], each["reason"]) for each in manifest["omissions"]]
    withheld = {category for category, reason in told if "somebody else's" in reason}
    assert withheld == {
        "events", "profile", "rejects/rejects", "warehouse/klaviyo_raw.orders", "warehouse/klaviyo_raw.referrals",
    }  # fmt: skip
    # A longer address is no mention of hers.
    assert "warehouse/klaviyo_raw.shared_lists" not in dict(told)
    assert all(f"`{name}`" in (package / "README.md").read_text() for name in withheld)
