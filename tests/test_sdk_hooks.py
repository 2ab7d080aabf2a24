"""Where our packages reach into the Singer SDK: what to look at when it is upgraded.

Three tables, each compared with the code both ways: a hook that is overridden or used and not listed fails, and so
does one that is listed and no longer there. Every listed hook must still be in the SDK, with the same parameters.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    init.parent.name
    for project in (*ROOT.glob("*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml"))
    for init in (*project.parent.glob("*/__init__.py"), *project.parent.glob("src/*/__init__.py"))
)
"""Every package of this repository."""

MEANT_TO_BE_OVERRIDDEN = {
    "GenericSingerReader.deserialize_json",
    "InlineMapper.map_activate_version_message",
    "InlineMapper.map_batch_message",
    "InlineMapper.map_record_message",
    "InlineMapper.map_schema_message",
    "InlineMapper.map_state_message",
    "PluginBase.config_jsonschema",
    "PluginBase.package_name",
    "Sink.clean_up",
    "Sink.process_batch",
    "Sink.process_record",
    "Stream.get_records",
    "Stream.is_sorted",
    "Stream.primary_keys",
    "Stream.replication_key",
    "Stream.schema",
    "Stream.selected_by_default",
    "Tap.discover_streams",
    "Tap.dynamic_catalog",
    "Target.get_sink_class",
}
"""What every Singer plugin declares, as the SDK's documentation tells."""


class Hook(NamedTuple):
    """A member of the SDK: its parameters (None: it is no function), and why we touch it."""

    parameters: str | None
    why: str


OVERRIDDEN = {
    "BaseSingerReader.listen": Hook("(self, file_input=None)", "rows are read as columns, not each by itself"),
    "BaseSingerReader.message_reader_class": Hook(None, "a mapper reads messages with msgspec"),
    "BaseSingerReader.process_endofpipe": Hook(
        "(self)", "what a mapper holds is written when its input has ended"
    ),
    "BaseSingerWriter.message_writer_class": Hook(None, "a mapper writes messages with msgspec"),
    "GenericSingerReader._process_unknown_message": Hook(
        "(self, message_dict)", "a message of an unknown type is refused without quoting it"
    ),
    "GenericSingerReader.assert_line_requires": Hook(
        "(line_dict, requires)",
        "a message that lacks a key is refused without quoting it",
    ),
    "GenericSingerReader.default_input": Hook("(self)", "bytes, and something to do while no line comes"),
    "InlineMapper.capabilities": Hook(None, "only those that a mapper has: stream maps are not applied to it"),
    "MsgSpecWriter.write_message": Hook("(self, message)", "a reader that is gone ends the run in one line"),
    "PluginBase._env_var_config": Hook("(cls)", "numbers in the environment are numbers"),
    "PluginBase._env_var_prefix": Hook("(cls)", "tap-klaviyo-reconcile shares the settings of the tap"),
    "PluginBase._handle_termination": Hook("(self, signum, frame)", "a stopped run ends with the status of one"),
    "PluginBase._validate_config": Hook("(self, *, raise_errors=True)", "all faults in one line, without the key"),
    "PluginBase.cb_config": Hook("(cls, ctx, param, value)", "an unreadable configuration is told in one line"),
    "PluginBase.get_singer_command": Hook("(cls)", "a state or catalog that is no object is told in one line"),
    "Sink.get_validator": Hook("(self)", "records are checked by our own rules, at a fraction of the cost"),
    "Sink.include_sdc_metadata_properties": Hook("(self)", "Klaviyo gets no columns of the SDK's"),
    "Stream.TYPE_CONFORMANCE_LEVEL": Hook(None, "DuckDB's values are converted already"),
    "Stream._generate_record_messages": Hook("(self, record)", "records have the selected columns already"),
    "Stream._increment_stream_state": Hook(
        "(self, latest_record, *, context=None)", "the bookmark follows complete windows, not single rows"
    ),
    "Stream._sync_records": Hook(
        "(self, context=None, *, write_messages=True)",
        "batches are written as they are; what stops one stream does not stop the others",
    ),
    "Stream._write_starting_replication_value": Hook("(self, context)", "a stream reads its own bookmark"),
    "Stream.apply_catalog": Hook("(self, catalog)", "a replication key that cannot be used is refused"),
    "Stream.check_sorted": Hook("(self)", "lines of refusals are in the order of a clock, which may be put back"),
    "Stream.get_replication_key_signpost": Hook("(self, context=None)", "our bookmarks have their own limit"),
    "Tap._handle_termination": Hook("(self, signum, frame)", "a stopped run ends with the status of one"),
    "Tap.capabilities": Hook(None, "`batch` and `activate-version` would write around the bookmarks"),
    "Tap.cb_test": Hook("(cls, ctx, param, value)", "`--test` tells of each stream whether it can be read"),
    "Tap.input_catalog": Hook("(self)", "a catalog of before says of a hashed column what it was"),
    "Tap.invoke": Hook(
        "(cls, *, about=False, about_format=None, config=None, state=None, catalog=None)",
        "what a person can set right is told in one line, and a stream that failed in the exit status",
    ),
    "Tap.load_state": Hook("(self, state)", "a state of another shape is told in a sentence"),
    "Tap.message_writer_class": Hook(None, "messages are written with msgspec"),
    "Tap.setup_mapper": Hook("(self)", "a stream map for a stream that is not selected does not end the run"),
    "Tap.streams": Hook("(self)", "the order of STREAMS: the SDK sorts by name"),
    "Tap._set_compatible_replication_methods": Hook(
        "(self)",
        "taps look at their state, and say whose their rows are, before the first of them",
    ),
    "Target._handle_termination": Hook("(self, signum, frame)", "the SDK would drain amid what was interrupted"),
    "Target._process_activate_version_message": Hook("(self, message_dict)", "nothing is deleted for not coming"),
    "Target._process_batch_message": Hook("(self, message_dict)", "BATCH is refused with the remedy"),
    "Target._process_schema_message": Hook("(self, message_dict)", "a table's keys are no fields of a sink"),
    "Target._process_record_message": Hook("(self, message_dict)", "half of the SDK's time for a record"),
    "Target._process_state_message": Hook("(self, message_dict)", "STATE waits until what came before is settled"),
    "Target._write_state_message": Hook("(self, state)", "a reader that is gone ends the run in one line"),
    "Target.append_builtin_config": Hook("(cls, config_jsonschema)", "only those settings that have an effect"),
    "Target.capabilities": Hook(None, "only those that the target has"),
    "Target.message_reader_class": Hook(None, "messages are read with msgspec"),
    "Target.process_endofpipe": Hook("(self)", "everything is settled, and the outcome judged"),
}
"""What is overridden beyond a plugin's declarations."""

USED = {
    "Stream._sync_records": Hook("(self, context=None, *, write_messages=True)", "the SDK's path: stream maps"),
    "Stream._write_state_message": Hook("(self)", "STATE after so many seconds, since it tells of every file"),
    "Stream._tap": Hook(None, "its message writer and its state writer"),
    "Tap._set_compatible_replication_methods": Hook("(self)", "what it does, once the account is told"),
    "Tap._streams": Hook(None, "keeps the streams in the order of STREAMS"),
    "PluginBase._env_var_config": Hook("(cls)", "what the environment says, before numbers are read"),
    "PluginBase._env_var_prefix": Hook("(cls)", "names the variable that cannot be read"),
    "PluginBase._validate_config": Hook("(self, *, raise_errors=True)", "the SDK's own check"),
    "BaseSingerReader._assert_line_requires": Hook(
        "(self, message_dict, requires)", "the check of a message's keys"
    ),
    "Target._assert_sink_exists": Hook("(self, stream_name)", "the error for a record without SCHEMA"),
    "Target._process_schema_message": Hook("(self, message_dict)", "the stream is registered without its keys"),
    "Target._sinks_active": Hook(None, "the sink of a stream, without the SDK's look-up"),
    "Target._write_state_message": Hook("(self, state)", "emits STATE"),
}
"""Members with a name of their own (`_…`) that our code calls or reads."""

IMPORTED = {
    "singer_sdk.configuration._dict_config.parse_environment_config": "finds the variable that cannot be read",
    "singer_sdk.helpers._catalog.pop_deselected_record_properties": "takes deselected parts out of objects",
    "singer_sdk.plugin_base._ConfigInput": "the type of a configuration on the command line",
}
"""Names with `_` in modules of the SDK, and anything of its private modules."""


# What the code does


def _ours() -> Iterator[type]:
    """Every class of ours that has one of the SDK's among its bases."""
    for package in PACKAGES:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if found.name.endswith("__main__"):
                continue
            module = importlib.import_module(found.name)
            for each in vars(module).values():
                if inspect.isclass(each) and each.__module__ == module.__name__ and _sdk_bases(each):
                    yield each


def _sdk_bases(each: type) -> list[type]:
    return [base for base in each.__mro__ if base.__module__.split(".")[0] == "singer_sdk"]


def _hidden(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_abc_impl"


@cache
def _tree(each: type) -> ast.Module:
    return ast.parse(inspect.cleandoc(f"\n{inspect.getsource(each)}"))


@cache
def _own_attributes(base: type) -> frozenset[str]:
    """The members that a class of the SDK defines or assigns itself."""
    assigned = {
        node.attr
        for node in ast.walk(_tree(base))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    }
    return frozenset(assigned | vars(base).keys())


def _overridden() -> dict[str, set[str]]:
    """SDK member → our classes that override it; a member is named by the nearest class of the SDK that has it."""
    found: dict[str, set[str]] = {}
    for each in _ours():
        for name in vars(each):
            owner = next((base for base in _sdk_bases(each) if name in vars(base)), None)
            if owner and not name.startswith("__") and name != "_abc_impl":
                found.setdefault(f"{owner.__name__}.{name}", set()).add(each.__name__)
    return found


def _used() -> dict[str, set[str]]:
    """SDK member with a hidden name → our classes whose code mentions it."""
    found: dict[str, set[str]] = {}
    for each in _ours():
        for node in ast.walk(_tree(each)):
            if isinstance(node, ast.Attribute) and _hidden(node.attr):
                owner = next((base for base in _sdk_bases(each) if node.attr in _own_attributes(base)), None)
                if owner:
                    found.setdefault(f"{owner.__name__}.{node.attr}", set()).add(each.__name__)
    return found


def _imported() -> set[str]:
    """Hidden names, and names out of hidden modules, that our modules import from the SDK."""
    found = set()
    for package in PACKAGES:
        root = importlib.import_module(package)
        for each in pkgutil.walk_packages(root.__path__, f"{package}."):
            spec = importlib.util.find_spec(each.name)
            assert spec is not None
            assert spec.origin is not None
            for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "singer_sdk":
                    found |= {f"{node.module}.{name.name}" for name in node.names}
                elif isinstance(node, ast.Import):
                    found |= {name.name for name in node.names if name.name.split(".")[0] == "singer_sdk"}
    return {name for name in found if any(_hidden(part) or part == "internal" for part in name.split("."))}


def test_every_hook_of_the_sdk_that_is_overridden_is_listed_and_no_other() -> None:
    overridden = {name for name in _overridden() if name not in MEANT_TO_BE_OVERRIDDEN}
    assert overridden == set(OVERRIDDEN)


def test_every_hidden_member_of_the_sdk_that_is_used_is_listed_and_no_other() -> None:
    assert set(_used()) == set(USED)


def test_every_hidden_import_from_the_sdk_is_listed_and_no_other() -> None:
    assert _imported() == set(IMPORTED)
    for name in IMPORTED:
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(module), member)


# What the SDK has


@cache
def _sdk_classes() -> dict[str, type]:
    """The SDK's classes by name, as our classes have them among their bases."""
    return {base.__name__: base for each in _ours() for base in _sdk_bases(each)}


def _parameters(member: Any) -> str | None:  # noqa: ANN401 - any member of a class
    """Names, kinds and defaults of a function's parameters; None if it is no function."""
    function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
    if not inspect.isfunction(function):
        return None
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in _signature(function)]
    return str(inspect.Signature(bare))


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


LISTED = [
    pytest.param(name, hook, id=f"{name} {how}")
    for how, hooks in (("overridden", OVERRIDDEN), ("used", USED))
    for name, hook in hooks.items()
]


@pytest.mark.parametrize(("name", "hook"), LISTED)
def test_a_listed_hook_is_still_there_as_it_was(name: str, hook: Hook) -> None:
    owner, _, member = name.partition(".")
    there = _sdk_classes()[owner]
    if member in vars(there):
        assert _parameters(inspect.getattr_static(there, member)) == hook.parameters
    else:
        assert member in _own_attributes(there)
        assert hook.parameters is None


def test_what_is_meant_to_be_overridden_is_still_there() -> None:
    assert set(_overridden()) >= MEANT_TO_BE_OVERRIDDEN
