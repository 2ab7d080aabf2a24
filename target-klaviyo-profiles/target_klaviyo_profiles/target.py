"""The Singer target: settings, and how the SDK's messages reach the desk."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Sink as SdkSink
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from klaviyo_wire.auth import DEFAULT_API_URL, DEFAULT_REVISION
from target_klaviyo_profiles.client import PACKAGE, Connection, Time
from target_klaviyo_profiles.desk import Desk
from target_klaviyo_profiles.errors import ConfigurationError, InputError, OutputError, RunFailed
from target_klaviyo_profiles.identifiers import PRECEDENCE
from target_klaviyo_profiles.ledger import DEFAULT_NAME, Ledger
from target_klaviyo_profiles.reader import Reader
from target_klaviyo_profiles.rejects import DEFAULT_PATH, Rejects
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.base import DEFAULT_AUDIT_NAME, Line, Options

if TYPE_CHECKING:
    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_klaviyo_profiles.outbox import Outbox

LOAD_METHOD = "upsert"

_SETTINGS = th.PropertiesList(
    th.Property("api_key", th.StringType, required=True, secret=True, description="Private API key"),
    th.Property(
        "api_url",
        th.StringType,
        default=DEFAULT_API_URL,
        description="Scheme and host of Klaviyo, or of a stand-in",
    ),
    th.Property("revision", th.StringType, default=DEFAULT_REVISION, description="API revision that is spoken"),
    th.Property(
        "rate_limit_share",
        th.DecimalType(exclusive_minimum=0, maximum=1),
        default=1.0,
        description="Part of the account's request quota that a run may use, above 0 and at most 1",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=100),
        default=50,
        description="Requests and jobs in flight at once",
    ),
    th.Property(
        "on_reject",
        th.StringType(allowed_values=["warn", "fail"]),
        default="warn",
        description="Whether refused records `fail` the run, once everything good is written, or only `warn`",
    ),
    th.Property(
        "max_reject_ratio",
        th.DecimalType(minimum=0, maximum=1),
        default=1.0,
        description="Part of a stream's records that may be refused before the run ends with an error",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        description=(
            "File that refused records are appended to, as JSON lines. Without it, "
            f"`{DEFAULT_PATH}` in the working directory"
        ),
    ),
    th.Property(
        "rejects_include_record",
        th.BooleanType,
        default=False,
        description=(
            "Whether the rejects file may hold personal data: keys as given, and the record. Otherwise e-mail "
            "addresses and phone numbers are hashed there, and records are left out"
        ),
    ),
    th.Property(
        "ledger_path",
        th.StringType,
        description=(
            "File that remembers, without personal data, what was sent, so that a killed run is gone on with. "
            f"Without it, `{DEFAULT_NAME}` beside the rejects file"
        ),
    ),
    th.Property(
        "clearable_fields",
        th.ArrayType(th.StringType(allowed_values=sorted({name for sink in SINKS for name in sink.clearable}))),
        default=[],
        description=(
            "Fields of `profiles` that an explicit null clears; such records are written one by one. In any other "
            "field null says nothing"
        ),
    ),
    th.Property(
        "identifier_precedence",
        th.ArrayType(th.StringType(allowed_values=PRECEDENCE)),
        default=list(PRECEDENCE),
        description=(
            "Identifiers that `profiles` and `events` may be known by (`id` is `profile_id` in events): of those "
            "a record has, only the first is sent"
        ),
    ),
    th.Property(
        "allow_deletions",
        th.BooleanType,
        default=False,
        description="Whether profiles may be deleted, which nothing can undo",
    ),
    th.Property(
        "audit_path",
        th.StringType,
        description=(
            "File that every request for a deletion is appended to, as JSON lines, with e-mail addresses and "
            f"phone numbers hashed. Without it, `{DEFAULT_AUDIT_NAME}` beside the rejects file"
        ),
    ),
    th.Property(
        "events_backfill",
        th.BooleanType,
        default=True,
        description=(
            "Whether events are only recorded; if false, they may trigger flows, and so send messages. A record's "
            "own `backfill` comes first"
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Check and split everything, say what would be sent, and send nothing; no STATE is written",
    ),
    th.Property(
        "job_timeout",
        th.DecimalType(exclusive_minimum=0),
        default=3600.0,
        description="Seconds a job may take before the run goes on without it and ends with an error",
    ),
)


class TargetKlaviyoProfiles(Target):
    """Writes records to Klaviyo; STATE follows only what is settled."""

    name = PACKAGE
    config_jsonschema: ClassVar[dict[str, Any]] = _SETTINGS.to_dict()
    message_reader_class = Reader
    time: ClassVar[Time] = Time()
    # What the SDK adds by default and this target has no use for: `flattening_*` would take `properties` apart;
    # `validate_records` would end the run on a record that the sinks refuse one by one.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        super().__init__(**kwargs)
        self.max_parallelism = 1  # nothing is left for the SDK to drain
        assert isinstance(self.message_reader, Reader)  # noqa: S101 - the class says so
        self.message_reader.tick = self.tick
        self._warned: set[str] = set()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the files given by `--config`.

        Raises:
            ConfigurationError: one is not a JSON object.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (TypeError, ValueError) as error:
            msg = f"a file given by --config is not a JSON object ({error})"
            raise ConfigurationError(msg) from None

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add what the SDK adds to every plugin, and of what it adds to targets only what has an effect here."""
        super(Target, cls).append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].setdefault(
            "load_method",
            {
                "type": "string",
                "enum": [LOAD_METHOD],
                "default": LOAD_METHOD,
                "description": "Klaviyo is only ever upserted: no other method is accepted",
            },
        )

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings against the schema.

        Raises:
            ConfigurationError: with all faults in one line, which never holds the key.
        """
        try:
            return super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            faults = map(_with_remedy, error.errors)
            msg = f"the settings are wrong: {'; '.join(faults)}"
            raise ConfigurationError(msg) from None

    @cached_property
    def desk(self) -> Desk:
        """The run's desk, made when the first stream shows up."""
        settings = self.config
        rejects_path = Path(settings.get("rejects_path") or DEFAULT_PATH)
        ledger_path = Path(settings.get("ledger_path") or rejects_path.parent / DEFAULT_NAME)
        connection = Connection(
            api_key=settings["api_key"],
            api_url=self._setting("api_url"),
            revision=self._setting("revision"),
            share=self._setting("rate_limit_share"),
            concurrency=self._setting("concurrency"),
            clock=self.time,
        )
        connection.client()  # what is wrong with the settings is said before a file is made
        rejects = Rejects(rejects_path, self.time.now, personal=self._setting("rejects_include_record"))
        ledger = Ledger(None if self._dry else ledger_path, settings["api_key"], self.time.now)
        options = Options(
            allow_deletions=self._setting("allow_deletions"),
            audit_path=Path(settings.get("audit_path") or rejects_path.with_name(DEFAULT_AUDIT_NAME)),
            clearable_fields=frozenset(self._setting("clearable_fields")),
            events_backfill=self._setting("events_backfill"),
            identifier_precedence=tuple(dict.fromkeys(self._setting("identifier_precedence"))) or PRECEDENCE,
            now=self.time.now,
        )

        def line() -> Line:  # each stream has a client, and a count, of its own
            time, timeout = self.time, self._setting("job_timeout")
            return Line(connection.client(), time.monotonic, time.sleep, time.now, timeout, ledger)

        return Desk(
            [sink(options) for sink in SINKS],
            line,
            rejects,
            concurrency=self._setting("concurrency"),
            emit=self._write_state_message,
            tell=self.logger.info if self._dry else None,
        )

    @property
    def _dry(self) -> bool:
        return bool(self._setting("dry_run"))

    def _setting(self, name: str) -> Any:  # noqa: ANN401 - of the setting's own type
        """The value of a setting; its default also where it was given as null."""
        value = self.config.get(name)
        if value is None:
            return self.config_jsonschema["properties"][name]["default"]
        return float(value) if isinstance(value, Decimal) else value  # the SDK reads a config file's numbers so

    def warn_once(self, message: str) -> None:
        """Warn, unless this was said before in this run."""
        if message not in self._warned:
            self._warned.add(message)
            self.logger.warning(message)

    def fail(self, error: Exception) -> None:
        """The run ends here: say what became of the records so far."""
        self.desk.abandon(f"the run ended: {type(error).__name__}")
        self._summarise()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong in here ends the run."""
        try:
            yield
        except Exception as error:
            self.fail(error)
            raise

    @override
    def get_sink_class(self, stream_name: str) -> type[SdkSink]:
        return StreamSink

    @override
    def process_endofpipe(self) -> None:
        """Settle everything, emit the last STATE, and judge the outcome.

        Raises:
            RunFailed: the outcome is not what the settings accept.
        """
        with self._told():
            self.desk.settle()
        super().process_endofpipe()
        self.desk.close()
        self._summarise()
        if faults := self._faults():
            raise RunFailed("; ".join(faults))

    def _summarise(self) -> None:
        refused = 0
        for stream, tally in self.desk.tallies.items():
            refused += tally.rejected.total()
            for told in tally.told(stream, dry=self._dry):
                self.logger.info(told)
        if refused:
            self.logger.info("refused records, with reasons and remedies, are in %s", self.desk.rejects_path)

    def _faults(self) -> list[str]:
        faults = []
        limit = self._setting("max_reject_ratio")
        for stream, tally in self.desk.tallies.items():
            if reasons := list(tally.unsettled):
                more = f", and {len(reasons) - 1} more reasons above" if len(reasons) > 1 else ""
                faults.append(f"{stream}: {tally.unsettled.total():,} records are not settled: {reasons[0]}{more}")
            rejected = tally.rejected.total()
            if rejected and self._setting("on_reject") == "fail":
                faults.append(f"{stream}: {rejected:,} records were refused, and `on_reject` is `fail`")
            elif tally.ratio() > limit:
                faults.append(
                    f"{stream}: {tally.ratio():.1%} of the records were refused (`max_reject_ratio` is {limit:g})"
                )
        return faults

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a record to its outbox.

        Without what the SDK does besides (copies, counters, its own drains, a look at the clock), which is more
        than half of a record's time.
        """
        if "stream" not in message_dict or "record" not in message_dict:
            self._assert_line_requires(message_dict, requires={"stream", "record"})
        stream = message_dict["stream"]
        assert self.mapper is not None  # noqa: S101 - made with the target
        for stream_map in self.mapper.stream_maps.get(stream, ()) or self._without_schema(stream):
            record = stream_map.transform(message_dict["record"])
            if record is not None:
                sink = self._sinks_active[stream_map.stream_alias]
                sink.process_record(record, {})

    def _without_schema(self, stream: str) -> list[StreamMap]:
        self._assert_sink_exists(stream)
        return []

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a STATE to the desk, which knows when it may be emitted; the SDK holds none, and emits none."""
        self._assert_line_requires(message_dict, requires={"value"})
        with self._told():
            self.desk.state(message_dict["value"])

    def tick(self) -> None:
        """Do what is due; called now and then while input is read or waited for."""
        if "desk" in self.__dict__:
            with self._told():
                self.desk.tick()

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit STATE.

        Raises:
            OutputError: nobody takes it.
        """
        try:
            super()._write_state_message(state)
        except OSError as error:
            msg = f"cannot write STATE to standard output ({error.strerror})"
            raise OutputError(msg) from error

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Nothing to do: nothing is ever deleted because it stopped coming."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Refuse.

        Raises:
            InputError: always.
        """
        msg = "this target does not read BATCH messages: remove the setting `batch_config` of the tap"
        raise InputError(msg)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once. The SDK would drain and emit STATE amid whatever was interrupted, also amid a drain.

        What was not settled comes again in the next run, and importing twice is importing once.
        """
        name = signal.Signals(signum).name
        sys.stderr.write(f"{PACKAGE}: stopped by {name}; the next run sends again what was not settled\n")
        raise SystemExit(128 + signum)


class StreamSink(SdkSink):
    """The SDK's view of a stream: hands its records to the outbox."""

    include_sdc_metadata_properties = False
    _target: TargetKlaviyoProfiles

    def __init__(
        self,
        target: TargetKlaviyoProfiles,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._outbox: Outbox = target.desk.outbox(stream_name)
        self._taken = 0
        sink = self._outbox.sink
        names = schema["properties"].keys()
        if unknown := sink.unknown(names):
            listed = ", ".join(f"`{name}`" for name in unknown)
            known = ", ".join(f"`{each.name}`" for each in sink.fields)
            msg = (
                f"the stream `{stream_name}` has fields that its sink does not know: {listed}. Rename them, put "
                f"them into `properties`, or leave them out by a stream map; known are {known}"
            )
            raise ConfigurationError(msg)
        for warning in sink.warnings(names):
            target.warn_once(warning)

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record as it is: the sink's declaration is stricter, and refuses one record, not the run."""
        self._taken += 1
        try:
            self._outbox.put(record)
        except Exception as error:
            self._target.fail(error)
            raise

    @override
    def clean_up(self) -> None:
        """Log the SDK's metric of the stream."""
        self.record_counter_metric.increment(self._taken)
        super().clean_up()

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing to do: the target settles all streams at once."""


def _with_remedy(fault: str) -> str:
    """A fault that the validation found, without the value of the key, which it would quote."""
    if fault == "'api_key' is a required property":
        return "the setting `api_key` is missing: set TARGET_KLAVIYO_PROFILES_API_KEY to a private key (`pk_…`)"
    return "the setting `api_key` is not text" if "api_key" in fault else fault
