"""Declare the settings of a plain command, and read them from files and the environment.

Taps and targets declare theirs as `config_jsonschema`, and the SDK reads them; `plugin.py` says how.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import msgspec

from singer_program.errors import ProgramError

_Given = tuple[str, object, Callable[[Any, Any], Any]]
"""Where a value was given, the value, and what makes it one of the setting's type."""

SECRET = msgspec.Meta(extra_json_schema={"secret": True})
"""Marks a setting whose value is never shown: `Annotated[str, SECRET]`."""


class Settings(msgspec.Struct):
    """Base of a program's settings: every field is one, and its type says what is accepted.

    A field without a default is required. `msgspec.Meta` adds a description and bounds. A rule between settings
    goes into `__post_init__`, which raises `ValueError` with a text that holds no value of a secret.
    """

    @classmethod
    def read(cls, program: str, files: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Self:
        """The settings as given; the environment comes before the files, and a later file before an earlier.

        Args:
            program: Its name: `klaviyo-inbox` reads the setting `store` from the variable `KLAVIYO_INBOX_STORE`.
                Lists and objects are JSON there; an empty variable gives nothing. One that is no setting is
                refused if it is close to one; others put theirs under the same prefix, and are left alone.
            files: Each holds a JSON object; null gives nothing. `ENV`, with which a Singer plugin is told to read
                the environment, is no file.
            environment: Instead of that of the process.

        Raises:
            ProgramError: with a line for every fault, none of which holds the value of a secret.
        """
        fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        faults: list[str] = []
        environment = os.environ if environment is None else environment
        given = _given(fields, files, faults) | _set(fields, program, environment)
        faults += unknown_variables(program, fields, environment)
        values: dict[str, object] = {}
        for name, field in fields.items():
            if name in given:
                place, value, convert = given[name]
                try:
                    values[name] = convert(value, field.type)
                except msgspec.ValidationError as error:
                    faults.append(f"the setting `{name}`, given by {place}: {cls._reason(name, error)}")
            elif field.required:
                faults.append(
                    f"the setting `{name}` is missing: set {_variable(program, name)}, or use `--config`"
                )
        if faults:
            raise ProgramError(*faults)
        try:
            return cls(**values)
        except ValueError as error:
            raise ProgramError(error) from error

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The settings as the SDK would declare them, `secret` with those that are; for tables and definitions."""
        schema = msgspec.json.schema(cls)
        definitions: dict[str, Any] = schema["$defs"]
        own: dict[str, Any] = definitions.pop(cls.__name__)
        own["properties"] = {name: _one_type(each) for name, each in own["properties"].items()}
        return {**own, "$defs": definitions} if definitions else own

    @classmethod
    def _reason(cls, name: str, error: msgspec.ValidationError) -> str:
        """Why a value is refused. `Expected …` tells types and bounds; the library's other texts may quote it."""
        hidden = cls.json_schema()["properties"][name].get("secret") and not str(error).startswith("Expected ")
        return "its value is not allowed" if hidden else str(error)

    def __repr__(self) -> str:
        properties = self.json_schema()["properties"]
        told = (
            f"{field.name}="
            + ("…" if properties[field.encode_name].get("secret") else repr(getattr(self, field.name)))
            for field in msgspec.structs.fields(self)
        )
        return f"{type(self).__name__}({', '.join(told)})"


def _one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema that allows null, as the SDK writes it: with several types, and not several schemas."""
    match schema:
        case {"anyOf": [{"type": str(kind)} as own, {"type": "null"}], **rest}:
            return {**own, **rest, "type": [kind, "null"]}
        case _:
            return schema


def _given(fields: Mapping[str, object], files: Sequence[str], faults: list[str]) -> dict[str, _Given]:
    """What the files give, the last one first; a name that is no setting is a fault."""
    given: dict[str, _Given] = {}
    for file in files:
        for name, value in _json_object(file) if file != "ENV" else ():
            if name not in fields:
                faults += [f"{file}: {fault}" for fault in unknown_settings([name], fields)]
            elif value is not None:
                given[name] = file, value, msgspec.convert
    return given


def _set(fields: Mapping[str, object], program: str, environment: Mapping[str, str]) -> dict[str, _Given]:
    """What the environment gives."""
    variables = {name: _variable(program, name) for name in fields}
    return {
        name: (variable, environment[variable], _from_text)
        for name, variable in variables.items()
        if environment.get(variable)
    }


def _variable(program: str, name: str) -> str:
    return f"{program}_{name}".upper().replace("-", "_")


def _json_object(file: str) -> Iterator[tuple[str, object]]:
    try:
        with open(file, encoding="utf-8") as content:  # noqa: PTH123 - Path("") would be the folder `.`
            value = json.load(content)
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}"
        raise ProgramError(message) from error
    except json.JSONDecodeError as error:
        message = f"{file}: is not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise ProgramError(message) from None
    except (ValueError, RecursionError):  # no text in UTF-8, a number or a nesting beyond Python's bounds
        message = f"{file}: is not JSON"
        raise ProgramError(message) from None
    if not isinstance(value, dict):
        message = f"{file}: does not hold a JSON object of settings"
        raise ProgramError(message)
    yield from value.items()


def _from_text(text: str, kind: Any) -> object:  # noqa: ANN401 - any annotation
    """The value in a variable of the environment: a text or number as it stands, a list or object as JSON.

    Raises:
        msgspec.ValidationError: it is not of this kind.
    """
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            value = None
        if isinstance(value, list | dict):
            return msgspec.convert(value, kind)
        raise


def numbers_read(given: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings of which a number may be given as text, as variables and what fills files from them have it.

    Args:
        given: Value by name.
        known: Each setting's JSON Schema. What is text and no number, or one without end, stays text, for the
            validation to tell.
    """
    return {name: _number(value) if takes_number(known.get(name)) else value for name, value in given.items()}


def takes_number(schema: Mapping[str, Any] | None) -> bool:
    """Whether a setting of this JSON Schema may be a number; of one that there is none of, no."""
    kind = (schema or {}).get("type", ())
    return "number" in ([kind] if isinstance(kind, str) else kind)


def _number(value: object) -> object:
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return value
    return number if math.isfinite(number) else value  # no JSON Schema refuses what is no number, or endless


def unknown_settings(given: Iterable[str], known: Mapping[str, object]) -> list[str]:
    """A line for each given name that is no setting: misspelt, it would have no effect, and nobody be told."""
    return [f"there is no setting `{name}`; {_nearest(name, known)}" for name in given if name not in known]


def unknown_variables(
    program: str, known: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> list[str]:
    """A line for each variable of the environment that is meant as a setting, and is none.

    Not every variable under the program's prefix is meant as one: Meltano puts there what it knows of a plugin
    (`TAP_X__SELECT`), parts of an object (`TAP_X_STREAM_MAPS_EVENTS`), and the settings of a plugin whose name
    goes on (`TAP_X_ANSWERS_PATH`); a cluster puts there where its services are. Only what is close to a setting
    is told, and never its value.

    Args:
        program: Its name, as in `Settings.read`.
        known: The settings by name.
        environment: Instead of that of the process.
    """
    prefix = _variable(program, "")
    faults = []
    for variable, value in sorted((os.environ if environment is None else environment).items()):
        name = variable.removeprefix(prefix).lower()
        if variable.startswith(prefix) and value and _is_meant(name, known):
            faults += [f"{variable}: {fault}" for fault in unknown_settings([name], known)]
    return faults


def _is_meant(name: str, known: Mapping[str, object]) -> bool:
    """Whether the rest of a variable's name is most likely a setting, spelt right or not."""
    if name.replace("__", "_") in known:
        return True
    if "__" in f"_{name}" or any(name.startswith(f"{setting}_") for setting in known):
        return False
    near = difflib.get_close_matches(name, known, n=1)
    return bool(near) and not name.endswith(f"_{near[0]}")


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"there are {', '.join(f'`{each}`' for each in known)}"
