"""The Singer target: hands the SDK's messages to the coordinator, and ends the run with a summary."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Sink as SdkSink
from singer_sdk import Target
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from singer_program.errors import InputError
from singer_program.reader import MessageReader, UnreadableRecord
from singer_program.settings import numbers_read, unknown_settings, unknown_variables
from target_klaviyo_profiles.client import PACKAGE, Connection, Time
from target_klaviyo_profiles.delivery.account import AccountCheck
from target_klaviyo_profiles.delivery.context import DeliveryContext
from target_klaviyo_profiles.delivery.coordinator import Coordinator
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.rejects import Rejects
from target_klaviyo_profiles.delivery.tally import counted
from target_klaviyo_profiles.errors import ConfigurationError, OutputError, RunFailed
from target_klaviyo_profiles.people import FORGOTTEN, RESTRICTED, People, read_people
from target_klaviyo_profiles.settings import LOAD_METHOD, SETTINGS, Settings, with_remedy
from target_klaviyo_profiles.sinks import sinks_for
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_klaviyo_profiles.delivery.batcher import Batcher


class RecordReader(MessageReader):
    """A record that cannot be read costs itself, like any other that cannot be written."""

    gives_unreadable_records = True


class TargetKlaviyoProfiles(Target):
    """Writes records to Klaviyo; STATE follows only what is settled."""

    name = PACKAGE
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS.to_dict()
    message_reader_class = RecordReader
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
        assert isinstance(self.message_reader, MessageReader)  # noqa: S101 - the class says so
        self.message_reader.tick = self.tick
        # Before a line is read: where it is not known about whom nothing may be written, nothing is.
        self.people = self._read_people()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the files given by `--config`, in which a number may be text.

        Raises:
            ConfigurationError: one is not a JSON object.
        """
        try:
            given = super().cb_config(ctx, param, value)
        except (TypeError, ValueError) as error:
            msg = f"a file given by --config is not a JSON object ({error})"
            raise ConfigurationError(msg) from None
        given.config = numbers_read(given.config, cls.config_jsonschema["properties"])
        return given

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add what the SDK adds to every plugin, and of what it adds to targets only what has an effect here."""
        super(Target, cls).append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].setdefault("load_method", dict(LOAD_METHOD))

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings against the schema.

        Raises:
            ConfigurationError: with all faults in one line, which never holds the key.
        """
        try:
            found = super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            found = list(map(with_remedy, error.errors))
        known = self.config_jsonschema["properties"]
        faults = found + unknown_settings(self.config, known) + unknown_variables(self.name, known)
        if faults and raise_errors:
            msg = f"the settings are wrong: {'; '.join(faults)}"
            raise ConfigurationError(msg) from None
        return faults

    def _read_people(self) -> People:
        settings = self.settings
        people = read_people(
            settings.forgotten_key,
            {FORGOTTEN: settings.forgotten_path, RESTRICTED: settings.restricted_path},
        )
        for warning in people.warnings:
            self.logger.warning(warning)
        return people

    @cached_property
    def settings(self) -> Settings:
        """The values of the settings."""
        return Settings.of(self.config)

    @cached_property
    def coordinator(self) -> Coordinator:
        """The run's coordinator, made when the first stream shows up."""
        settings, time = self.settings, self.time
        connection = Connection(
            api_key=settings.api_key,
            api_url=settings.api_url,
            revision=settings.revision,
            share=settings.rate_limit_share,
            concurrency=settings.concurrency,
            clock=time,
        )
        # What is wrong with the settings is told before a file is made.
        connection.client()
        sinks = sinks_for(settings.revision)
        rejects = Rejects(settings.rejects_path, time.now, personal=settings.rejects_include_record)
        ledger = Ledger(None if settings.dry_run else settings.ledger_path, settings.api_key, time.now)
        account = AccountCheck(connection.client(), settings.account_id, ledger, self.logger.warning)
        options = Options(
            allow_deletions=settings.allow_deletions,
            audit_path=settings.audit_path,
            clearable_fields=settings.clearable_fields,
            events_backfill=settings.events_backfill,
            identifier_precedence=settings.identifier_precedence,
            now=time.now,
            people=self.people,
        )

        def new_context() -> DeliveryContext:
            return DeliveryContext(
                client=connection.client(),
                clock=time.monotonic,
                sleep=time.sleep,
                now=time.now,
                job_timeout=settings.job_timeout,
                ledger=ledger,
            )

        return Coordinator(
            [sink(options) for sink in sinks],
            new_context,
            rejects,
            account,
            concurrency=settings.concurrency,
            emit=self._write_state_message,
            resend_refused_after=settings.resend_refused_after * 3_600,
            dry_run=self.logger.info if settings.dry_run else None,
        )

    def fail(self, error: Exception) -> None:
        """The run ends with this error: give the summary of the records so far."""
        self.coordinator.abandon(f"the run ended: {type(error).__name__}")
        self._summarise()

    @contextmanager
    def _errors_end_the_run(self) -> Iterator[None]:
        """Give the summary of the run before an error that ends it."""
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
        with self._errors_end_the_run():
            self.coordinator.settle()
        super().process_endofpipe()
        self.coordinator.close()
        self._summarise()
        if faults := self._faults():
            raise RunFailed("; ".join(faults))

    def _summarise(self) -> None:
        refused = 0
        for stream, tally in self.coordinator.tallies.items():
            refused += tally.rejected.total()
            for line in tally.summary(stream, dry=self.settings.dry_run):
                self.logger.info(line)
            if tally.refused_before:
                self.logger.info(
                    "%s: not sent again: %s that Klaviyo refused before; reasons and remedies are in %s, and "
                    "`resend_refused_after` says how long this lasts",
                    stream,
                    counted(tally.refused_before, "row"),
                    self.coordinator.rejects_path,
                )
            for remark in self.coordinator.batcher(stream).sink.remarks():
                self.logger.warning("%s: %s", stream, remark)
        if refused and self.coordinator.has_written_rejects:
            self.logger.info(
                "refused records, with reasons and remedies, are in %s", self.coordinator.rejects_path
            )

    def _faults(self) -> list[str]:
        faults = []
        limit = self.settings.max_reject_ratio
        tallies = self.coordinator.tallies
        # Each stream by itself: many good profiles must not hide that every event was refused.
        nothing_good = not any(tally.good() or tally.unsettled for tally in tallies.values())
        for stream, tally in tallies.items():
            if reasons := list(tally.unsettled):
                more = f", and {len(reasons) - 1} more reasons above" if len(reasons) > 1 else ""
                faults.append(f"{stream}: {tally.unsettled.total():,} records are not settled: {reasons[0]}{more}")
            rejected = tally.rejected.total()
            if (told := rejected + tally.in_part.total()) and self.settings.on_reject == "fail":
                faults.append(f"{stream}: {told:,} records were refused, and `on_reject` is `fail`")
            elif rejected and nothing_good:
                faults.append(f"{stream}: all {rejected:,} records were refused, so the run has written nothing")
            elif tally.ratio() > limit:
                faults.append(
                    f"{stream}: {tally.ratio():.1%} of the records were refused (`max_reject_ratio` is {limit:g})"
                )
        return faults

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Register a stream without its keys, since a sink's own fields say who is meant.

        The SDK would refuse a stream map that renames a table's key and leaves out what it does not name.
        """
        super()._process_schema_message({**message_dict, "key_properties": []})

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a record to its batcher.

        The SDK does more here (copies, counters, its own drains, a look at the clock), which would more than
        double the time of a record.
        """
        if "stream" not in message_dict or "record" not in message_dict:
            self._assert_line_requires(message_dict, requires={"stream", "record"})
        stream = message_dict["stream"]
        assert self.mapper is not None  # noqa: S101 - made with the target
        for stream_map in self.mapper.stream_maps.get(stream, ()) or self._without_schema(stream):
            record = message_dict["record"]
            if not isinstance(record, UnreadableRecord):
                try:
                    record = stream_map.transform(record)
                except Exception as error:  # noqa: BLE001 - an expression may raise whatever its value makes it
                    self._refuse_unmapped(stream_map.stream_alias, record, error)
                    continue
            if record is not None:
                sink = self._sinks_active[stream_map.stream_alias]
                sink.process_record(record, {})

    def _refuse_unmapped(self, stream: str, record: dict[str, Any], error: Exception) -> None:
        """Book a record that a stream map fails on. Only the SDK's text is told: others quote the value."""
        why = f"fails on this record: {error}" if isinstance(error, MapExpressionError) else ""
        with self._errors_end_the_run():
            self.coordinator.batcher(stream).put_unmapped(
                record, why or f"fails on this record ({type(error).__name__})"
            )

    def _without_schema(self, stream: str) -> list[StreamMap]:
        self._assert_sink_exists(stream)
        return []

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a STATE to the coordinator, which knows when it may be emitted; the SDK keeps and emits none."""
        self._assert_line_requires(message_dict, requires={"value"})
        with self._errors_end_the_run():
            self.coordinator.state(message_dict["value"])

    def tick(self) -> None:
        """Do what is due; called now and then while input is read or waited for."""
        if "coordinator" in self.__dict__:
            with self._errors_end_the_run():
                self.coordinator.tick()

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
        """Nothing to do: nothing is ever deleted because it is no longer in the input."""

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
        """Stop at once. The SDK would drain and emit STATE, in the middle of whatever the signal interrupted.

        What was not settled comes again in the next run, and importing it twice is the same as importing it once.
        """
        name = signal.Signals(signum).name
        sys.stderr.write(f"{PACKAGE}: stopped by {name}; the next run sends again what was not settled\n")
        raise SystemExit(128 + signum)


class StreamSink(SdkSink):
    """The SDK's view of a stream: hands its records to the stream's batcher."""

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
        self._batcher: Batcher = target.coordinator.batcher(stream_name)
        self._received = 0
        sink = self._batcher.sink
        if unknown := sink.unknown(schema["properties"].keys()):
            listed = ", ".join(f"`{name}`" for name in unknown)
            known = ", ".join(f"`{each.name}`" for each in sink.fields)
            msg = (
                f"the stream `{stream_name}` has fields that its sink does not know: {listed}. Rename them, put "
                "them into `properties`, or leave them out by a stream map (`__else__: __NULL__`); "
                f"known are {known}"
            )
            raise ConfigurationError(msg)

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record as it is: the sink's declaration is stricter, and refuses one record, not the run."""
        self._received += 1
        try:
            if isinstance(record, UnreadableRecord):
                self._batcher.put_unreadable(record.reason)
            else:
                self._batcher.put(record)
        except Exception as error:
            self._target.fail(error)
            raise

    @override
    def clean_up(self) -> None:
        """Log the SDK's metric of the stream."""
        self.record_counter_metric.increment(self._received)
        super().clean_up()

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing to do: the target settles all streams at once."""
