"""The engines that the project is tested on: how each is started, filled, read and copied.

An engine holds several databases and works on one at a time: the project's compiled SQL names its database, so the
one that dbt connects to always has the same name.
"""

from __future__ import annotations

import abc
import contextlib
import gc
import importlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from typing_extensions import override

Table = tuple[list[str], list[tuple[Any, ...]]]
"""Names of columns, and rows."""
Numbers = npt.NDArray[Any]
"""A column of numbers."""


class Engine(abc.ABC):
    """A running warehouse engine. `name` is the dbt target."""

    name: str
    text = "varchar"
    double = "double"
    tables_for_views: tuple[str, ...] = ()
    """Folders of the models that are tables on it and views elsewhere."""
    history: tuple[str, ...] = ("profiles", "lists", "segments", "campaigns", "flows")
    """What is asked for of the variable of that name."""
    reads_accounts: bool = False
    """Whether the tables of all accounts are built and tested on it."""
    garbage: tuple[int, int, int] = (200_000, 50, 100)
    """When garbage is looked for: seldom, since looking through all that dbt makes takes a tenth of the time."""

    @abc.abstractmethod
    def environment(self) -> dict[str, str]:
        """What profiles.yml reads to connect to the open database."""

    @abc.abstractmethod
    def create(self, copied_from: str | None = None) -> str:
        """A new database, empty or a copy; its name."""

    @abc.abstractmethod
    def execute(self, database: str, sql: str) -> Table:
        """Run one statement in a database."""

    @abc.abstractmethod
    def replace(self, database: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the rows of a table, given as JSON values by column; objects and arrays are documents."""

    def fill(self, database: str, table: str, select: str) -> None:
        """Replace the rows of a table by those of a query."""
        self.delete(database, table, "true")
        self.execute(database, f"insert into {table} {select}")

    def delete(self, database: str, table: str, condition: str) -> None:
        """Delete the rows of a table that meet a condition."""
        self.execute(database, f"delete from {table} where {condition}")  # noqa: S608

    def rename(self, database: str, schema: str, table: str, name: str) -> None:
        """Call a table otherwise; it stays in its schema."""
        self.execute(database, f"alter table {schema}.{table} rename to {name}")

    @abc.abstractmethod
    def open_database(self, database: str) -> None:
        """Make dbt's next connection reach that database."""

    @abc.abstractmethod
    def release(self) -> None:
        """Close what dbt left open."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop the engine."""


class DuckDB(Engine):
    """One file per database, all of one name in folders of their own: the file's name is the database's name."""

    name = "duckdb"
    tables_for_views = ("models/intermediate/assignment/draw", "models/intermediate/consent")
    reads_accounts = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.databases = 0
        self.opened = self.create()

    @override
    def environment(self) -> dict[str, str]:
        return {"KLAVIYO_LOOP_WAREHOUSE": self.opened}

    @override
    def create(self, copied_from: str | None = None) -> str:
        self.databases += 1
        path = self.folder / str(self.databases) / "klaviyo.duckdb"
        path.parent.mkdir(parents=True)
        if copied_from is not None:
            shutil.copy(copied_from, path)
        return str(path)

    @override
    def open_database(self, database: str) -> None:
        self.opened = database

    @override
    def execute(self, database: str, sql: str) -> Table:
        with duckdb.connect(database) as connection:
            cursor = connection.execute(sql)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()

    @override
    def replace(self, database: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        text = json.dumps([{name: _as_text(value) for name, value in row.items()} for row in rows])
        with duckdb.connect(database) as connection:
            held = connection.execute(f"describe {table}").fetchall()
            read = ", ".join(f'"{name}": "{"VARCHAR" if kind == "JSON" else kind}"' for name, kind, *_ in held)
            connection.execute(f"delete from {table}")  # noqa: S608
            connection.execute(
                f"insert into {table} select unnest(from_json(?, '[{{{read}}}]'), recursive := true)",
                [text],
            )

    def multiply(
        self, database: str, table: str, numbers: Mapping[str, Numbers], expressions: Mapping[str, str]
    ) -> None:
        """Put copies of a table's rows in their place: one for each place of the arrays.

        The array `original` says which row is copied, counted from 0; without it there is one row. A column that
        `numbers` names takes its values from there, one that `expressions` names from SQL over `many`, whose
        columns are the arrays. Millions of rows take seconds.
        """
        with duckdb.connect(database) as connection:
            connection.register("many", {"original": np.zeros(len(next(iter(numbers.values()))), int), **numbers})
            held = [name for name, *_ in connection.execute(f"describe {table}").fetchall()]
            changed = {name: f"many.{name}" for name in numbers if name in held} | dict(expressions)
            replaced = ", ".join(f"{value} as {name}" for name, value in changed.items())
            number = "row_number() over (order by rowid) - 1"
            connection.execute(f"create temp table originals as select *, {number} as original from {table}")  # noqa: S608
            connection.execute(f"delete from {table}")  # noqa: S608
            connection.execute(
                f"insert into {table} select originals.* exclude (original) replace ({replaced})"  # noqa: S608
                " from originals inner join many on originals.original = many.original"
            )

    @override
    def release(self) -> None:
        # Otherwise the file stays incomplete until the process ends.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    @override
    def close(self) -> None:
        shutil.rmtree(self.folder)


UNSAFE_BUT_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


UNSERVED = ("create foreign data wrapper nobody", "create server elsewhere foreign data wrapper nobody")
"""Statements of PostgreSQL after which a foreign table can be of `elsewhere`, of which nothing can be read."""


class Postgres(Engine):
    """A server of its own, with the binaries of the package `pgserver`, on a free port."""

    name = "postgres"
    text = "text"
    double = "double precision"
    reads_accounts = True
    NAME = "klaviyo"
    """What the open database is called; all others are called by their own names."""

    def __init__(self, folder: Path) -> None:
        self.binaries = pytest.importorskip(
            "pgserver", reason="PostgreSQL's binaries come with the package pgserver"
        )
        del folder  # a socket's path must be short
        self.folder = Path(tempfile.mkdtemp(prefix="lf-"))
        self.data = self.folder / "data"
        made = self.binaries.get_server(self.data, cleanup_mode="stop")
        made.cleanup()  # it listens on a socket only, and Meltano's tap wants a port
        self.user = made.system_user  # PostgreSQL does not run as root: pgserver has a user for that
        self.port = free_port()
        options = f"-h 127.0.0.1 -p {self.port} -k {self.data}" + "".join(
            f" -c {setting}" for setting in UNSAFE_BUT_FAST
        )
        self._control("-o", options, "-l", str(self.data / "log"), "start")
        self.databases = 0
        self.opened: str | None = None

    @override
    def environment(self) -> dict[str, str]:
        return {
            "KLAVIYO_LOOP_POSTGRES_HOST": "127.0.0.1",
            "KLAVIYO_LOOP_POSTGRES_PORT": str(self.port),
            "KLAVIYO_LOOP_POSTGRES_USER": "postgres",
            "KLAVIYO_LOOP_POSTGRES_PASSWORD": "not asked for",
            "KLAVIYO_LOOP_POSTGRES_DATABASE": self.NAME,
        }

    @override
    def create(self, copied_from: str | None = None) -> str:
        self.databases += 1
        name = f"database_{self.databases}"
        if copied_from is None:
            self._administer(f"create database {name}")
        else:
            self._administer(f"create database {name} template {self._called(copied_from)} strategy file_copy")
        return name

    @override
    def open_database(self, database: str) -> None:
        if self.opened != database:
            if self.opened is not None:
                self._administer(f"alter database {self.NAME} rename to {self.opened}")
            self._administer(f"alter database {database} rename to {self.NAME}")
            self.opened = database

    @override
    def execute(self, database: str, sql: str) -> Table:
        self.open_database(database)
        with self._connect(self.NAME) as cursor:
            cursor.execute(sql)
            if cursor.description is None:
                return [], []
            return [column.name for column in cursor.description], cursor.fetchall()

    @override
    def replace(self, database: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.open_database(database)
        with self._connect(self.NAME) as cursor:
            cursor.execute(f"delete from {table}")  # noqa: S608
            cursor.execute(
                f"insert into {table} select * from jsonb_populate_recordset(null::{table}, %s::jsonb)",  # noqa: S608
                [json.dumps(rows)],
            )

    @override
    def release(self) -> None:
        """dbt closes its connections itself."""

    @override
    def close(self) -> None:
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        self.binaries.pg_ctl(["-w", *arguments], pgdata=self.data, user=self.user, timeout=60)

    def _called(self, database: str) -> str:
        return self.NAME if database == self.opened else database

    def _administer(self, sql: str) -> None:
        with self._connect("postgres") as cursor:
            cursor.execute(sql)

    @contextlib.contextmanager
    def _connect(self, database: str) -> Iterator[Any]:
        driver = importlib.import_module("psycopg2")
        extras = importlib.import_module("psycopg2.extras")
        connection = driver.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database)
        try:
            connection.autocommit = True
            extras.register_default_jsonb(connection, loads=str)  # documents as text, as on the others
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Spark(Engine):
    """A Spark inside the test's process. Its databases share views and tables' definitions: only rows differ."""

    name = "spark"
    history = ()  # dbt's snapshots change rows, which plain files cannot
    text = "string"
    garbage = (20_000, 10, 5)
    """A thousand results that were forgotten and not collected held 2.3 of Java's 4 GB."""
    tables_for_views = (
        "models/staging/experiments",
        "models/staging/forwarding",
        "models/intermediate/assignment",
        "models/intermediate/consent",
        "models/intermediate/privacy",
        "models/intermediate/pushed",
    )

    def __init__(self, folder: Path) -> None:
        spark = pytest.importorskip("pyspark.sql", reason="Spark comes with the package pyspark")
        if shutil.which("java") is None:
            pytest.skip("Spark needs a Java runtime")
        self.folder = folder
        self.files = folder / "warehouse"
        self.databases = 0
        self.opened = ""
        self.zone = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"  # rows come back in the process's own time zone
        time.tzset()
        self.session = (
            spark.SparkSession.builder.master("local[2]")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            # It would keep the plans of the last thousand queries, megabytes each: with 2 GB it collected garbage
            # most of the time after half an hour of tests, and then had no memory for a broadcast.
            .config("spark.driver.memory", "4g")
            .config("spark.sql.ui.retainedExecutions", "1")
            .config("spark.ui.retainedJobs", "1")
            .config("spark.ui.retainedStages", "1")
            .config("spark.sql.catalogImplementation", "in-memory")
            .config("spark.sql.warehouse.dir", str(self.files))
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            # A handful of rows: planning a query and compiling it takes longer than running it. Without what
            # follows, the assignment of the small world took 20 s of processor time instead of 12 to 14.
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.sql.constraintPropagation.enabled", "false")
            .config("spark.sql.lightweightPlanChangeValidation", "false")
            .config("spark.sql.ui.explainMode", "simple")
            .getOrCreate()
        )
        self.session.sparkContext.setLogLevel("ERROR")

    @override
    def environment(self) -> dict[str, str]:
        return {}

    @override
    def create(self, copied_from: str | None = None) -> str:
        self.databases += 1
        name = str(self.databases)
        if copied_from is not None:
            self._save()
            shutil.copytree(self.folder / copied_from, self.folder / name)
        return name

    @override
    def open_database(self, database: str) -> None:
        if self.opened == database:
            return
        if self.opened:
            self._save()
        if (self.folder / database).exists():
            shutil.rmtree(self.files)
            shutil.copytree(self.folder / database, self.files)
            for table in self._tables():
                schema, _, name = table.partition(".")
                # Made in another database since: it has no rows here, and a repair needs its folder.
                (self.files / f"{schema}.db" / name).mkdir(parents=True, exist_ok=True)
                self.session.catalog.refreshTable(table)
                if any(column.isPartition for column in self.session.catalog.listColumns(table)):
                    # Which partitions there are, it knows from the catalog and not from the files.
                    self.session.sql(f"msck repair table {table} sync partitions")
        self.opened = database

    @override
    def execute(self, database: str, sql: str) -> Table:
        self.open_database(database)
        frame = self.session.sql(sql)
        return frame.columns, [tuple(row) for row in frame.collect()]

    @override
    def replace(self, database: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.open_database(database)
        fields = self.session.table(table).schema.fields
        texts = [[_as_plain_text(row.get(field.name)) for field in fields] for row in rows]
        schema = ", ".join(f"`{field.name}` string" for field in fields)
        kinds = [f"cast(`{field.name}` as {field.dataType.simpleString()})" for field in fields]
        frame = self.session.createDataFrame(texts, schema).selectExpr(*kinds)
        self.session.conf.set("spark.sql.sources.partitionOverwriteMode", "static")
        frame.write.insertInto(table, overwrite=True)

    @override
    def fill(self, database: str, table: str, select: str) -> None:
        self.session.conf.set("spark.sql.sources.partitionOverwriteMode", "static")
        self.execute(database, f"insert overwrite table {table} {select}")

    @override
    def delete(self, database: str, table: str, condition: str) -> None:
        """Write the others anew: plain files know no deletion."""
        kept = f"select * from {table} where not coalesce({condition}, false)"  # noqa: S608
        names, rows = self.execute(database, kept)
        self.replace(database, table, [dict(zip(names, map(as_json, row), strict=True)) for row in rows])

    @override
    def rename(self, database: str, schema: str, table: str, name: str) -> None:
        """Without a schema, the new name would be one of the schema in use."""
        super().rename(database, schema, table, f"{schema}.{name}")

    @override
    def release(self) -> None:
        """The session outlives a command; Java keeps the plan of a query as long as Python keeps its result."""
        gc.collect()

    @override
    def close(self) -> None:
        self.session.stop()
        if self.zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = self.zone
        time.tzset()

    def _save(self) -> None:
        kept = self.folder / self.opened
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.files, kept)

    def _tables(self) -> Iterator[str]:
        for (schema,) in self.session.sql("show schemas").collect():
            views = {row.viewName for row in self.session.sql(f"show views in {schema}").collect()}
            for row in self.session.sql(f"show tables in {schema}").collect():
                if row.tableName not in views:
                    yield f"{schema}.{row.tableName}"


def chosen_engines() -> list[str]:
    """`KLAVIYO_LOOP_TEST_ENGINES` names them, by blanks; without it, DuckDB alone; the others take minutes."""
    return os.environ.get("KLAVIYO_LOOP_TEST_ENGINES", "duckdb").split()


def chosen_among(*names: str) -> list[str]:
    """Of the chosen engines those that a module's tests are for: its `ON_ENGINES`."""
    return [name for name in chosen_engines() if name in names]


def _as_text(value: Any) -> Any:  # noqa: ANN401
    """Objects and arrays as JSON text, the rest as it is."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _as_plain_text(value: Any) -> str | None:  # noqa: ANN401
    """Any value as the text that Spark casts to the column's type."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def as_json(value: Any) -> Any:  # noqa: ANN401
    """A Python value as JSON would hold it."""
    return value.isoformat(" ") if isinstance(value, datetime) else value
