"""Runs a Meltano job and says what happened in a few lines; everything else goes to a log file."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dbt_log
import preflight
from home import (
    PRIVATE,
    TICKET,
    Home,
    HomeNotHeld,
    held_files,
    homes_read,
    keep_private,
    make_private,
    open_private,
    patience,
    prepare,
)
from log_files import log_of_a_run, rotate_rejects
from project import (
    ANSWERS,
    ASKS,
    BIN,
    INBOX,
    ROOT,
    SYSTEM,
    TARGET,
    JobFailed,
    NotStarted,
    home_of,
    meltano_database,
    origin,
    processing_log,
    read_dotenv,
    tasks_of,
    variables_in,
)
from run_summary import Summary, Watch

REMEDIES = {
    "No space left on device": "the disk is full: free some space, or move KLAVIYO_LOOP_HOME in meltano.yml",
    "File too large": "the disk is full, or a quota is: free some space, or move KLAVIYO_LOOP_HOME in meltano.yml",
    "Conflicting lock is held": "another process has the warehouse open: close it and run the job again",
}

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""The signals by which a process is told to end: by `kill` and a machine that shuts down, by a closed terminal."""

LOG_CONFIG = ROOT / "scripts" / "logging.yaml"
UNANSWERED = "unanswered"
"""The file in a home that is there while something may have been read and not been answered."""
HOLD = "home:hold"
"""The task with which every job begins, and which does nothing where the home is held already."""

_ERROR = re.compile(r"\b(error|ERROR|CRITICAL)\b|\w(Error|Exception):|\b(Error|Failure) in \w+ \w+ \(")
_TALLY = re.compile(r"\b(Completed with|Done\. PASS=)")  # dbt's last words: how many failed, and not which
_LOG_PREFIX = re.compile(r"^([\d :,.TZ-]+\|[^|]*\|[^|]*\|| *\d\d:\d\d:\d\d) *")
_SUMMARY = re.compile(r"[a-z_]+: |would send |refused records")
_PUT_ASIDE = re.compile(r"rows that cannot be read were put aside")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminated(KeyboardInterrupt):
    """Somebody, or the machine that shuts down, asked this process to end."""


Tell = Callable[[str, float], None]


@dataclass
class Run:
    """What Meltano's log has said so far of a job's tasks."""

    tasks: Sequence[str]
    tell: Tell
    done: int = 0
    said: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    failure: str = ""
    culprits: list[str] = field(default_factory=list)
    finished: list[tuple[str, float]] = field(default_factory=list)
    """Each finished task, and its seconds."""

    @property
    def task(self) -> str:
        """The task that is running."""
        return self.tasks[min(self.done, len(self.tasks) - 1)]

    def hear(self, entry: Mapping[str, Any]) -> None:
        """Take one entry of the log: remember what each plugin said, tell of each finished task."""
        event = _COLOUR.sub("", str(entry.get("event", "")))
        plugin = str(entry.get("string_id") or (entry.get("name") if "cmd_type" in entry else "") or "")
        if plugin:
            self.said.setdefault(plugin, []).append(event)
            told = entry.get("level") in ("error", "critical") or _ERROR.search(event)
            if told and not _TALLY.search(event):
                self.errors.setdefault(plugin, []).append(event)
        if event == "Block run completed":
            if entry.get("success"):
                if self.task != HOLD:
                    self.finished.append((self.task, float(entry.get("duration_seconds", 0))))
                    self.tell(*self.finished[-1])
                self.done += 1
            else:
                self.failure = str(entry.get("err", "")).strip()
                self.culprits = self._culprits(entry.get("exit_codes") or {})

    @property
    def warnings(self) -> list[str]:
        """What dbt warned of, each once."""
        return dbt_log.warnings(self.said.get("dbt", ()))

    def _plugins(self) -> list[str]:
        return [word.partition(":")[0] for word in self.task.split()]

    def _culprits(self, exit_codes: Mapping[str, int]) -> list[str]:
        """The plugins of the task that failed, the extractor first: a loader often fails for its sake."""
        plugins = self._plugins()
        ends = {"extractors": plugins[0], "loaders": plugins[-1]}
        return [plugin for kind, plugin in ends.items() if exit_codes.get(kind)]

    def reason(self) -> str:
        """The failing plugin's own words, in one line."""
        # Without culprits, Meltano itself broke down, as it does when a loader dies before it has read anything.
        culprits = self.culprits or self._plugins()
        lines = [line for plugin in culprits for line in reversed(self.said.get(plugin, ())) if line.strip()]
        errors = [line for plugin in culprits for line in reversed(self.errors.get(plugin, ()))]
        for text, remedy in REMEDIES.items():
            if any(text in line for line in lines):
                return remedy
        if failed := dbt_log.failures(self.said.get("dbt", ())) if "dbt" in culprits else []:
            more = f" (and {len(failed) - 1} more, see the log)" if len(failed) > 1 else ""
            return f"{failed[0]}{more}"
        # A tap that fails while Meltano asks it for its catalog is quoted, not logged.
        quoted = [line.strip() for line in self.failure.splitlines() if line.strip()]
        chosen = (errors or lines)[:1] if len(quoted) <= 1 else quoted[-1:]
        return _LOG_PREFIX.sub("", (chosen or quoted or ["no reason given"])[0].strip())


def rehearsal(home: Path, url: str, api_key: str) -> dict[str, str]:
    """The variables with which the environment `demo` plays the demo's experiment against a sandbox, in `home`."""
    programs = ("TAP_KLAVIYO_ENGAGEMENT", "TARGET_KLAVIYO_PROFILES")
    return {
        "KLAVIYO_LOOP_DEMO_HOME": str(home),
        "TAP_EXPERIMENTS_PATH": str(ROOT / "demo" / "experiments"),
        "MELTANO_DATABASE_URI": f"sqlite:///{home}/meltano.db",
        **{f"{program}_API_URL": url for program in programs},
        **{f"{program}_API_KEY": api_key for program in programs},
        **{f"{program}_STORE": str(home / INBOX) for program in ("KLAVIYO_INBOX", "TAP_KLAVIYO_INBOX")},
        "TARGET_KLAVIYO_PROFILES_DRY_RUN": "false",  # whatever `.env` says
    }


@contextmanager
def holding(what: str, environment: str, extra: Mapping[str, str] | None = None) -> Iterator[None]:
    """Hold the home of an environment: jobs started inside use it, all others wait. Inside itself it does nothing.

    Args:
        what: Is done, for those who wait.
        environment: Of meltano.yml.
        extra: Environment variables on top of this process's own.

    Raises:
        NotStarted: there is no such environment, or its turn did not come in time.
    """
    variables = {**os.environ, **(extra or {})}
    try:
        home = Home(home_of(environment, variables), _tell_who_waits, patience(variables))
    except HomeNotHeld as error:
        raise NotStarted(str(error)) from error
    if home.is_held_by(os.environ.get(TICKET, ""), os.getpid()):
        yield
        return
    prepare(_tell_who_waits)
    with ExitStack() as stack:
        try:
            ticket = stack.enter_context(home.held(what))
            for other in homes_read(variables_in(environment, variables), home.path):
                stack.enter_context(Home(other, _tell_who_waits, patience(variables)).held(what))
            home.forget_killed_runs(meltano_database(variables), environment)
        except HomeNotHeld as error:
            raise NotStarted(str(error)) from error
        os.environ[TICKET] = ticket.name
        try:
            yield
        finally:
            del os.environ[TICKET]


def _tell_who_waits(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_job(  # noqa: PLR0913
    job: str,
    environment: str,
    log: Path,
    *,
    tell: Tell,
    extra: Mapping[str, str] | None = None,
    root: Path = ROOT,
    watch: Watch | None = None,
) -> Run:
    """Run one Meltano job, when all that were started before it in the same home have ended.

    Args:
        job: Name in meltano.yml.
        environment: Meltano environment.
        log: Meltano's whole output is appended here.
        tell: Gets each finished task and its seconds.
        extra: Environment variables on top of this process's own.
        root: The Meltano project; another one than this is a copy of it for a dry run.
        watch: Keeps a summary of the run, if one is to be kept.

    Raises:
        JobFailed: a task failed, or there is no such job or environment, or they cannot run as they are set up.
    """
    variables = {**os.environ, **(extra or {})}
    preflight.check(job, environment, variables, dry=root != ROOT)
    # The plugins are those that `make setup` installed; Meltano would look again before each job.
    command = [
        str(BIN / "meltano"),
        f"--log-config={LOG_CONFIG}",
        f"--environment={environment}",
        "run",
        "--no-install",
        job,
    ]
    run = Run(tasks_of(job, root), tell)
    with holding(job, environment, extra):
        place = home_of(environment, variables) if root == ROOT else root
        own = _system_of_its_own(place / SYSTEM.name, variables)
        if root == ROOT:
            rotate_rejects(place)
        surroundings = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "TAP_SUBJECT_REQUESTS_LOG_PATH": str(processing_log(place, variables)),
            **(extra or {}),
            **own,
        }
        with (
            watch.run(run, log.parent) if watch else nullcontext(),
            log_of_a_run(log) as write,
            ExitStack() as stack,
        ):
            process = None
            try:
                with _undisturbed():  # a Meltano that this process does not know of would go on by itself
                    process = stack.enter_context(_started(command, root, surroundings))
                _listen(process.stdout, write, run)
            except Terminated:
                if process:
                    process.terminate()
                    _listen(process.stdout, write, run)  # its last words
                raise
            if process.wait():
                msg = f"{run.task}: {_reason(process.returncode, run)}"
                raise JobFailed(msg, run.warnings)
    return run


def _started(command: Sequence[str], root: Path, surroundings: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        cwd=root,
        env={**os.environ, **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=PRIVATE,
        pass_fds=held_files(),  # were this process killed, Meltano would go on, and hold the home
    )


def _listen(output: Iterable[str] | None, write: Callable[[str], object], run: Run) -> None:
    """Write Meltano's output to the log, and take from it what is heard of the run."""
    for line in output or ():
        write(line)
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            run.hear(entry)


def _reason(status: int, run: Run) -> str:
    return f"Meltano was killed by signal {-status}: run it again" if status < 0 else run.reason()


def _system_of_its_own(system: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Variables that give a Meltano the plugins and the database of all, and what plugins need at work alone.

    It names the state and the catalog of a run by the plugin: two environments at a time would read each other's.
    """
    make_private(system)
    for kind in {venv.parent.parent for venv in SYSTEM.glob("*/*/venv")}:
        link = system / kind.name
        link.unlink(missing_ok=True)
        link.symlink_to(kind)
    return {"MELTANO_SYS_DIR_ROOT": str(system), "MELTANO_DATABASE_URI": meltano_database(variables)}


@contextmanager
def one_line_errors(log: Path | None = None) -> Iterator[None]:
    """A failure ends the process with one line and the place of the log, if there is one; warnings come first."""
    try:
        yield
    except JobFailed as failure:
        tell_warnings(failure.warnings)
        more = f"\nthe whole log: {os.path.relpath(log)}" if log and not isinstance(failure, NotStarted) else ""
        sys.exit(f"failed: {failure}{more}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the next run goes on where this one stopped")


def progress(task: str, seconds: float) -> None:
    """A line for each finished task."""
    print(f"{task:<48} {seconds:6.1f} s", flush=True)


def tell_warnings(warnings: Sequence[str]) -> None:
    """A line for each warning."""
    for line in warnings:
        print(f"warning: {line}", flush=True)


def tell_written(run: Run) -> None:
    """What was written, and what was put aside or refused."""
    for plugin, lines in run.said.items():
        for line in lines if origin(plugin) == TARGET else ():
            if _SUMMARY.match(line):
                print(line)
    for plugin, lines in run.said.items():
        for line in lines:
            if _PUT_ASIDE.search(line):
                print(f"{plugin}: {_LOG_PREFIX.sub('', line)}")


def command_line(description: str | None) -> tuple[str, str, Path]:
    """The arguments of a command that runs a job: the job, the environment, and the log of its home."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("job", help="a job of meltano.yml")
    parser.add_argument("--environment", default="dev", help="an environment of meltano.yml")
    arguments = parser.parse_args()
    keep_private()
    read_dotenv()
    with one_line_errors():
        return arguments.job, arguments.environment, home_of(arguments.environment, os.environ) / "log.jsonl"


def main() -> None:
    """Command line: a job of meltano.yml in an environment of meltano.yml."""
    job, environment, log = command_line(__doc__)
    end_when_told_to()
    with one_line_errors(log):
        if job in ANSWERS:
            run_and_answer(job, environment, log)
        else:
            run_and_tell(job, environment, log)


def run_and_tell(job: str, environment: str, log: Path) -> Summary:
    """Run a job and print what came of it; returns its summary.

    Raises:
        JobFailed: see `run_job`; the summary is printed before.
    """
    lines: list[str] = []
    try:
        with watched(job, environment, tell=lines.append) as watch:
            run = run_job(job, environment, log, tell=progress, watch=watch)
        tell_warnings(run.warnings)
        tell_written(run)
        for line in run.said.get("lift-report", ()):
            print(line)
    finally:
        for line in lines:
            print(line, flush=True)
    return watch.summary


def run_and_answer(job: str, environment: str, log: Path) -> None:
    """Run a job that reads what was pushed, then the one that answers, if that is wanted.

    Of a minute's runs that pile up behind a long job one is enough. What was read is answered, whatever is killed
    between: a file in the home says so from before it is read until it is answered.

    Raises:
        JobFailed: see `run_job`.
    """
    home = home_of(environment, os.environ)
    if Home(home, _tell_who_waits).is_awaited_for(job):
        print(f"another run of {job} waits for its turn, and reads what this one would")
        return
    preflight.check(ANSWERS[job], environment, os.environ)
    with holding(job, environment):
        unanswered = home / UNANSWERED
        is_owed = unanswered.exists()
        open_private(unanswered, "w").close()
        read = run_and_tell(job, environment, log).read
        if is_owed or any(read.get(stream) for stream in ASKS):
            run_and_tell(ANSWERS[job], environment, log)
        unanswered.unlink()


@contextmanager
def watched(job: str, environment: str, tell: Callable[[str], object]) -> Iterator[Watch]:
    """A summary of the run inside is kept and told; of a failure and of news whoever is to know is notified."""
    watch = Watch(job, environment, dict(os.environ), tell, _tell_who_waits)
    with watch.attempt():
        yield watch


def end_when_told_to() -> None:
    """End by an exception when this process is told to by a signal, so that Meltano ends and it is told of."""

    def end(number: int, _: object) -> None:
        raise Terminated(number)

    for number in ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, end)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A signal that ends this process is obeyed when the block is left, not inside it."""
    come: list[int] = []
    handlers = {number: handler for number in ENDS if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda number, _: come.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for one in come:
            signal.raise_signal(one)


if __name__ == "__main__":
    main()
