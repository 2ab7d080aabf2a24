#!/usr/bin/env python3
"""A home (warehouse, rejects, report, log) belongs to one job at a time, and to one user of the machine.

`make` and the scripts hold it while they run jobs. Jobs that Meltano is asked for directly begin with the task
`home:hold`, which runs this file with whatever Python the shell knows: only its standard library is used here.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import sqlite3
import stat
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
TICKET = "KLAVIYO_LOOP_TICKET"
"""The variable by which a job knows that whoever started it holds the home."""
VARIABLES = "KLAVIYO_LOOP_VARS"
"""The variable that holds dbt's."""
WAIT_HOURS = "KLAVIYO_LOOP_WAIT_HOURS"
"""The variable that says how long a job waits for its turn: without an end, a schedule would heap them up."""
PRIVATE = 0o077
"""What others lose of every mode."""

_WAIT_HOURS = "6"
_QUEUE = ".queue"
_FILES_IN_USE = ("klaviyo.duckdb", "ledger.sqlite")
_FAILED = "update runs set state = 'FAIL', ended_at = ? where id = ?"
_LEFTOVER_SECONDS = 120.0
"""How long what a killed job has left running may go on with the warehouse."""
_SILENCE_SECONDS = 10.0
"""Meltano says every second that a run lives; one that says nothing for so long is dead."""
_POLL = 0.2
_PATH = re.compile(r"""\bpath["']?\s*:\s*(?:"([^"]+)"|'([^']+)'|([^,}"'\s][^,}\n]*))""")
"""The path of a DuckDB file among dbt's variables (`accounts`), be they YAML or JSON."""
_SQLITE = re.compile(r"sqlite:///(?P<path>.+?)(\?.*)?$")


_held: set[int] = set()


class HomeNotHeld(Exception):  # noqa: N818 - named for what a reader is told
    """A home could not be had; the text is one line for a person."""


def patience(variables: Mapping[str, str]) -> float:
    """Seconds that a job waits for its turn, as the variable `WAIT_HOURS` says.

    Raises:
        HomeNotHeld: it is no number of hours.
    """
    given = variables.get(WAIT_HOURS) or _WAIT_HOURS
    with suppress(ValueError):
        if 0 <= (hours := float(given)) < float("inf"):
            return hours * 3600
    msg = f"{WAIT_HOURS} is {given!r}: give the hours that a job may wait for its turn, such as {_WAIT_HOURS}"
    raise HomeNotHeld(msg)


def held_files() -> tuple[int, ...]:
    """The open files by which this process holds homes, for a child that is to hold on."""
    return tuple(_held)


class Home:
    """The folder that holds everything a run leaves behind."""

    def __init__(
        self, path: Path, tell: Callable[[str], object], patience: float = float(_WAIT_HOURS) * 3600
    ) -> None:
        """A home; `tell` takes each line for whoever waits, which is for `patience` seconds at most."""
        self.path = path
        self._patience = patience
        self._queue = path / _QUEUE
        self._tell = tell

    @contextmanager
    def held(self, what: str, process: int | None = None) -> Iterator[IO[str]]:
        """Hold the home: whoever came before is waited for, in order, and named.

        It is held by an open file, which the kernel locks for the processes that have it: a child that inherits it
        holds on, and with the last of them, however it ends, the home is free.

        Args:
            what: What is run.
            process: Who is said to hold it; this process by default.

        Yields:
            The open file, whose name is the value of `TICKET` for jobs that are started meanwhile.

        Raises:
            HomeNotHeld: its turn did not come in time.
        """
        ticket = self._draw(f"{what} (process {process or os.getpid()}, since {datetime.now():%H:%M:%S})")  # noqa: DTZ005 - as a clock on the wall shows it
        try:
            self._wait_for_turn(ticket)
            self._wait_for_leftovers()
            make_private(self.path)
            _held.add(ticket.fileno())
            yield ticket
        finally:
            _held.discard(ticket.fileno())
            Path(ticket.name).unlink(missing_ok=True)
            ticket.close()

    def is_held_by(self, ticket: str, process: int) -> bool:
        """Whether the home is held for a job of this ticket, or by this process."""
        for path in self._tickets():
            with suppress(FileNotFoundError), path.open() as file:
                if _is_free(file):
                    continue
                return str(path) == ticket or f"(process {process}," in file.read()
        return False

    def is_awaited_for(self, what: str) -> bool:
        """Whether somebody waits for the home already to run the same; who holds it does not wait."""
        queue = []
        for path in self._tickets():
            with suppress(FileNotFoundError), path.open() as file:
                if not _is_free(file):
                    queue.append(file.read())
        return any(ticket.startswith(f"{what} (") for ticket in queue[1:])

    def _draw(self, text: str) -> IO[str]:
        """Queue up: a file of the next number, locked before anybody else can see it."""
        self._queue.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_private(self._queue / "door", "w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            number = max((int(path.name) for path in self._tickets()), default=0) + 1
            ticket = open_private(self._queue / f"{number:06}", "w+")
            fcntl.flock(ticket, fcntl.LOCK_EX)
            ticket.write(text)
            ticket.flush()
        return ticket

    def _tickets(self) -> list[Path]:
        return sorted(path for path in self._queue.glob("*") if path.name.isdecimal())

    def _wait_for_turn(self, own: IO[str]) -> None:
        end = time.monotonic() + self._patience
        for path in self._tickets():
            if str(path) >= own.name:
                continue
            with suppress(FileNotFoundError), path.open() as before:
                if not _is_free(before):
                    holder = before.read()
                    self._tell(f"waiting for {holder}, which uses {_shown(self.path)}")
                    while not _is_free(before):
                        self._give_up_after(end, holder)
                        time.sleep(_POLL)
                path.unlink(missing_ok=True)  # who had it is gone, or did not live to remove it

    def _give_up_after(self, end: float, whom: str) -> None:
        if time.monotonic() > end:
            hours = f"{self._patience / 3600:g} hours"
            msg = (
                f"waited {hours} for {whom}, and ran nothing: the next run does it all; {WAIT_HOURS} is the limit"
            )
            raise HomeNotHeld(msg)

    def _wait_for_leftovers(self) -> None:
        """Of a killed job the programs that it had started end by themselves, what they have in hand first."""
        end = time.monotonic() + _LEFTOVER_SECONDS
        told = False
        for name in _FILES_IN_USE:
            while _is_in_use(self.path / name) and time.monotonic() < end:
                if not told:
                    self._tell(f"waiting for another process that has {_shown(self.path / name)} open")
                    told = True
                time.sleep(_POLL)

    def forget_killed_runs(self, database: str, environment: str) -> None:
        """Tell Meltano which of its runs are dead: for five minutes it would refuse to run the same again.

        One that lives although the home is held is of plugins that somebody gave Meltano without a job: its end is
        waited for.

        Args:
            database: Meltano's, as `MELTANO_DATABASE_URI` gives it; only SQLite is looked into.
            environment: The one whose runs use this home.

        Raises:
            HomeNotHeld: such a run did not end in time.
        """
        end = time.monotonic() + self._patience
        match = _SQLITE.match(database)
        if not match or not Path(match["path"]).exists():
            return
        with closing(sqlite3.connect(match["path"], timeout=30)) as connection:
            seen: dict[int, tuple[str, float]] = {}
            while running := _running(connection, environment):
                if not seen:
                    jobs = ", ".join(sorted({job for _, job, _ in running}))
                    self._tell(f"waiting for Meltano's run of {jobs}: until it ends, or is silent like a dead one")
                self._give_up_after(end, f"Meltano's run of {running[0][1]}")
                now = time.monotonic()
                for run, _, beat in running:
                    if seen.get(run, ("", 0.0))[0] != beat:
                        seen[run] = (beat, now)
                    elif now - seen[run][1] > _SILENCE_SECONDS:
                        with connection:
                            connection.execute(_FAILED, (beat, run))
                time.sleep(_POLL)


def _running(connection: sqlite3.Connection, environment: str) -> list[tuple[int, str, str]]:
    """The runs that Meltano takes as alive: id, name and last sign of life."""
    since = (datetime.now(timezone.utc) - timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S")  # noqa: UP017 - for an old Python
    with suppress(sqlite3.OperationalError):  # a database without tables, of a Meltano that has run nothing yet
        return connection.execute(
            "select id, job_name, last_heartbeat_at from runs"
            " where state = 'RUNNING' and last_heartbeat_at > ? and job_name like ? || ':%'",
            (since, environment),
        ).fetchall()
    return []


def homes_read(variables: Mapping[str, str], own: Path) -> list[Path]:
    """The other homes whose warehouses the jobs of a home read: those of dbt's variable `accounts`.

    While a job writes to a warehouse nobody can read it, nor the other way round: who reads it holds its home.

    Args:
        variables: Those of the jobs.
        own: The home itself.

    Returns:
        Homes in which a job has run before, in one order for all, so that no two wait for each other.
    """
    files = (Path(next(filter(None, found)).strip()) for found in _PATH.findall(variables.get(VARIABLES, "")))
    folders = {(ROOT / "transform" / file).resolve().parent for file in files}  # dbt works in its project's folder
    return sorted(folder for folder in folders - {own.resolve()} if (folder / _QUEUE).is_dir())


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file; where it is made, it is its user's alone."""
    return open(path, mode, encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def _is_free(file: IO[str]) -> bool:
    """Whether nobody holds a file's lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_in_use(path: Path) -> bool:
    """Whether another process has a database open, by the locks that DuckDB and SQLite take."""
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def make_private(folder: Path) -> None:
    """Take from everybody else what they may do with a folder and all in it, symlinks left alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in [folder, *folder.rglob("*")]:
        _close(path)


def _close(path: Path) -> None:
    """Take from others what they may do with a file; one that is gone, or somebody else's, is left alone."""
    with suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if mode & PRIVATE and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~PRIVATE)


def empty(folder: Path) -> None:
    """Remove everything from a home that is held, except who waits for it."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != _QUEUE:
                shutil.rmtree(path)
        else:
            path.unlink()


def keep_private() -> None:
    """Let whatever this process and its children make be its user's alone."""
    os.umask(os.umask(PRIVATE) | PRIVATE)


def warn_of_open_secrets(tell: Callable[[str], object], root: Path = ROOT) -> None:
    """Say when others of the machine can read the file that holds the keys."""
    file = root / ".env"
    with suppress(OSError):
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & PRIVATE:
            name = _shown(file)
            tell(f"{name} holds your keys and others here may read it (mode {mode:o}): chmod 600 {name}")


def prepare(tell: Callable[[str], object], root: Path = ROOT) -> None:
    """Close to others what Meltano writes whatever its umask is, and look at the keys."""
    warn_of_open_secrets(tell, root)
    system = root / ".meltano"
    # The settings of each plugin lie in `run` while it runs, the keys with them, and stay there after a kill.
    for folder in (system / "run", _meltano_logs()):
        make_private(folder)
    for path in [system, *(path for path in system.glob("*") if path.is_file())]:
        _close(path)


def _meltano_logs() -> Path:
    """Where Meltano keeps a log of each run."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Logs" / "meltano"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "meltano" / "log"


def hold_for(process: int, homes: Sequence[Home], running: Home, database: str, environment: str) -> None:
    """Take the homes of a Meltano and return; they are held until the process has ended, by a process of its own.

    Args:
        process: Of Meltano.
        homes: Of the environment, and those that it reads.
        running: Where Meltano keeps what plugins need while they run. It names a state and a catalog by the plugin
            alone: two environments at a time would read each other's, and leave out what is new.
        database: Meltano's, as `Home.forget_killed_runs` takes it.
        environment: Whose home it is.
    """
    if homes[0].is_held_by(os.environ.get(TICKET, ""), process):
        return
    with ExitStack() as stack:
        for each in (*homes, running):  # in this order everywhere: nobody who has `running` waits for a home
            stack.enter_context(each.held("meltano run", process))
        homes[0].forget_killed_runs(database, environment)
        if os.fork() == 0:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nowhere, number)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            _wait_for_end(process)
            return
        os._exit(0)  # what is held, the child releases


def _wait_for_end(process: int) -> None:
    with suppress(AttributeError, OSError):  # only Linux can wait for a process that is not a child
        select.select([os.pidfd_open(process)], [], [])
        return
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            time.sleep(_POLL)


def main() -> None:
    """Hold the home of this environment for the Meltano that has started this process."""
    keep_private()
    tell = lambda line: print(line, flush=True)  # noqa: E731 - too short for a name
    prepare(tell)
    environment = os.environ.get("MELTANO_ENVIRONMENT", "")
    system = Path(os.environ.get("MELTANO_SYS_DIR_ROOT") or ROOT / ".meltano")
    database = os.environ.get("MELTANO_DATABASE_URI") or f"sqlite:///{system}/meltano.db"
    try:
        limit = patience(os.environ)
        own = Path(os.environ["KLAVIYO_LOOP_HOME"])
        homes = [Home(path, tell, limit) for path in (own, *homes_read(os.environ, own))]
        hold_for(os.getppid(), homes, Home(system / "run", tell, limit), database, environment)
    except HomeNotHeld as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
