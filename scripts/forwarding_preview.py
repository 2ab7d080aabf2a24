"""Says what a file of forwarding would have made of a day's events: counts by name and decision, and ten bodies.

The models run on a copy of the home, which is removed at the end: warehouse, ledger, state and Klaviyo stay as
they were. A draft is decided as if it were live.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml
from dry_run import copied
from home import keep_private
from pipeline import holding, one_line_errors, progress, run_job, tell_warnings
from project import ROOT, WAREHOUSE, NotStarted, environment_of, home_of, read_dotenv, setting

from klaviyo_wire.redaction import redact
from singer_program.definitions.faults import DefinitionError
from singer_program.identifiers import kind_named, mentioned_in
from tap_forwarding.project import load
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    from tap_forwarding.definitions.model import Definition

Json = dict[str, Any]

TAP = "tap-forwarding"
JOB = "forwarding-preview"
SAMPLES = 10
SENT = "forwarded"
_LONGEST = 200
"""Characters of a text that are shown."""
_MASK = "***"
_PERSONAL = re.compile(
    r"(?:first|last|full|given|family|middle|customer|recipient|user|sur|nick)name|customer|person|recipient"
    r"|contact"
    r"|.*address\d?|street|zip(?:code)?|post(?:al)?code|birth(?:day|date)|dateofbirth|gender|ip|latitude|longitude|iban"
)
"""Names of members that tell of a person, without what is no letter; with all that is in them."""
_NO_LETTER = re.compile(r"[\W_]+")

_FORGET = "delete from marts.fct_forwarding where definition_key = ? and received_at >= ?"
"""What was decided of the day, and since then: the models decide what the ledger does not have."""
_DECIDED = """
    with

    decided as (

        select
            *,
            row_number() over (
                partition by event_key, decision
                order by occurred_at, received_at, match_ref
            ) as repetition
        from intermediate.int_forwarding_decided
        where
            definition_key = $key
            and received_at >= $first
            and received_at < $last

    )

    select
        * exclude (decision, repetition),
        case
            when decision <> 'draft' then decision
            when event_key is not null and repetition > 1 then 'duplicate'
            else 'forwarded'
        end as decision
    from decided
"""
"""A draft's events as if it were live; of those that are one event, the first."""
_COUNTS = f"""
    select
        type,
        event,
        metric,
        decision,
        count(*) as events
    from ({_DECIDED}) as decided
    group by all
    order by events desc, type, event, metric, decision
"""  # noqa: S608 - our own text
_SAMPLES = f"""
    select
        metric,
        identified_by,
        identifier,
        occurred_at,
        unique_id,
        value,
        currency,
        properties,
        is_backfill
    from ({_DECIDED}) as decided
    where decision = 'forwarded'
    order by row_number() over (partition by event, metric order by md5(match_ref)), metric, match_ref
    limit {SAMPLES}
"""  # noqa: S608 - our own text


@dataclass(frozen=True)
class Count:
    """How many events of a name became one of a metric, or why they did not."""

    type: str
    event: str | None
    metric: str | None
    decision: str
    events: int


@dataclass(frozen=True)
class Preview:
    """What would have become of a day's events.

    Attributes:
        samples: Bodies, what is personal masked; or why the target would refuse the event.
    """

    definition: str
    status: str
    day: date
    counts: Sequence[Count]
    samples: Sequence[Json]

    def as_json(self) -> Json:
        """For a program."""
        return {**asdict(self), "day": self.day.isoformat()}

    def lines(self) -> list[str]:
        """For a person."""
        read = sum(each.events for each in self.counts)
        sent = sum(each.events for each in self.counts if each.decision == SENT)
        draft = " once the file is live" if self.status == "draft" else ""
        lines = [f"{self.definition}, received on {self.day} (UTC): {sent:,} of {read:,} would be sent{draft}"]
        rows = [("event", "becomes", "decision", "events")]
        rows += [
            (each.event or f"any {each.type}", each.metric or "-", each.decision, f"{each.events:,}")
            for each in self.counts
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows if self.counts else ():
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            lines.append(f"  {'  '.join(cells)}  {row[3]:>9}")
        return lines + [json.dumps(each, ensure_ascii=False) for each in self.samples]


def forget(warehouse: Path, definition: str, day: date) -> None:
    """Take out of a copy's ledger what was decided of a day and since then; nothing where there is none yet."""
    with duckdb.connect(str(warehouse)) as connection:
        try:
            connection.execute(_FORGET, [definition, day])
        except duckdb.CatalogException:
            return


def set_clock(root: Path, environment: str, moment: date) -> None:
    """Let the models of a copied project decide as of the end of the day: by now, its events may be too old."""
    path = root / "meltano.yml"
    project = yaml.safe_load(path.read_text())
    for each in project["environments"]:
        if each["name"] == environment:
            variables = yaml.safe_load(each["env"].get("KLAVIYO_LOOP_VARS") or "{}")
            each["env"]["KLAVIYO_LOOP_VARS"] = json.dumps(variables | {"as_of": f"{moment} 00:00:00"})
    path.write_text(yaml.safe_dump(project, sort_keys=False))


def preview(warehouse: Path, definition: Definition, day: date) -> Preview:
    """What the models made of a day's events, out of a copy's warehouse."""
    given = {"key": definition.key, "first": day, "last": day + timedelta(days=1)}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        counts = [Count(*row) for row in connection.execute(_COUNTS, given).fetchall()]
        found = connection.execute(_SAMPLES, given)
        names = [column[0] for column in found.description]
        samples = [body(dict(zip(names, row, strict=True))) for row in found.fetchall()]
    return Preview(definition.key, definition.status.value, day, counts, samples)


def body(row: Mapping[str, Any]) -> Json:
    """What is sent of an event, as the target makes it, what is personal masked; or why it would be refused."""
    record = {
        "metric": row["metric"],
        row["identified_by"]: row["identifier"],
        "time": row["occurred_at"].replace(tzinfo=UTC).isoformat(),
        "unique_id": row["unique_id"],
        "value": row["value"],
        "value_currency": row["currency"] if row["value"] is not None else None,
        "properties": json.loads(row["properties"] or "{}"),
        "backfill": row["is_backfill"],
    }
    try:
        made = Events(Options()).row({name: value for name, value in record.items() if value is not None})
    except Rejected as refused:
        reason = refused.reason
        return {"metric": row["metric"], "refused": reason.code, "remedy": reason.remedy}
    attributes = json.loads(made.payload)["attributes"] if made else {}
    (event,) = attributes["events"]["data"]
    sent = event["attributes"]
    person = attributes["profile"]["data"]
    known_by = {"id": person["id"]} if "id" in person else person["attributes"]
    return {
        "metric": sent["metric"]["data"]["attributes"]["name"],
        "profile": {name: masked_text(str(value)) for name, value in known_by.items()},
        **{name: value for name, value in sent.items() if name not in {"metric", "properties", "unique_id"}},
        "unique_id": redact(sent["unique_id"]),
        "properties": masked(sent["properties"]),
    }


def masked(value: Any, name: str = "") -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value with whatever tells of a person masked: by the names of members, and by the look of texts."""
    if name and (kind_named(name) in {"email", "phone_number", "external_id"} or _is_personal(name)):
        return None if value is None else _MASK
    if isinstance(value, dict):
        return {member: masked(each, member) for member, each in value.items()}
    if isinstance(value, list):
        return [masked(each, name) for each in value]
    if isinstance(value, str):
        if any(mentioned_in({"": value})):
            return masked_text(value)
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return value


def masked_text(text: str) -> str:
    """The first character, and that there were others."""
    return f"{text[:1]}{_MASK}"


def _is_personal(name: str) -> bool:
    return _PERSONAL.fullmatch(_NO_LETTER.sub("", name).lower()) is not None


def definition_of(name: str, environment: str) -> Definition:
    """A file of forwarding, sound.

    Raises:
        NotStarted: there is none, or one of the folder has a fault.
    """
    known = {**os.environ, "MELTANO_PROJECT_ROOT": str(ROOT)}
    folder = ROOT / (setting(TAP, "path", environment, known) or "forwarding")
    try:
        definitions = {each.key: each for each in load(Path(os.path.relpath(folder))).definitions}
    except DefinitionError as error:
        raise NotStarted("\n".join(error.lines)) from None
    if name not in definitions:
        there = ", ".join(definitions) or "none"
        msg = f"there is no file {name}.yml in {os.path.relpath(folder)}; there are: {there}. Name one by name=…"
        raise NotStarted(msg)
    return definitions[name]


def _tell_nobody(task: str, seconds: float) -> None:
    """What a program reads is the answer alone."""


def main() -> None:
    """Command line: a file of forwarding, an environment of meltano.yml, and a day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a file of forwarding, without .yml")
    parser.add_argument("--environment", default="dev", help="an environment of meltano.yml")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    parser.add_argument("--day", type=date.fromisoformat, default=yesterday, help="of receipt, in UTC; yesterday")
    parser.add_argument("--json", action="store_true", help="for a program")
    asked = parser.parse_args()
    keep_private()
    read_dotenv()
    with one_line_errors():
        environment = asked.environment
        environment_of(environment)
        log = home_of(environment, os.environ) / "log.jsonl"
        definition = definition_of(asked.name, environment)
    with one_line_errors(log):
        with holding(f"a preview of {asked.name}", environment), copied(JOB, environment) as root:
            warehouse = root / "home" / WAREHOUSE
            forget(warehouse, definition.key, asked.day)
            set_clock(root, environment, asked.day + timedelta(days=1))
            extra = {"MELTANO_DATABASE_URI": f"sqlite:///{root}/meltano.db"}
            tell = _tell_nobody if asked.json else progress
            run = run_job(JOB, environment, log, tell=tell, extra=extra, root=root)
            found = preview(warehouse, definition, asked.day)
        tell_warnings(() if asked.json else run.warnings)
    text = json.dumps(found.as_json(), ensure_ascii=False) if asked.json else "\n".join(found.lines())
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
