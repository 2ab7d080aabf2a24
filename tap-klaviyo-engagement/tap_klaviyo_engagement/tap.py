"""The tap: its settings, its streams, and how a run begins and ends."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from singer_sdk import Stream, Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from klaviyo_wire.endpoints import DEFAULT_REVISION
from klaviyo_wire.errors import ConfigurationError, KlaviyoError
from singer_program.settings import numbers_read, unknown_settings, unknown_variables
from singer_program.state import fault_of
from tap_klaviyo_engagement import settings
from tap_klaviyo_engagement.client import KlaviyoStream
from tap_klaviyo_engagement.emission.column_rules import Declared, rules_of
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.errors import StreamFault, concerns_all, told, unexpected
from tap_klaviyo_engagement.run_context import RunContext
from tap_klaviyo_engagement.state.owner import foreign, owners, untold
from tap_klaviyo_engagement.streams import STREAMS, SWITCHED, streams_for

if TYPE_CHECKING:
    import click
    from singer_sdk.plugin_base import _ConfigInput

    from klaviyo_wire.jsonapi import Json


_ORDER: dict[type[Stream], int] = {stream: position for position, stream in enumerate(STREAMS)}


class TapKlaviyoEngagement(Tap):
    """Segments, lists, profiles and engagement events out of Klaviyo."""

    name = "tap-klaviyo-engagement"
    config_jsonschema = settings.SCHEMA
    message_writer_class = MessageWriter
    # Not `batch` and not `activate-version`: both write around the bookmarks that make a killed run safe.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    now: Callable[[], datetime] = staticmethod(lambda: datetime.now(UTC))
    """The wall clock."""
    sleep: Callable[[float], None] = staticmethod(time.sleep)
    """Waits for a number of seconds."""

    @cached_property
    def run(self) -> RunContext:
        """What the streams of this run share."""
        rules = rules_of(self.config, _declared())
        return RunContext(self.config, now=self.now, sleep=self.sleep, column_rules=rules)

    @override
    def discover_streams(self) -> list[Stream]:
        revision = self.config.get("revision") or DEFAULT_REVISION
        chosen = [
            each for each in streams_for(revision) if each not in SWITCHED or self.config.get(SWITCHED[each])
        ]
        return [stream(self, self.run) for stream in chosen]

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """The streams by name, in the order of `STREAMS`: the SDK sorts by name, but one tells what others did."""
        if self._streams is None:
            found = super().streams
            self._streams = {
                stream.name: stream for stream in sorted(found.values(), key=lambda stream: _ORDER[type(stream)])
            }
        return self._streams

    @property
    @override
    def input_catalog(self) -> Catalog | None:
        """The catalog given, in which columns that are hashed or left out are put right: it may be older.

        Raises:
            ConfigurationError: the rules about these make no sense.
        """
        given = super().input_catalog
        for name, rules in self.run.column_rules.items() if given else ():
            if given and (entry := given.get_stream(name)):
                entry.schema = Schema.from_dict(rules.schema(entry.schema.to_dict()))
        return given

    @override
    def setup_mapper(self) -> None:
        """Make the stream maps.

        One for a stream that this run does not read is made as if all its columns were selected: no map can be
        made without the key, and that would end the run.
        """
        super(Tap, self).setup_mapper()
        read: Catalog = Catalog()
        for name, entry in self.catalog.items():
            if entry.metadata.resolve_selection()[()]:
                read[name] = entry
            else:
                self.mapper.register_raw_stream_schema(
                    entry.stream or name, entry.schema.to_dict(), entry.key_properties
                )
        self.mapper.register_raw_streams_from_catalog(read)

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            msg = f"cannot read the configuration {' '.join(value)}: {error}"
            raise ConfigurationError(msg) from error

    @override
    @classmethod
    def invoke(  # type: ignore[override]  # as in the SDK's own class
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Read the streams.

        Raises:
            ConfigurationError: nothing can be read before a person changes something.
            StreamFault: a stream could not finish; the others did.
        """
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        tap = cls.configured(config, _json_object(state, "state"), _json_object(catalog, "catalog"))
        tap.read_all()
        if tap.run.failed:
            reasons = "; ".join(f"{stream}: {reason}" for stream, reason in tap.run.failed.items())
            msg = f"not finished: {reasons}"
            raise StreamFault(msg)

    def read_all(self) -> None:
        """Read the streams; a state of another account is refused before the first message.

        Raises:
            ConfigurationError: nothing can be read before a person changes something.
        """
        self.claim_state()
        try:
            self.sync_all()
        finally:
            if summary := self.run.rejects.summary():
                self.logger.warning(summary)

    def claim_state(self) -> None:
        """Find out whose the key is, if the run leaves a state, and write that into it.

        Raises:
            ConfigurationError: the state is of another account, or it is not known whether it is.
            SystemExit: no stream can succeed.
        """
        keeping = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, KlaviyoStream) and stream.selected and stream.keeps_state
        ]
        if not keeping:
            return
        owned = owners(self.state.get("bookmarks", {}))
        if reason := self._reason_for_no_account():
            if owned:
                raise ConfigurationError(untold(owned, reason))
            self.logger.warning(
                "the state will not say whose it is, so that of another account would be taken for this one's: "
                "Klaviyo does not tell whose the key is (%s)",
                reason,
            )
        elif fault := foreign(owned, self.run.account or ""):
            raise ConfigurationError(fault)
        for stream in keeping:
            stream.claim_state()

    def _reason_for_no_account(self) -> str:
        """Why Klaviyo does not tell whose the key is; empty if it does.

        Raises:
            SystemExit: no stream can succeed.
        """
        try:
            return self.run.ask_for_account()
        except KlaviyoError as error:
            self.logger.log(logging.ERROR, "%s", told(error))
            raise SystemExit(1) from error

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value == CliTestOptionValue.Disabled.value:
            return
        tap = cls.configured(ctx.params.get("config"))
        if value == CliTestOptionValue.Schema.value:
            tap.write_schemas()
        else:
            tap.check()
        ctx.exit(1 if tap.run.failed else 0)

    def check(self) -> None:
        """Tell of every stream whether the key can read it: a request or two each, and none twice.

        Raises:
            ConfigurationError: nothing can be read before a person changes something.
        """
        for name, stream in self.streams.items():
            assert isinstance(stream, KlaviyoStream)  # noqa: S101 - `discover_streams` makes no other
            try:
                untried = stream.probe()
            except Exception as error:  # whatever it is, the other streams are tried
                if isinstance(error, KlaviyoError) and concerns_all(error):
                    raise
                fault = error if isinstance(error, KlaviyoError) else unexpected(error)
                self.logger.log(logging.ERROR, "%s cannot be read: %s", name, told(fault))
                self.run.failed[name] = told(fault)
            else:
                self.logger.info("%s %s", name, f"was not tried: {untried}" if untried else "can be read")

    @classmethod
    def configured(
        cls, config: _ConfigInput | None, state: Json | None = None, catalog: Json | None = None
    ) -> Self:
        """A tap that can begin: a setting that makes no sense is told before the first message.

        Raises:
            ConfigurationError: in one line.
        """
        if fault := fault_of(state):
            raise ConfigurationError(fault)
        try:
            tap = cls(
                config=numbers_read(config.config, cls.config_jsonschema["properties"]) if config else {},
                parse_env_config=bool(config and config.parse_env),
                state=state,
                catalog=catalog,
            )
        except ConfigValidationError as error:
            faults = [*map(_with_remedy, error.errors), *cls._unknown(config.config if config else {})]
            raise ConfigurationError("; ".join(faults)) from error
        if "batch_config" in tap.config:
            msg = "the setting `batch_config` is not offered: batches would go around stream maps; remove it"
            raise ConfigurationError(msg)
        if faults := cls._unknown(tap.config):
            raise ConfigurationError("; ".join(faults))
        _ = tap.run.client, tap.run.forgotten
        return tap

    @classmethod
    def _unknown(cls, config: Mapping[str, Any]) -> list[str]:
        """What is given as a setting and is none; the SDK's own are known once a tap was made."""
        known = cls.config_jsonschema["properties"]
        return unknown_settings(config, known) + unknown_variables(cls.name, known)

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Settings in the environment; the SDK leaves numbers as text, which are numbers here."""
        return numbers_read(super()._env_var_config, self.config_jsonschema["properties"])

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once with the status of a stopped process: the last STATE is good, a message may be half written.

        Raises:
            SystemExit: always.
        """
        self.logger.info("Stopped by a signal; the next run goes on from the last state")
        raise SystemExit(128 + signum)


def _declared() -> dict[str, Declared]:
    """The columns of every stream by name, of whatever revision, and those that it cannot do without."""
    found: dict[str, Declared] = {}
    for stream in STREAMS:
        before = found.get(stream.name, Declared((), ()))
        needed = {*stream.primary_keys, *filter(None, [stream.replication_key, stream.sliced_by])}
        schema: Json = stream.schema  # type: ignore[assignment]  # an attribute, where the SDK has a property
        found[stream.name] = Declared({*before.columns, *schema["properties"]}, {*before.needed, *needed})
    return found


def _json_object(file: IO[str] | None, what: str) -> Json | None:
    if file is None:
        return None
    try:
        value = json.load(file)
    except ValueError as error:
        msg = f"the {what} file is not JSON: {error}"
        raise ConfigurationError(msg) from error
    if not isinstance(value, dict):
        msg = f"the {what} file does not hold a JSON object"
        raise ConfigurationError(msg)
    return value


def _with_remedy(error: str) -> str:
    """A fault that the validation found, without the value of the key, which it would quote."""
    if "config['api_key']" in error:
        return "the setting `api_key` is not text"
    if error == "'api_key' is a required property":
        return "the setting `api_key` is missing: set TAP_KLAVIYO_ENGAGEMENT_API_KEY to a private key (`pk_…`)"
    return error
