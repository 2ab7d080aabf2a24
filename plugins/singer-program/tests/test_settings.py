from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singer_program.errors import ProgramError
from singer_program.settings import SECRET, Settings, numbers_read

if TYPE_CHECKING:
    from pathlib import Path

File = Callable[[object], str]
HIDDEN = "s3cr3t"


class InboxSettings(Settings, kw_only=True):
    """Of every kind that programs have."""

    store: Annotated[str, msgspec.Meta(description="Where deliveries are kept")]
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8080
    share: float = 1.0
    strict: bool = False
    mode: Literal["warn", "fail"] = "warn"
    secrets: Annotated[tuple[str, ...], SECRET] = ()
    token: Annotated[Literal["a", "b"] | None, SECRET] = None
    sizes: Annotated[dict[str, int], msgspec.Meta(description="Of what")] = msgspec.field(default_factory=dict)
    lowest: int = 0

    def __post_init__(self) -> None:
        if self.lowest > self.port:
            message = "the setting `lowest` is above `port`"
            raise ValueError(message)


def faults(*files: str, **environment: str) -> list[str]:
    with pytest.raises(ProgramError) as error:
        InboxSettings.read("klaviyo-inbox", files, environment)
    return list(error.value.lines)


@pytest.fixture
def file(tmp_path: Path) -> File:
    def file(content: object) -> str:
        path = tmp_path / "inbox.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), errors="surrogateescape")
        return str(path)

    return file


def test_the_environment_comes_before_the_files_and_the_last_file_first(file: File, tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text('{"port": 2, "strict": true, "mode": null}')
    first = file({"store": "a.db", "port": 1, "share": 3})
    read = InboxSettings.read(
        "klaviyo-inbox",
        [first, "ENV", str(tmp_path / "more.json")],
        {
            "KLAVIYO_INBOX_STORE": "b.db",
            "KLAVIYO_INBOX_SHARE": "0.5",
            "KLAVIYO_INBOX_SECRETS": '["x", "y"]',
            "KLAVIYO_INBOX_SIZES": '{"a": 9007199254740993}',
            "KLAVIYO_INBOX_PORT_8080_TCP": "another program's",
            "KLAVIYO_INBOX_MODE": "",
        },
    )
    assert read == InboxSettings(
        store="b.db", port=2, share=0.5, strict=True, secrets=("x", "y"), sizes={"a": 2**53 + 1}
    )


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_a_switch_in_the_environment(value: str) -> None:
    read = InboxSettings.read("i", (), {"I_STORE": "true", "I_STRICT": value})
    assert (read.strict, read.store) == (True, "true")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "the setting `store` is missing: set KLAVIYO_INBOX_STORE, or use `--config`"),
        ({"store": 1}, "the setting `store`, given by {file}: Expected `str`, got `int`"),
        ({"store": "a", "port": "80"}, "the setting `port`, given by {file}: Expected `int`, got `str`"),
        ({"store": "a", "port": 65_536}, "the setting `port`, given by {file}: Expected `int` <= 65535"),
        ({"store": "a", "mode": "off"}, "the setting `mode`, given by {file}: Invalid enum value 'off'"),
        ({"store": "a", "stroe": "b"}, "{file}: there is no setting `stroe`; did you mean `store`?"),
        ({"store": "a", "lowest": 9000}, "the setting `lowest` is above `port`"),
        ("{", "{file}: is not JSON (line 1, column 2: Expecting property name enclosed in double quotes)"),
        ("[]", "{file}: does not hold a JSON object of settings"),
        ('{"store": "\udcff"}', "{file}: is not JSON"),
        ("[" * 100_000, "{file}: is not JSON"),
    ],
)
def test_a_wrong_file_is_a_line(file: File, content: object, said: str) -> None:
    path = file(content)
    assert faults(path) == [said.format(file=path)]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert faults(str(tmp_path / "gone.json")) == [
        f"{tmp_path}/gone.json: cannot be read: No such file or directory"
    ]
    assert faults(str(tmp_path)) == [f"{tmp_path}: cannot be read: Is a directory"]
    assert faults("") == [": cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("PORT", "eighty", "Expected `int`, got `str`"),
        ("PORT", "1.5", "Expected `int`, got `str`"),
        ("STRICT", "perhaps", "Expected `bool`, got `str`"),
        ("SECRETS", HIDDEN, "Expected `array`, got `str`"),
        ("SECRETS", f'["{HIDDEN}", 1]', "Expected `str`, got `int` - at `$[1]`"),
        ("SECRETS", f'{{"{HIDDEN}": 1}}', "Expected `array`, got `object`"),
        ("SECRETS", "[" * 100_000, "Expected `array`, got `str`"),
        ("TOKEN", HIDDEN, "its value is not allowed"),
        ("SIZES", f'{{"a": "{HIDDEN}"}}', "Expected `int`, got `str` - at `$[...]`"),
    ],
)
def test_a_wrong_variable_is_a_line_without_its_value(variable: str, text: str, said: str) -> None:
    [line] = faults(KLAVIYO_INBOX_STORE="a", **{f"KLAVIYO_INBOX_{variable}": text})
    assert line == f"the setting `{variable.lower()}`, given by KLAVIYO_INBOX_{variable}: {said}"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("STROE", "store"), ("PROT", "port"), ("LOWST", "lowest"), ("SECRET", "secrets"), ("STRICTLY", "strict")],
)
def test_a_misspelt_variable_is_a_line_with_the_setting_that_is_meant(variable: str, meant: str) -> None:
    told = f"KLAVIYO_INBOX_{variable}: there is no setting `{variable.lower()}`; did you mean `{meant}`?"
    assert faults(KLAVIYO_INBOX_STORE="a", **{f"KLAVIYO_INBOX_{variable}": HIDDEN}) == [told]
    assert InboxSettings.read("other", (), {"OTHER_STORE": "a", f"KLAVIYO_INBOX_{variable}": HIDDEN}).store == "a"


@pytest.mark.parametrize(
    "variable",
    [
        "PORT_8080_TCP",
        "PORT_8080_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "LOGLEVEL",
        "_STORE",
        "__STORE",
        "EU_STORE",
        "EU__SELECT",
        "SIZES_A",
        "SIZES__A",
        "STORES_OF_OTHERS",
        "_",
    ],
)
def test_a_variable_that_is_not_meant_as_a_setting_is_left_alone(variable: str) -> None:
    given = {"KLAVIYO_INBOX_STORE": "a", f"KLAVIYO_INBOX_{variable}": HIDDEN, "KLAVIYO_INBOX": HIDDEN}
    assert InboxSettings.read("klaviyo-inbox", (), given) == InboxSettings(store="a")


def test_an_empty_variable_says_nothing_also_where_it_is_misspelt() -> None:
    assert InboxSettings.read("i", (), {"I_STORE": "a", "I_STROE": ""}) == InboxSettings(store="a")


def test_every_fault_is_told() -> None:
    assert len(faults(I_PORT="-1")) == 1, "of another program"
    assert len(faults(KLAVIYO_INBOX_PORT="-1", KLAVIYO_INBOX_SHARE="half")) == 3


@settings(deadline=None)  # a busy machine is no fault
@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_a_text_is_read_as_it_stands(text: str) -> None:
    assert InboxSettings.read("i", (), {"I_STORE": text}).store == text


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers())
def test_a_whole_number_keeps_its_digits(number: int) -> None:
    read = InboxSettings.read("i", (), {"I_STORE": "a", "I_SIZES": json.dumps({"n": number})})
    assert read.sizes == {"n": number}


def test_secrets_are_not_printed() -> None:
    held = InboxSettings(store="a.db", secrets=(HIDDEN,), token="a")
    assert "a.db" in repr(held)
    assert HIDDEN not in f"{held} {held!r} {[held]}"
    assert "token='a'" not in repr(held)


def test_the_declaration_is_what_an_sdk_plugin_would_have() -> None:
    schema = InboxSettings.json_schema()
    assert schema["required"] == ["store"]
    assert schema["properties"]["store"] == {"type": "string", "description": "Where deliveries are kept"}
    assert schema["properties"]["secrets"]["secret"] is True
    assert schema["properties"]["port"]["default"] == 8080


def test_a_number_may_be_given_as_text() -> None:
    """As Meltano gives it, whatever a variable says."""
    known: dict[str, dict[str, object]] = {
        "share": {"type": ["number", "null"]},
        "hours": {"type": "number"},
        "name": {"type": ["string"]},
    }
    told = {"share": "0.5", "hours": 0, "name": "1", "unknown": "2"}
    assert numbers_read(told, known) == {**told, "share": 0.5}
    for text in ("half", "", "nan", "-Infinity", "1e999"):
        assert numbers_read({"share": text, "hours": None}, known) == {"share": text, "hours": None}
