"""What a run did, in a few lines for a person, as JSON for a program, and told to whoever is to know."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import processing
from home import open_private
from notify import is_wanted, masked, notify
from project import TARGET, JobFailed, NotStarted, origin

from singer_program.private import beside

FILE = "last-run.json"
"""The summary of a home's last run, or of the one that is running."""
REPORT = "report.json"
"""What `lift-report` leaves of its page."""
FORMAT = 1
"""Of the summary: raised when a key of it is renamed, removed, or means something else."""

_READ = re.compile(r"(?P<stream>\w+): (?P<count>[\d,]+) records in [\d.]+ s")
_COUNTED = re.compile(r'METRIC: (?P<metric>\{.*"metric": ?"record_count".*\})')
_WRITTEN = re.compile(r"(?P<stream>\w+): (?P<counts>[\d,]+ received, .*);")
_COUNT = re.compile(r"(?P<count>[\d,]+) (?P<name>[a-z ]+)")
_PUT_ASIDE = re.compile(r"put aside, and are missing in the warehouse: (?P<counts>[^;]*)")
_OF = re.compile(r"(?P<count>[\d,]+) of (?P<stream>\w+)")
_NOT_LOADED = re.compile(r"(?P<count>\d+) rows of the stream `(?P<stream>\w+)` were refused")
_NODE = re.compile(r"\w+ \w+ \([^)]*\)")
_QUOTES_ROWS = ("dbt", "tap-postgres", "target-postgres")
"""The plugins whose errors may quote what is in a row: somebody, perhaps. They are not passed on."""


class Said(Protocol):
    """What is known of a run while it runs and afterwards."""

    said: dict[str, list[str]]
    finished: list[tuple[str, float]]

    @property
    def tasks(self) -> Sequence[str]:
        """The tasks of its job."""

    @property
    def task(self) -> str:
        """The task that is running, or failed."""

    @property
    def warnings(self) -> list[str]:
        """What dbt warned of."""


@dataclass(frozen=True)
class SlotVerdict:
    """The verdict on a slot.

    Attributes:
        slot: `experiment v1 slot`.
        title: In a few words; another verdict has other words.
        before: What the run before had; empty where there was nothing.
        next_split: The proposed shares, in words; empty where none are.
    """

    slot: str
    title: str
    before: str
    next_split: str

    @property
    def changed(self) -> bool:
        """Whether it is another one than before."""
        return self.title != self.before


@dataclass
class Summary:
    """What a run did. The keys of the JSON file are these, and `format`.

    Attributes:
        outcome: `running`, `done`, `failed` or `interrupted`.
        task: That failed or was interrupted; empty otherwise.
        reason: Why, in one line.
        began: ISO 8601, UTC, as is `ended`, which is empty while it runs.
        seconds: All of it.
        tasks: Each finished task, and its seconds.
        read: Rows by stream.
        read_by: Rows by the plugin that read them and stream.
        written: By stream and what became of the records: `received`, `accepted`, `unchanged`, …
        refused: Records by the plugin that refused them and stream.
        put_aside: Rows that could not be read, by stream.
        warnings: Of dbt.
        verdicts: Of all slots; those of the run before where this one measured nothing.
        told: By slot the verdict that somebody was notified of.
    """

    job: str
    environment: str
    began: str
    outcome: str = "running"
    task: str = ""
    reason: str = ""
    ended: str = ""
    seconds: float = 0.0
    tasks: dict[str, float] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    read_by: dict[str, dict[str, int]] = field(default_factory=dict)
    written: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: dict[str, dict[str, int]] = field(default_factory=dict)
    put_aside: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    verdicts: list[SlotVerdict] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def take(self, run: Said) -> None:
        """Count what the plugins said."""
        self.tasks = {task: round(seconds, 1) for task, seconds in run.finished}
        self.warnings = run.warnings
        readers = {
            words[0] for task in run.tasks if len(words := task.split()) > 1 and origin(words[-1]) != TARGET
        }
        for plugin, lines in run.said.items():
            for line in lines:
                if plugin in readers:
                    self._hear_reader(plugin, line)
                elif origin(plugin) == TARGET and (match := _WRITTEN.match(line)):
                    counts = {
                        each["name"].strip(): _number(each["count"]) for each in _COUNT.finditer(match["counts"])
                    }
                    self.written[match["stream"]] = counts
                    if rejected := counts.get("rejected", 0) + counts.get("refused before", 0):
                        self.refused.setdefault(plugin, {})[match["stream"]] = rejected
                elif match := _NOT_LOADED.search(line):
                    _add(self.refused.setdefault(plugin, {}), match["stream"], _number(match["count"]))

    def _hear_reader(self, plugin: str, line: str) -> None:
        if match := _READ.match(line):
            self._add_read(plugin, match["stream"], _number(match["count"]))
        elif match := _COUNTED.match(line):
            with suppress(ValueError, KeyError, TypeError):
                metric = json.loads(match["metric"])
                self._add_read(plugin, str(metric["tags"]["stream"]), int(metric["value"]))
        elif match := _PUT_ASIDE.search(line):
            for each in _OF.finditer(match["counts"]):
                _add(self.put_aside, each["stream"], _number(each["count"]))

    def _add_read(self, plugin: str, stream: str, count: int) -> None:
        _add(self.read, stream, count)
        _add(self.read_by.setdefault(plugin, {}), stream, count)

    def lines(self) -> Iterator[str]:
        """The summary for a person; nothing is masked in it."""
        yield f"{self._headline()}: {self.task}: {self.reason}" if self.reason else self._headline()
        yield from self._counts()
        for verdict in self.verdicts:
            if verdict.changed:
                yield _told(verdict)

    def message(self, news: Sequence[SlotVerdict]) -> str:
        """What is passed on to others: no words of a program that may quote a row."""
        headline = self._headline()
        if self.reason:
            words = self.reason
            quotes = any(word.partition(":")[0] in _QUOTES_ROWS for word in self.task.split())
            if quotes and self.outcome == "failed":
                match = _NODE.match(words)
                words = f"{match[0]} failed" if match else "see the log"
            headline = f"{headline}: {f'{self.task}: ' if self.task else ''}{words}"
        return "\n".join([headline, *self._counts(), *map(_told, news)])

    def _headline(self) -> str:
        what = {"done": "is done", "running": "runs"}.get(self.outcome, self.outcome)
        return f"{self.environment}: {self.job} {what} after {self.seconds:.0f} s"

    def _counts(self) -> Iterator[str]:
        """What was counted; streams without a row are left to the file."""
        written = {
            stream: f"{_accepted(counts):,} of {counts['received']:,}"
            for stream, counts in self.written.items()
            if counts["received"]
        }
        refused = {
            f"{stream} ({plugin})": f"{count:,}"
            for plugin, streams in self.refused.items()
            for stream, count in streams.items()
        }
        for topic, counted in (
            ("read", {stream: f"{count:,}" for stream, count in self.read.items() if count}),
            ("written", written),
            ("refused", refused),
            ("put aside", {stream: f"{count:,}" for stream, count in self.put_aside.items()}),
        ):
            if counted:
                yield f"{topic}: " + " · ".join(f"{name} {count}" for name, count in counted.items())


class Watch:
    """Keeps the summary of one run of a job in its home, prints it, and notifies whoever is to know."""

    def __init__(
        self,
        job: str,
        environment: str,
        variables: Mapping[str, str],
        tell: Callable[[str], object],
        complain: Callable[[str], object],
    ) -> None:
        """A run that is about to start.

        Args:
            job: Of meltano.yml.
            environment: Of meltano.yml.
            variables: That say who is notified.
            tell: Takes each line of the summary.
            complain: Takes a line for each way to notify that failed.
        """
        self._variables = variables
        self._tell, self._complain = tell, complain
        self._clock = time.monotonic()
        self._summary = Summary(job, environment, _now())
        self._is_over = False

    @property
    def summary(self) -> Summary:
        """What is known so far."""
        return self._summary

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around all of it: what ends before the run has begun is notified of as well."""
        try:
            yield
        except BaseException as ended:
            if not self._is_over:
                self._end(ended)
                self._notify()
            raise

    @contextmanager
    def run(self, run: Said, home: Path) -> Iterator[None]:
        """Around the run itself, in a home that is held."""
        summary = self._summary
        last = read_last(home)
        self._tell_of_a_killed_one(last)
        if fault := processing.fault(home, self._variables):
            raise NotStarted(fault)
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # written by something else
            summary.verdicts = [
                SlotVerdict(each["slot"], each["title"], each["title"], each["next_split"])
                for each in last["verdicts"]
            ]
            summary.told = dict(last["told"])
        before = {each.slot: each.title for each in summary.verdicts}
        write_last(home, summary, self._variables)
        ended: BaseException | None = None
        try:
            yield
        except BaseException as error:
            ended = error
            raise
        finally:
            self._end(ended, run)
            unkept = processing.keep(summary, home, self._variables)
            if unkept and ended is None:
                summary.outcome, summary.reason = "failed", unkept
            elif unkept:
                self._complain(unkept)
            if any(task.startswith("lift-report:") for task, _ in run.finished):
                with suppress(OSError, ValueError, KeyError, TypeError):  # of an older lift-report
                    summary.verdicts = verdicts(home / REPORT, before)
            for line in summary.lines():
                self._tell(masked(line, self._variables))
            self._notify()
            write_last(home, summary, self._variables)
        if unkept:
            raise JobFailed(unkept)

    def _end(self, error: BaseException | None, run: Said | None = None) -> None:
        self._is_over = True
        summary = self._summary
        summary.ended, summary.seconds = _now(), round(time.monotonic() - self._clock, 1)
        summary.outcome = "done"
        if run:
            summary.take(run)
        if error is not None:
            summary.outcome = "failed" if isinstance(error, Exception) else "interrupted"
            summary.task = run.task if run else ""
            summary.reason = _why(error).removeprefix(f"{summary.task}: ")

    def _notify(self) -> None:
        """Tell of a failure, and of each verdict that nobody was told of."""
        summary = self._summary
        current = {each.slot: each.title for each in summary.verdicts}
        news = [each for each in summary.verdicts if summary.told.get(each.slot) != each.title]
        if summary.outcome == "done" and not news:
            return
        if not is_wanted(self._variables) or notify(summary.message(news), self._variables, self._complain):
            summary.told = current

    def _tell_of_a_killed_one(self, last: Mapping[str, Any]) -> None:
        if last.get("outcome") == "running":
            what = f"{last.get('environment')}: {last.get('job')}, begun at {last.get('began')}"
            line = f"{what}, was killed; this run goes on where it stopped"
            self._tell(line)
            notify(line, self._variables, self._complain)


def verdicts(report: Path, before: Mapping[str, str]) -> list[SlotVerdict]:
    """The verdicts of a report.

    Args:
        report: The file of `lift-report --json`.
        before: The title of each slot's verdict until now.

    Raises:
        OSError: there is no such file.
        ValueError, KeyError, TypeError: it is none of `lift-report`.
    """
    return [
        SlotVerdict(name, slot["title"], before.get(name, ""), slot["next"])
        for experiment in json.loads(report.read_text(encoding="utf-8"))["experiments"]
        for slot in experiment["slots"]
        for name in [f"{experiment['key']} v{experiment['version']} {slot['slot']}"]
    ]


def read_last(home: Path) -> dict[str, Any]:
    """The summary of a home's last run; empty where there is none that can be read."""
    with suppress(OSError, ValueError):
        last = json.loads((home / FILE).read_text(encoding="utf-8"))
        if isinstance(last, dict) and last.get("format") == FORMAT:
            return last
    return {}


def write_last(home: Path, summary: Summary, variables: Mapping[str, str]) -> None:
    """Put the summary in place at once, masked, for its user alone; a full disk does not fail the run."""
    content = {"format": FORMAT, **asdict(summary)}
    content["reason"] = masked(summary.reason, variables)
    content["warnings"] = [masked(each, variables) for each in summary.warnings]
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = beside(home / FILE)
        try:
            with open_private(unfinished, "w") as file:
                json.dump(content, file, indent=1)
                file.write("\n")
            unfinished.replace(home / FILE)
        finally:
            unfinished.unlink(missing_ok=True)


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "the next run goes on where this one stopped"
    return str(error) if isinstance(error, JobFailed) else f"{type(error).__name__}, a fault of this program"


def _told(verdict: SlotVerdict) -> str:
    before = f" (before: {verdict.before})" if verdict.before and verdict.changed else ""
    split = f"; next split {verdict.next_split}" if verdict.next_split else ""
    return f"verdict: {verdict.slot}: {verdict.title}{before}{split}"


def _accepted(counts: Mapping[str, int]) -> int:
    return sum(counts.get(name, 0) for name in ("accepted", "would be sent", "unchanged", "combined"))


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
