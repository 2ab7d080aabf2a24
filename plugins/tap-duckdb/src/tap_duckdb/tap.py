"""The tap: its settings, and one stream per table."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from typing_extensions import override

from singer_program.plugin import ProgramTap
from tap_duckdb.source import Source, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Context, Record

    from tap_duckdb.source import Table


FOR_ACCOUNT = "for_account"
"""Where the state of a stream tells the account of its rows: `target-klaviyo-profiles` writes to no other."""


class TableStream(Stream):
    """The rows of one table or view: all of them, or those that were added since the run before."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the source gives what the schema says

    def __init__(
        self, tap: Tap, name: str, table: Table, source: Source, replication_key: str | None = None
    ) -> None:
        self._table = table
        self._source = source
        super().__init__(tap, name=name, schema=table.json_schema())
        self.primary_keys = table.primary_key
        self.replication_key = replication_key

    @property
    @override
    def is_sorted(self) -> bool:
        return self.replication_key is not None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        announced = self.effective_schema["properties"]  # an older catalog knows fewer columns
        chosen = [
            column
            for column in self._table.columns
            if column.name in announced and self.mask["properties", column.name]
        ]
        # Only more than the bookmark: whoever adds rows under one value does so in one transaction.
        after = self.get_starting_replication_key_value(context)
        return self._source.rows(self._table, chosen, self.replication_key, after)


class TapDuckDB(ProgramTap):
    """The tables and views of a DuckDB schema whose names share a prefix."""

    name = "tap-duckdb"
    package_name = "tap-duckdb"
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        th.Property("path", th.StringType, required=True, title="Path", description="DuckDB file"),
        th.Property(
            "schema",
            th.StringType,
            default="publish",
            title="Schema",
            description="Schema of the file whose tables and views are read",
        ),
        th.Property(
            "prefix",
            th.StringType,
            default="pub_klaviyo_",
            title="Prefix",
            description="Beginning of the names that are read; a stream is called what follows it",
        ),
        th.Property(
            "keys",
            th.ObjectType(additional_properties=th.ArrayType(th.StringType)),
            title="Keys",
            description="Columns that tell the rows of a stream apart, where it is a view or has no primary key, "
            'such as `{"consent_changes": ["change_id"]}`: without one a target appends what comes again',
        ),
        th.Property(
            "bookmarks",
            th.ObjectType(additional_properties=th.StringType),
            title="Bookmarks",
            description="Columns by which rows that are added later are told from those of before, such as "
            '`{"consent_changes": "recorded_at"}`: then a run reads only what was added since the one before. '
            "Rows with the same value must have been added at once",
        ),
        th.Property(
            "account_id",
            th.StringType,
            title="Account",
            description="Id of the Klaviyo account that the rows are for, which STATE tells the target. "
            "Without it, the one whose rows `target-duckdb` has loaded into the file",
        ),
    ).to_dict()

    @cached_property
    def _source(self) -> Source:
        return Source(self.config["path"])

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """One stream per table.

        Raises:
            SourceError: If the file cannot be read as the settings say.
        """
        prefix = self.config["prefix"] or ""
        tables = self._source.tables(self.config["schema"], prefix)
        named = {table.name.removeprefix(prefix): table for table in tables}
        keys: dict[str, list[str]] = self.config.get("keys") or {}
        growing: dict[str, str] = self.config.get("bookmarks") or {}
        for setting, told in (("keys", keys), ("bookmarks", growing)):
            if unknown := [name for name in told if name not in named]:
                message = f"setting `{setting}`: there is no stream `{unknown[0]}`; there are {', '.join(named)}"
                raise SourceError(message)
        named |= {name: named[name].known_by(tuple(key)) for name, key in keys.items()}
        named |= {name: named[name].grown_by(column) for name, column in growing.items()}
        return [TableStream(self, name, table, self._source, growing.get(name)) for name, table in named.items()]

    @override
    def _set_compatible_replication_methods(self) -> None:
        """Say whose rows they are: what the state holds now is written before the first of them.

        Raises:
            SourceError: If the file holds rows of several accounts.
        """
        if account := self._account():
            for stream in self.streams.values():
                if stream.selected:
                    stream.stream_state[FOR_ACCOUNT] = account
        super()._set_compatible_replication_methods()

    def _account(self) -> str | None:
        if declared := self.config.get("account_id"):
            return str(declared)
        accounts = self._source.accounts()
        if len(accounts) > 1:
            message = (
                f"`{self.config['path']}` holds rows of the accounts {' and '.join(accounts)}: say by the setting "
                "`account_id` for which of them these are"
            )
            raise SourceError(message)
        return accounts[0] if accounts else None
