"""The Singer target: settings, and how the SDK's messages reach the desk."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
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
from target_klaviyo_profiles.reader import Reader
from target_klaviyo_profiles.rejects import DEFAULT_PATH, Rejects
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.base import Line

if TYPE_CHECKING:
    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
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
        description="Jobs, and templates, in flight at once",
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
            "File that refused records are appended to, as JSON lines with their keys as given. Without it, "
            f"`{DEFAULT_PATH}` in the working directory, with e-mail addresses and phone numbers hashed"
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
        self.max_parallelism = 1  # one drain settles every stream
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
        rejects_path = settings.get("rejects_path")
        connection = Connection(
            api_key=settings["api_key"],
            api_url=self._setting("api_url"),
            revision=self._setting("revision"),
            share=self._setting("rate_limit_share"),
            concurrency=self._setting("concurrency"),
            clock=self.time,
        )

        def line() -> Line:  # each stream has a client, and a count, of its own
            return Line(connection.client(), self.time.monotonic, self.time.sleep, self._setting("job_timeout"))

        return Desk(
            [sink() for sink in SINKS],
            line,
            Rejects(Path(rejects_path) if rejects_path else None, self.time.now),
            concurrency=self._setting("concurrency"),
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

    @override
    def get_sink_class(self, stream_name: str) -> type[SdkSink]:
        return StreamSink

    @override
    def process_endofpipe(self) -> None:
        """Settle everything, emit the last STATE, and judge the outcome.

        Raises:
            RunFailed: the outcome is not what the settings accept.
        """
        super().process_endofpipe()
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
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit STATE unless a record before it has no known fate; a dry run never does.

        Raises:
            OutputError: nobody takes it.
        """
        if self._dry or not self.desk.settled:
            return
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
    """The SDK's view of a stream: hands records to the outbox, and has the desk settle when the SDK drains."""

    include_sdc_metadata_properties = False
    is_full = False  # the outbox sends what is full
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
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave the record as it is: the sink's declaration is stricter, and refuses one record, not the run."""
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Accept a record without its key properties: without an identifier it is refused, by itself."""

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        try:
            self._outbox.put(record)
        except Exception as error:
            self._target.fail(error)
            raise

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        try:
            self._target.desk.settle()
        except Exception as error:
            self._target.fail(error)
            raise


def _with_remedy(fault: str) -> str:
    """A fault that the validation found, without the value of the key, which it would quote."""
    if fault == "'api_key' is a required property":
        return "the setting `api_key` is missing: set TARGET_KLAVIYO_PROFILES_API_KEY to a private key (`pk_…`)"
    return "the setting `api_key` is not text" if "api_key" in fault else fault
