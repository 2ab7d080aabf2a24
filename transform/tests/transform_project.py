"""The dbt project on a warehouse of its own, filled as the loader would fill it: what the tests share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from transform_engines import DuckDB, Engine, Numbers, as_json
from transform_quick_dbt import quick_dbt

PROJECT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 9, 8)  # noqa: DTZ001  the warehouse keeps naive UTC
READ_AT = datetime(2026, 11, 9, 7)  # noqa: DTZ001

Row = dict[str, Any]

ASSIGN = (
    "run",
    "--select",
    "int_salt_tries",
    "int_slot_sets",
    "int_newcomers",
    "int_profiles_drawn",
    "int_profiles_bucketed",
    "fct_assignment_rules",
    "fct_assignments",
)
"""The job without the views below, which are there; PostgreSQL drops those above a table that is built anew."""


def bucket(salt: str, unit: str) -> int:
    """The published recipe, apart from the project's SQL."""
    return int(hashlib.md5(f"{salt}-{unit}".encode()).hexdigest()[:8], 16) % 10_000  # noqa: S324


def growthbook_bucket(salt: str, unit: str) -> int:
    """GrowthBook's hash, version 2, by code points."""

    def fnv1a(text: str) -> int:
        value = 2166136261
        for letter in text:
            value = (value ^ ord(letter)) * 16777619 % 2**32
        return value

    return fnv1a(str(fnv1a(salt + unit))) % 10_000


@dataclass
class Outcome:
    """What a dbt command did: its result per node, the warnings it printed, and what macros printed."""

    results: list[Row]
    warnings: list[str]
    said: list[str]

    def built(self) -> set[str]:
        """Names of the models it built."""
        return {row["node"]["name"] for row in self.results if row["node"]["resource_type"] == "model"}


class Place(NamedTuple):
    """A folder with a dbt project and its profiles.yml, the engine that it works on, and where dbt may write."""

    engine: Engine
    artifacts: Path
    folder: Path


@dataclass
class Project:
    """A parsed dbt project on one engine; parsing it takes seconds, so it is done once."""

    manifest: Manifest
    artifacts: Path
    engine: Engine
    folder: Path

    @classmethod
    def parse(cls, engine: Engine, artifacts: Path, folder: Path = PROJECT) -> Project:
        """The project in `folder`, with its profiles.yml; this one, unless another uses it as a package."""
        place = Place(engine, artifacts, folder)
        variables: Row = {"history": engine.history}
        if engine.reads_accounts and folder == PROJECT:
            variables["accounts"] = {"here": {"schema": "marts"}}  # where one is named, there are models
        return cls(_invoke(None, place, variables, ["parse"])[0], artifacts, engine, folder)

    @property
    def place(self) -> Place:
        return Place(self.engine, self.artifacts, self.folder)

    def selected(self, job: str) -> set[str]:
        """What a selector selects, by dbt's fqn."""
        return set(_invoke(self.manifest, self.place, {}, ["ls", "--selector", job])[0])


@dataclass
class Warehouse:
    """One database that the project works on."""

    database: str
    project: Project
    as_of: datetime = NOW
    landed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, project: Project) -> Warehouse:
        return cls(project.engine.create(), project)

    def dbt(self, *arguments: str, **variables: object) -> Outcome:
        """Run a dbt command, which must succeed.

        What views below its models say is up to date on every engine: where they are tables, they are run, too.
        """
        variables = {"as_of": f"{self.as_of:%Y-%m-%d %H:%M:%S}", **variables}
        project = self.project
        project.engine.open_database(self.database)
        if below := self._tables_for_views(arguments):
            if arguments[0] == "run":
                place = arguments.index("--select") + 1
                arguments = (*arguments[:place], *below, *arguments[place:])
            else:
                _invoke(project.manifest, project.place, variables, ["run", "--select", *below])
        run, warned, said = _invoke(project.manifest, project.place, variables, arguments)
        return Outcome([result.to_dict() for result in run], warned, said)

    def _tables_for_views(self, arguments: Sequence[str]) -> list[str]:
        """Criteria of the models below those that a command selects, which are views on other engines."""
        if "--select" not in arguments:
            return []
        chosen = takewhile(
            lambda argument: not argument.startswith("-"), arguments[arguments.index("--select") + 1 :]
        )
        return [
            f"+{each},path:{place}"
            for criteria in chosen
            for each in criteria.split()
            for place in self.project.engine.tables_for_views
        ]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.project.engine.execute(self.database, sql)[1]

    def rows(self, sql: str) -> list[Row]:
        names, rows = self.project.engine.execute(self.database, sql)
        return [dict(zip(names, values, strict=True)) for values in rows]

    def delete(self, table: str, condition: str = "true") -> None:
        """Delete the rows of a table, with its schema, that meet a condition."""
        self.project.engine.delete(self.database, table, condition)

    @contextlib.contextmanager
    def without(self, schema: str, table: str) -> Iterator[None]:
        """As if a table had not been built."""
        rename = self.project.engine.rename
        rename(self.database, schema, table, f"{table}_elsewhere")
        try:
            yield
        finally:
            rename(self.database, schema, f"{table}_elsewhere", table)

    def land(self, table: str, rows: Iterable[Mapping[str, Any]], schema: str = "klaviyo_raw") -> None:
        """Replace the rows of a table; objects become documents, as the loader writes them."""
        plain = [{name: as_json(value) for name, value in row.items()} for row in rows]
        text = json.dumps(plain)
        if self.landed.get(table) != text:
            self.landed[table] = text
            self.project.engine.replace(self.database, f"{schema}.{table}", plain)

    def land_many(
        self,
        table: str,
        originals: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        numbers: Mapping[str, Numbers],
        expressions: Mapping[str, str],
        schema: str = "klaviyo_raw",
    ) -> None:
        """Replace the rows of a table by copies of one or several, which differ as `DuckDB.multiply` says."""
        engine = self.project.engine
        assert isinstance(engine, DuckDB)
        self.landed.pop(table, None)
        self.land(table, [originals] if isinstance(originals, Mapping) else originals, schema)
        del self.landed[table]
        engine.multiply(self.database, f"{schema}.{table}", numbers, expressions)

    def copy(self) -> Warehouse:
        """The same content in a database of its own."""
        return Warehouse(self.project.engine.create(self.database), self.project, self.as_of, dict(self.landed))


def _invoke(
    manifest: Manifest | None, place: Place, variables: Row, arguments: Sequence[str]
) -> tuple[Any, list[str], list[str]]:
    engine, artifacts, folder = place
    warned: list[str] = []
    said: list[str] = []

    def note(event: Any) -> None:  # noqa: ANN401  dbt types its events as a protocol without the message
        if event.info.level == "warn":
            warned.append(event.info.msg)
        elif event.info.name == "PrintEvent":
            said.append(event.info.msg)

    folders = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(artifacts)]
    options = ["--quiet", "--no-write-json", "--log-level-file", "none", "--log-path", str(artifacts)]
    options += ["--target", engine.name, "--vars", json.dumps(variables)]
    with (
        mock.patch.dict(os.environ, engine.environment()),
        quick_dbt(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # dbt's own
        outcome = dbtRunner(manifest=manifest, callbacks=[note]).invoke([*arguments, *folders, *options])
        engine.release()
    if outcome.exception:
        raise outcome.exception
    assert outcome.success, [
        (getattr(result, "node", result).unique_id, result.message)
        for result in getattr(outcome.result, "results", ())
        if result.status in {"error", "fail"}
    ] + warned
    return outcome.result, warned, said


def _newest(rows: list[Row], key: str, new: list[Row]) -> list[Row]:
    """Rows as a loader keeps them that replaces by a key."""
    replaced = {row[key] for row in new}
    return [row for row in rows if row[key] not in replaced] + new


FILLED = (
    "models/intermediate/assignment/draw",
    "models/intermediate/consent",
    "models/intermediate/privacy",
    "models/intermediate/pushed",
)
"""So much is joined there that these queries, written into each other, take all of Spark's memory."""


class Selects(dict[str, str]):
    """The compiled SQL of each model of a build: over the views below it, it says what a run would build.

    Tables that are views on other engines stand in it as their queries, but for those of `FILLED`.
    """

    def __init__(self, warehouse: Warehouse, build: Outcome) -> None:
        self._nodes: dict[str, Row] = {
            result["node"]["unique_id"]: result["node"]
            for result in build.results  # in the order in which they were built
            if result["node"]["resource_type"] == "model"
        }
        tables = [
            node
            for node in self._nodes.values()
            if node["original_file_path"].startswith(warehouse.project.engine.tables_for_views)
            and node["config"]["materialized"] == "table"  # what keeps its rows does so everywhere
            and node["name"] not in {"int_salt_tries", "int_slot_sets"}  # tables everywhere
        ]
        self._filled = [node for node in tables if node["original_file_path"].startswith(FILLED)]
        self._filled_of: dict[tuple[str, str], dict[str, str]] = {}
        views = [node for node in tables if node not in self._filled]
        super().__init__(
            (node["name"], _with_views(node["compiled_code"], views)) for node in self._nodes.values()
        )

    def rows(self, warehouse: Warehouse, model: str) -> list[Row]:
        """What a run would build of a model, over what was landed."""
        [name] = [name for name, node in self._nodes.items() if node["name"] == model]
        below = self._below(name)
        for node in self._filled:
            if node["unique_id"] in below:
                self._fill(warehouse, node)
        return warehouse.rows(self[model])

    def _fill(self, warehouse: Warehouse, node: Row) -> None:
        """Build a table anew, unless nothing was landed of what it is made of."""
        reads = {each.split(".")[-1] for each in self._below(node["unique_id"])}
        landed = {
            table: text
            for table, text in warehouse.landed.items()
            if table in reads or table.startswith("fct_")  # a ledger is read without being referred to
        }
        if self._filled_of.get((warehouse.database, node["name"])) != landed:
            table = f"{node['schema']}.{node['name']}"
            warehouse.project.engine.fill(warehouse.database, table, self[node["name"]])
            self._filled_of[warehouse.database, node["name"]] = landed

    def _below(self, name: str) -> set[str]:
        """Unique ids of the models and sources that one reads, by others too."""
        reads = self._nodes[name]["depends_on"]["nodes"] if name in self._nodes else []
        return {*reads, *(below for parent in reads for below in self._below(parent))}


def _with_views(sql: str, views: Sequence[Row]) -> str:
    for node in views:
        before, *after = re.split(rf"\b{node['schema']}\.{node['name']}\b", sql)
        if after:
            sql = f"({_with_views(node['compiled_code'], views)})".join([before, *after])
    return sql


@dataclass
class World:
    """Raw rows of an account and its experiments; change them, then `land` them."""

    metrics: list[Row]
    profiles: list[Row]
    lists: list[Row]
    segments: list[Row]
    list_memberships: list[Row]
    segment_memberships: list[Row]
    membership_snapshots: list[Row]
    resource_ids: list[Row]
    profile_ids: list[Row]
    events: list[Row]
    templates: list[Row]
    experiments: list[Row]
    experiment_arms: list[Row]
    experiment_templates: list[Row]
    definition_snapshots: list[Row]
    flow_requests: list[Row]
    pushed_events: list[Row]
    orders: list[Row]
    consent_statements: list[Row]

    def land(self, warehouse: Warehouse) -> None:
        for table, rows in vars(self).items():
            warehouse.land(table, rows)

    def read_whole(self, stream_name: str, ids: Iterable[str], at: datetime) -> None:
        """A complete reading of a stream, begun then, which saw these ids and no others."""
        seen = list(ids)
        if stream_name == "profiles":
            self.profile_ids = _newest(self.profile_ids, "id", [{"id": each, "swept_at": at} for each in seen])
        else:
            others = [row for row in self.resource_ids if row["stream_name"] != stream_name]
            mine = [row for row in self.resource_ids if row["stream_name"] == stream_name]
            new = [{"stream_name": stream_name, "id": each, "seen_at": at} for each in seen]
            self.resource_ids = others + _newest(mine, "id", new)
        read = {"group_type": "account", "group_id": stream_name, "snapshot_at": at, "member_count": len(seen)}
        self.membership_snapshots = [
            row
            for row in self.membership_snapshots
            if row["group_type"] != "account" or row["group_id"] != stream_name
        ] + [read]

    def take(self, published: Iterable[Row]) -> None:
        """Write profiles as Klaviyo does: top-level keys are merged, lists come back in another order."""
        properties = {profile["id"]: profile["properties"] for profile in self.profiles}
        for record in published:
            held = properties[record["id"]]
            for name, value in json.loads(record["properties"] or "{}").items():
                held[name] = value[::-1] if isinstance(value, list) else value
            for name in json.loads(record["unset"] or "[]"):
                del held[name]


def experiment(key: str, **changes: Any) -> Row:  # noqa: ANN401
    return {
        "experiment_key": key,
        "version": 1,
        "status": "live",
        "description": "Which one?",
        "channel": "email",
        "audience_type": "segment",
        "audience": "Everybody",
        "traffic_bp": 10_000,
        "primary_metric": "clicked",
        "attribution_window_days": 5,
        "property_format": "list",
        "template_name": f"lf_{key}",
        "campaign_message_ids": [],
        "definition_sha256": "0" * 64,
        "layer_name": None,
        "layer_start_bp": None,
        "layer_end_bp": None,
        "holdout_bp": 0,
        "global_holdout_bp": 0,
        "global_holdout_version": 1,
        "group_key": None,
        "unit_hash": "md5",
        "assignment_method": "hash",
        "balance_tries": 1,
        "balance_days": 90,
        "secondary_metrics": [],
        "guardrails": {},
        "planned_stop": None,
        "minimum_detectable_effect": None,
        "preregistration_sha256": "1" * 64,
        "audience_conditions": [],
        "is_shipped": False,
        "is_cleaned_up": False,
        "defined_at": READ_AT,
        **changes,
    }


def arms(key: str, slot: str, weights: Mapping[str, int | None], **changes: Any) -> list[Row]:  # noqa: ANN401
    """Arms of a slot in the order of the mapping; the first is the control."""
    return [
        {
            "experiment_key": key,
            "slot_key": slot,
            "arm_key": arm,
            "position": position,
            "is_control": position == 0,
            "is_winner": False,
            "snippet": None,
            "allocation": "manual",
            "weight_bp": weight,
            "thompson_floor_bp": None,
            "thompson_half_life_days": None,
            "thompson_at_most": None,
            "content": f"<h1>{arm}</h1>",
            "content_sha256": "0" * 64,
            "html": f"<h1>{arm}</h1>",
            "text": arm,
            "subject": None,
            "defined_at": READ_AT,
            **changes,
        }
        for position, (arm, weight) in enumerate(weights.items())
    ]


def template(key: str, sha256: str) -> Row:
    return {
        "template_name": f"lf_{key}",
        "experiment_key": key,
        "channel": "email",
        "html": f"<html><body>{key}<!-- lf:{sha256} --></body></html>",
        "text": None,
        "subject": None,
        "sha256": sha256,
        "content_sha256": sha256,
        "defined_at": READ_AT,
    }


METRICS = {
    "MetRcv": ("klaviyo", "Received Email"),
    "MetOpn": ("klaviyo", "Opened Email"),
    "MetClk": ("klaviyo", "Clicked Email"),
    "MetUns": ("klaviyo", "Unsubscribed from Email Marketing"),
    "MetOrd": ("shopify", "Placed Order"),
    "MetSee": ("api", "Viewed Product"),
}
SENT_AT = NOW - timedelta(days=7)


DIMENSIONS = [
    {"dimension": "property:näme", "kind": "property", "name": "näme", "position": 0},
    {"dimension": "list:Zürich — 東京", "kind": "list", "name": "Zürich — 東京", "position": 1},
    {"dimension": "tenure", "kind": "tenure", "name": "", "position": 2},
    {"dimension": "device", "kind": "device", "name": "", "position": 3},
]
"""By what the effects of `spring` are shown in the small world."""


def small_world(members: int = 240) -> World:
    """Two live experiments and one send.

    Everybody is in the segment `Everybody` and received the message of `spring`; the first forty are in the list
    `Zürich — 東京`, which is the audience of `autumn` with 30 % traffic.
    """
    ids = [f"01{number:024d}" for number in range(members - 3)] + ["legacy", "Zoë-名前", "a'b\"c"]
    memberships = [{"profile_id": profile, "joined_group_at": READ_AT, "snapshot_at": READ_AT} for profile in ids]
    return World(
        metrics=[
            {"id": metric, "name": name, "integration": {"object": "integration", "key": key}}
            for metric, (key, name) in METRICS.items()
        ],
        profiles=[
            {
                "id": profile,
                "email": f"{number}@shop.example",
                "created": READ_AT,
                "updated": READ_AT,
                "properties": {"company_id": "Cmp", "lf_shoe_size": 42, "näme": "x"},
            }
            for number, profile in enumerate(ids)
        ],
        lists=[{"id": "LstOne", "name": "Zürich — 東京"}],
        segments=[{"id": "SegAll", "name": "Everybody"}],
        list_memberships=[{"list_id": "LstOne", **member} for member in memberships[:40]],
        segment_memberships=[{"segment_id": "SegAll", **member} for member in memberships],
        membership_snapshots=[
            {"group_type": "segment", "group_id": "SegAll", "snapshot_at": READ_AT, "member_count": members},
            {"group_type": "list", "group_id": "LstOne", "snapshot_at": READ_AT, "member_count": 40},
        ],
        resource_ids=[],
        profile_ids=[],
        events=[
            {"id": f"{profile}/{place}", "profile_id": profile, **event}
            for number, profile in enumerate(ids)
            for place, event in enumerate(_events(number, profile))
        ],
        templates=[],
        experiments=[
            experiment("spring", dimensions=DIMENSIONS),
            experiment("autumn", traffic_bp=3000, audience_type="list", audience="Zürich — 東京"),
        ],
        experiment_arms=[
            *arms("spring", "hero", {"control": 5000, "bold": 5000}),
            *arms("spring", "footer", {"control": 2000, "short": 3000, "long": 5000}),
            *arms("autumn", "hero", {"control": 5000, "zebra": 5000}),
        ],
        experiment_templates=[template("spring", "aa"), template("autumn", "bb")],
        definition_snapshots=[{"name": "experiments", "defined_at": READ_AT, "experiments": 2}],
        flow_requests=[],
        pushed_events=[],
        orders=[],
        consent_statements=[],
    )


def _events(number: int, profile: str) -> Iterator[Row]:
    """What the recipient of that number does: every 2nd opens, every 5th clicks, every 20th orders twice."""

    def event(metric: str, hours: float, **properties: Any) -> Row:  # noqa: ANN401
        return {
            "metric_id": metric,
            "datetime": SENT_AT + timedelta(hours=hours),
            "event_properties": properties,
        }

    message = {"$message": "MsgSpring"}
    arm = "control" if bucket("split-spring-1-hero", profile) < 5000 else "bold"
    yield event("MetSee", -1)
    yield event("MetRcv", 0, **message)
    if number % 2 == 0:
        yield event("MetOpn", 1, **message, machine_open=number % 4 == 0)
    if number % 5 == 0:
        link = f"https://shop.example/?lf_cid=spring.hero.{arm}"
        yield event("MetClk", 2, **message, URL=link, **{"Bot Click": number % 10 == 0})
    if number % 20 == 0:
        yield event("MetOrd", 24 * 5, **{"$value": 10.5})
        yield event("MetOrd", 24 * 5 + 0.1, **{"$value": 99})
    if number == 7:
        yield event("MetUns", 3, **message)
