"""Bases of a Singer tap, mapper and target whose command line ends in one line, and what runs them."""

from __future__ import annotations

import io
import json
import sys
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Tap, Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper_base import InlineMapper
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from singer_program.command import Tell, invoke, run, to_stderr
from singer_program.errors import ProgramError
from singer_program.private import private_files
from singer_program.reader import MessageReader
from singer_program.settings import numbers_read, takes_number, unknown_settings, unknown_variables
from singer_program.signals import stop
from singer_program.state import fault_of
from singer_program.writer import MessageWriter

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput


def run_plugin(
    plugin: type[PluginBase],
    *,
    commands: click.Group | None = None,
    errors: tuple[type[Exception], ...] = (),
    tell: Tell | None = None,
) -> int:
    """Run a tap, mapper or target, or the command named first, with the arguments of the process.

    Files that these make are private; those of a command are what it makes them.

    Args:
        plugin: The tap, mapper or target.
        commands: What the program does beside it. Their errors go to standard error as they are: editors can
            follow a line that begins with a file and its line.
        errors: Those of other packages that a person can mend, told by their text.
        tell: Takes every line about what went wrong with the plugin; without it they are logged.

    Returns:
        The exit status.
    """
    if commands is not None and sys.argv[1:2] and sys.argv[1] in commands.commands:
        return run(lambda: invoke(commands, plugin.name), to_stderr, errors=errors)
    command = plugin.cli
    if commands is not None:
        command.epilog = f"Beside the tap: {', '.join(commands.commands)}; each with --help."

    def call() -> None:
        try:
            with command.make_context(plugin.name, sys.argv[1:]) as context:
                # Not the SDK's `invoke`: it reports a wrong setting in two lines and all else as a crash.
                click.Command.invoke(command, context)
        except ConfigValidationError as error:
            message = f"wrong settings: {'; '.join(error.errors)}"
            raise ProgramError(message) from None

    with private_files():
        return run(call, tell or plugin.logger.critical, errors=errors, output="the records")


class _ProgramPlugin(PluginBase):
    """What taps, mappers and targets have in common."""

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the configuration files, in which a number may be text.

        Raises:
            click.BadParameter: one cannot be read.
        """
        try:
            given = super().cb_config(ctx, param, value)
        except (OSError, TypeError, ValueError) as error:
            message = f"{', '.join(value)}: {error}"
            raise click.BadParameter(message, ctx, param) from error
        given.config = numbers_read(given.config, cls.config_jsonschema["properties"])
        return given

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        """The SDK's command, with files that must hold a JSON object read as such."""
        command = super().get_singer_command()
        for param in command.params:
            if param.name in {"state", "catalog"}:
                param.type = _JsonObjectFile()
        return command

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """The settings in the environment; the SDK leaves a number as text, which is a number here.

        Raises:
            ProgramError: one is not of its type; its value is not told.
        """
        try:
            return self._with_numbers(super()._env_var_config)
        except ValueError:
            raise ProgramError(*self._unreadable_variables()) from None

    def _with_numbers(self, values: dict[str, Any]) -> dict[str, Any]:
        properties = self.config_jsonschema["properties"]
        read = numbers_read(values, properties)
        if any(isinstance(value, str) and takes_number(properties.get(name)) for name, value in read.items()):
            raise ValueError
        return read

    def _unreadable_variables(self) -> list[str]:
        faults = []
        for name, schema in self.config_jsonschema["properties"].items():
            try:
                self._with_numbers(parse_environment_config({"properties": {name: schema}}, self._env_var_prefix))
            except ValueError:
                variable = f"{self._env_var_prefix}{name.upper().replace('-', '_')}"
                faults.append(f"wrong settings: {variable} is not {_expected(schema)}")
        return faults

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings against the schema, and do not quote the value of a secret as the SDK does.

        Raises:
            ConfigValidationError: they are wrong.
        """
        try:
            faults = super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            properties = self.config_jsonschema["properties"]
            secrets = [name for name, schema in properties.items() if schema.get("secret")]
            error.errors = [_without_secrets(fault, secrets) for fault in error.errors] + self._unknown()
            raise
        unknown = self._unknown()
        if unknown and raise_errors:
            message = "unknown settings"
            raise ConfigValidationError(message, errors=unknown)
        return faults + unknown

    def _unknown(self) -> list[str]:
        known = self.config_jsonschema["properties"]
        return unknown_settings(self.config, known) + unknown_variables(self.name, known)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End with the status of a stopped process: the SDK would end with 0, and what came so far look like all.

        Raises:
            SystemExit: always.
        """
        stop(signum)


class ProgramTap(_ProgramPlugin, Tap):
    """A tap that `run_plugin` ends in one line; its messages are written fast."""

    message_writer_class = MessageWriter

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state of the run before.

        Raises:
            ProgramError: the SDK could not look at it.
        """
        if fault := fault_of(state):
            raise ProgramError(fault)
        super().load_state(state)


class ProgramTarget(_ProgramPlugin, Target):
    """A target that `run_plugin` ends in one line; its messages are read fast.

    A signal ends it at once, and drains nothing: what no STATE was written for comes again in the next run.
    """

    message_reader_class = MessageReader


class ProgramMapper(_ProgramPlugin, InlineMapper):
    """A mapper that `run_plugin` ends in one line; its messages are read and written fast.

    It has no settings but its own: the SDK offers mappers stream maps and flattening, and leaves them undone.
    """

    message_reader_class = MessageReader
    message_writer_class = MessageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]


class _JsonObjectFile(click.File):
    """A file that is checked to hold a JSON object, which the SDK takes on trust."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[str]:
        try:
            with super().convert(value, param, ctx) as file:
                text = file.read()
            is_object = isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            self.fail(f"'{value}': does not hold a JSON object", param, ctx)
        return io.StringIO(text)


def _without_secrets(fault: str, secrets: list[str]) -> str:
    for name in secrets:
        if f"config['{name}']" in fault:
            return f"the value of `{name}` is not what its description asks for"
    return fault


def _expected(schema: dict[str, Any]) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "integer" in types:
        return "a whole number"
    return "a number" if "number" in types else "JSON"
