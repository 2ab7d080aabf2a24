"""A home is held by one job at a time, in order, and freed by death; nobody else can read what is in it."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

import demo  # noqa: E402
import home as home_module  # noqa: E402
from home import (  # noqa: E402
    TICKET,
    VARIABLES,
    WAIT_HOURS,
    Home,
    HomeNotHeld,
    homes_read,
    patience,
    warn_of_open_secrets,
)
from pipeline import HOLD, holding, run_job  # noqa: E402
from project import JobFailed, NotStarted, home_of  # noqa: E402
from scripted_meltano import meltano  # noqa: E402

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from home import Home
with Home(Path(sys.argv[2]), lambda line: print("waits", line, flush=True)).held(sys.argv[3]):
    print("holds", flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that holds a home, or waits for it, until it is told to let go."""

    def __init__(self, path: Path, what: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", HOLDER, str(ROOT / "scripts"), str(path), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def let_go(self) -> None:
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Holder]]:
    started: list[Holder] = []

    def start(what: str) -> Holder:
        started.append(Holder(tmp_path / "home", what))
        return started[-1]

    yield start
    for holder in started:
        holder.kill()


def test_three_started_together_hold_it_in_order_and_name_whom_they_wait_for(
    start: Callable[[str], Holder],
) -> None:
    first = start("events")
    assert first.says() == "holds"
    second = start("publish")
    assert f"waiting for events (process {first.process.pid}, since " in second.says()
    third = start("measure")
    assert "waiting for events (process" in third.says()
    first.let_go()
    assert second.says() == "holds"
    assert "waiting for publish (process" in third.says()
    second.let_go()
    assert third.says() == "holds"


def test_who_waits_too_long_gives_up_and_says_for_whom(start: Callable[[str], Holder], tmp_path: Path) -> None:
    first = start("pipeline")
    assert first.says() == "holds"
    home = Home(tmp_path / "home", lambda _: None, patience=0.3)
    with pytest.raises(
        HomeNotHeld, match=r"for pipeline \(process \d+, since .*KLAVIYO_LOOP_WAIT_HOURS is the limit"
    ):
        home.held("changes").__enter__()
    first.let_go()
    assert [path.name for path in (tmp_path / "home" / ".queue").iterdir()] == ["door"], "nobody waits for it"


def test_a_job_that_waited_too_long_is_one_that_was_not_started(
    start: Callable[[str], Holder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TICKET, raising=False)
    variables = {"KLAVIYO_LOOP_DEMO_HOME": str(tmp_path / "home"), WAIT_HOURS: "0.0001"}
    assert start("pipeline").says() == "holds"
    with (
        pytest.raises(NotStarted, match=r"waited 0\.0001 hours for pipeline"),
        holding("changes", "demo", variables),
    ):
        pytest.fail("it does not hold it")
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(ROOT / "scripts" / "home.py")],
        env={
            **os.environ,
            **variables,
            "KLAVIYO_LOOP_HOME": str(tmp_path / "home"),
            "MELTANO_SYS_DIR_ROOT": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("waited 0.0001 hours for pipeline (process")


@pytest.mark.parametrize("given", ["soon", "-1", "inf", "nan"])
def test_hours_that_are_none_are_told(given: str) -> None:
    assert patience({}) == 6 * 3600
    with pytest.raises(HomeNotHeld, match=WAIT_HOURS):
        patience({WAIT_HOURS: given})


def test_death_frees_it_also_that_of_one_who_waits(start: Callable[[str], Holder], tmp_path: Path) -> None:
    first, second = start("a"), None
    assert first.says() == "holds"
    second = start("b")
    second.says()
    third = start("c")
    third.says()
    second.kill()
    first.kill()
    assert "waiting for" not in (said := third.says()) or "b" not in said
    third.let_go()
    assert [path.name for path in (tmp_path / "home" / ".queue").iterdir()] == ["door"]


def test_a_child_that_has_the_file_holds_on(tmp_path: Path) -> None:
    home = Home(tmp_path, print)
    with home.held("a"):
        child = subprocess.Popen(["sleep", "60"], pass_fds=home_module.held_files())  # noqa: S607
        ticket = next(path for path in (tmp_path / ".queue").glob("0*"))
        kept = ticket.with_name("kept")
        ticket.rename(kept)  # as after a kill, which removes nothing
    kept.rename(ticket)
    try:
        assert home.is_held_by(str(ticket), 0)
    finally:
        child.kill()
        child.wait()
    assert not home.is_held_by(str(ticket), 0)


def test_a_file_that_is_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / ".queue").mkdir()
    (tmp_path / ".queue" / "000007").write_text("a job of yesterday (process 1, since 12:00:00)")
    told: list[str] = []
    with Home(tmp_path, told.append).held("a"):
        assert told == []


def test_inside_itself_it_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TICKET, raising=False)
    variables = {"KLAVIYO_LOOP_DEMO_HOME": str(tmp_path), "MELTANO_DATABASE_URI": "sqlite:///none"}
    with holding("outer", "demo", variables), holding("inner", "demo", variables):
        assert Home(tmp_path, print).is_held_by(os.environ[TICKET], 0)
        assert Home(tmp_path, print).is_held_by("", os.getpid())
    assert TICKET not in os.environ


def test_two_environments_that_share_a_folder_of_meltano_take_turns(tmp_path: Path) -> None:
    """There a state and a catalog are named by the plugin: the one would read what the other has written."""

    def start(environment: str) -> subprocess.Popen[str]:
        """What stands for Meltano: it asks for the home, says that it has it, and ends when it is told to."""
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", '"$0" "$1"; echo holds; cat', sys.executable, str(ROOT / "scripts" / "home.py")],
            env={
                **{name: value for name, value in os.environ.items() if name != TICKET},
                "MELTANO_SYS_DIR_ROOT": str(tmp_path / "system"),
                "MELTANO_ENVIRONMENT": environment,
                "KLAVIYO_LOOP_HOME": str(tmp_path / environment),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start("dev") as dev:
        assert dev.stdin
        assert dev.stdout
        assert dev.stdout.readline() == "holds\n"
        with start("prod") as prod:
            assert prod.stdin
            assert prod.stdout
            assert prod.stdout.readline().startswith(f"waiting for meltano run (process {dev.pid}, since ")
            dev.stdin.close()
            assert prod.stdout.readline() == "holds\n"
            prod.stdin.close()


@pytest.mark.parametrize("status", [0, 1])
def test_what_prepares_the_demo_holds_its_home(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it writes beside a demo that plays, or empties its home."""
    held: list[bool] = []

    def parse(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        held.append(Home(tmp_path, print).is_held_by("", os.getpid()))
        assert options["pass_fds"], "were the script killed, dbt would go on, and hold it"
        return subprocess.CompletedProcess(command, status, "no", "")

    monkeypatch.delenv(TICKET, raising=False)
    monkeypatch.setattr(demo, "HOME", tmp_path)
    monkeypatch.setattr("demo.subprocess.run", parse)
    if status:
        with pytest.raises(JobFailed, match="dbt could not parse the project: no"):
            demo.parse()
    else:
        demo.parse()
    assert held == [True]
    assert not Home(tmp_path, print).is_held_by("", os.getpid())


@pytest.mark.parametrize(
    "given",
    [
        "{{accounts: {{a: {{path: {a}/klaviyo.duckdb}}, b: {{path: {b}/klaviyo.duckdb, schema: marts}}}}}}",
        "{{accounts: {{a: {{path: \"{a}/klaviyo.duckdb\" }}, b: {{'path': '{b}/klaviyo.duckdb'}}}}, alpha: 0.1}}",
        '{{"accounts": {{"b": {{"path":"{b}/klaviyo.duckdb"}}, "a": {{"path": "{a}/klaviyo.duckdb"}}}}}}',
        "accounts:\n  b:\n    path: {b}/klaviyo.duckdb\n  a: {{path: {a}/klaviyo.duckdb}}\n",
    ],
    ids=["flow", "quoted", "json", "block"],
)
def test_homes_that_a_job_reads_are_those_of_its_accounts(tmp_path: Path, given: str) -> None:
    """Written as they may be, in one order, without its own, and without folders that no job has."""
    one, other, plain = tmp_path / "Zoë's a", tmp_path / "b b", tmp_path / "plain"
    for folder in (one, other):
        (folder / ".queue").mkdir(parents=True)
    plain.mkdir()
    variables = {VARIABLES: given.format(a=one, b=other)}
    assert homes_read(variables, tmp_path / "own") == sorted([one, other])
    assert homes_read(variables, other) == [one]
    assert homes_read({VARIABLES: given.format(a=plain, b=other)}, plain) == [other]
    assert homes_read({VARIABLES: "{}"}, plain) == homes_read({}, plain) == []


def test_a_job_waits_for_the_homes_that_it_reads_and_holds_them(
    start: Callable[[str], Holder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While another job writes to a warehouse, it cannot be read, nor the other way round."""
    monkeypatch.delenv(TICKET, raising=False)
    file = tmp_path / "home" / "klaviyo.duckdb"
    given = {VARIABLES: f"{{accounts: {{a: {{path: {file}}}}}}}"}
    monkeypatch.setattr("pipeline.variables_in", lambda *_: given)
    own = {"KLAVIYO_LOOP_DEMO_HOME": str(tmp_path / "own")}
    writer = start("pipeline")
    assert writer.says() == "holds"
    with (
        pytest.raises(NotStarted, match="for pipeline"),
        holding("accounts", "demo", own | {WAIT_HOURS: "0.0001"}),
    ):
        pass
    assert not Home(tmp_path / "own", print).is_held_by("", os.getpid())
    assert "waiting for pipeline (process" in capsys.readouterr().err
    writer.let_go()
    with holding("accounts", "demo", own):
        late = start("changes")
        assert "waiting for accounts (process" in late.says()
    assert late.says() == "holds"


def test_the_home_of_an_environment_is_where_meltano_puts_it() -> None:
    assert home_of("prod", {}) == ROOT / "output" / "prod"
    assert home_of("demo", {"KLAVIYO_LOOP_DEMO_HOME": "/x"}) == Path("/x")
    with pytest.raises(JobFailed, match="no environment 'prd'; it has dev, prod"):
        home_of("prd", {})


def test_every_job_begins_with_holding_it() -> None:
    jobs = yaml.safe_load((ROOT / "meltano.yml").read_text())["jobs"]
    assert jobs
    assert all(job["tasks"][0] == HOLD for job in jobs)


# what a killed job leaves behind


@contextmanager
def plain_meltano(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that starts `home:hold` as Meltano does, and lives on."""
    code = (
        "import subprocess, sys, time\n"
        f"done = subprocess.run([{str(ROOT / 'scripts' / 'home.py')!r}])\n"
        f"again = subprocess.run([{str(ROOT / 'scripts' / 'home.py')!r}])\n"
        "print(done.returncode, again.returncode, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KLAVIYO_LOOP_HOME": str(tmp_path / "home"),
        "MELTANO_DATABASE_URI": "sqlite:///none",
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_meltano_itself_holds_it_until_it_is_dead(tmp_path: Path, start: Callable[[str], Holder]) -> None:
    with plain_meltano(tmp_path) as meltano:
        assert meltano.stdout
        assert meltano.stdout.readline() == "0 0\n", "a second job of the same Meltano does not wait for the first"
        waiting = start("publish")
        assert f"waiting for meltano run (process {meltano.pid}," in waiting.says()
    assert waiting.says() == "holds"


@pytest.mark.parametrize("database", ["klaviyo.duckdb", "ledger.sqlite"])
def test_a_program_that_outlives_its_job_is_waited_for(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "_LEFTOVER_SECONDS", 30)
    code = f"import duckdb\nheld = duckdb.connect({str(tmp_path / database)!r})\n"
    if database.endswith("sqlite"):
        code = (
            f"import sqlite3\nheld = sqlite3.connect({str(tmp_path / database)!r}, isolation_level=None)\n"
            "held.execute('pragma locking_mode = exclusive')\nheld.execute('create table t (a)')\n"
        )
    code += "import sys\nprint(1, flush=True)\nsys.stdin.read()\n"
    left = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert left.stdout
    left.stdout.readline()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        left.communicate()

    with Home(tmp_path, tell).held("a"):
        assert left.returncode == 0
    assert told == [f"waiting for another process that has {os.path.relpath(tmp_path / database)} open"]


RUNS = "create table runs (id integer primary key, job_name, state, ended_at, last_heartbeat_at)"


def _runs(path: Path, *rows: tuple[str, str]) -> str:
    """A database as Meltano's, with runs that are said to live, by name and last sign of life."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(RUNS)
        for row in rows:
            connection.execute(
                "insert into runs (job_name, state, last_heartbeat_at) values (?, 'RUNNING', ?)", row
            )
    return f"sqlite:///{path}"


def _ago(**time_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**time_ago)).strftime("%Y-%m-%d %H:%M:%S.%f")


def test_a_dead_run_does_not_keep_meltano_from_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "_SILENCE_SECONDS", 0.5)
    database = _runs(tmp_path / "db", ("demo:a-to-b", _ago(seconds=1)), ("prod:a-to-b", _ago(seconds=1)))
    told: list[str] = []
    Home(tmp_path, told.append).forget_killed_runs(database, "demo")
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        states = connection.execute("select job_name, state, ended_at is null from runs").fetchall()
    assert states == [("demo:a-to-b", "FAIL", 0), ("prod:a-to-b", "RUNNING", 1)], "another home's are its own"
    [line] = told
    assert "demo:a-to-b" in line


def test_a_living_run_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "_SILENCE_SECONDS", 1.5)
    database = _runs(tmp_path / "db", ("demo:a-to-b", _ago(seconds=0)))
    code = (
        "import sqlite3, sys, time, datetime\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for _ in range(12):\n time.sleep(0.3)\n"
        " now = str(datetime.datetime.now(datetime.timezone.utc))[:26]\n"
        ' c.execute("update runs set last_heartbeat_at = ?", (now,))\n'
        "c.execute(\"update runs set state = 'SUCCESS'\")"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "db")]):  # noqa: S603
        Home(tmp_path, print).forget_killed_runs(database, "demo")
        with closing(sqlite3.connect(tmp_path / "db")) as connection:
            assert connection.execute("select state from runs").fetchall() == [("SUCCESS",)]


@pytest.mark.parametrize("database", ["sqlite:////nowhere/at/all", "postgresql://x/y", ""])
def test_what_is_no_database_of_runs_is_left_alone(tmp_path: Path, database: str) -> None:
    (tmp_path / "empty").touch()
    for each in (database, f"sqlite:///{tmp_path}/empty"):
        Home(tmp_path, pytest.fail).forget_killed_runs(each, "demo")


# others of the machine


def test_a_home_of_before_is_closed_to_others(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o644)
    home = tmp_path / "home"
    (home / "dbt").mkdir(parents=True)
    (home / "dbt" / "manifest.json").touch(0o644)
    (home / "klaviyo.duckdb").touch(0o664)
    (home / "link").symlink_to(outside)
    for path in (home, home / "dbt"):
        path.chmod(0o755)
    with Home(home, print).held("a"):
        pass
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}
    assert modes.pop("link") == 0o644, "what lies elsewhere is not this home's"
    assert {mode & 0o077 for mode in modes.values()} == {0}
    assert modes["klaviyo.duckdb"] == 0o600


WRITES_ITS_KEY = (
    '{before}folder="$MELTANO_SYS_DIR_ROOT/run/tap-x"; mkdir -p "$folder"; '
    'echo key > "$folder/tap.1.config.json"; ls -ld "$MELTANO_SYS_DIR_ROOT/run" "$folder/tap.1.config.json" '
    "> {during}; kill -9 $$"
)
"""What Meltano does with the settings of a plugin, by whatever umask it has, and then it is killed."""


def _others_can_read(file: Path, top: Path) -> bool:
    """Whether the modes let others read a file: its own, and those of all folders below `top`."""
    folders = [folder for folder in file.parents if folder.is_relative_to(top) and folder != top]
    return bool(file.stat().st_mode & 0o044) and all(folder.stat().st_mode & 0o011 for folder in folders)


def test_the_key_in_a_plugin_s_settings_is_its_user_s_alone_during_a_run_and_after_a_kill(tmp_path: Path) -> None:
    """As `make` starts it, and as one that is started by hand begins with `home:hold`."""
    during = tmp_path / "during"
    before = os.umask(0o022)
    try:
        script = WRITES_ITS_KEY.format(before="", during=during)
        with meltano(tmp_path, script), pytest.raises(JobFailed, match="killed by signal 9"):
            run_job("measure", "demo", tmp_path / "home" / "log.jsonl", tell=lambda *_: None)
        system = tmp_path / "system"
        by_hand = subprocess.run(  # noqa: S603
            [
                "/bin/sh",
                "-c",
                WRITES_ITS_KEY.format(before='"$0" "$1"; ', during=f"{during}.2"),
                sys.executable,
                str(ROOT / "scripts" / "home.py"),
            ],
            env={
                **{name: value for name, value in os.environ.items() if name != TICKET},
                "MELTANO_SYS_DIR_ROOT": str(system),
                "KLAVIYO_LOOP_HOME": str(tmp_path / "other"),
            },
            check=False,
        )
    finally:
        os.umask(before)
    assert by_hand.returncode == -signal.SIGKILL
    left = [*(tmp_path / "home").rglob("tap.1.config.json"), *system.rglob("tap.1.config.json")]
    assert len(left) == 2
    assert [file for file in left if _others_can_read(file, tmp_path)] == []
    for told in (during, Path(f"{during}.2")):
        modes = [line.split()[0] for line in told.read_text().splitlines()]
        assert any(mode[4:10] == "------" for mode in modes), modes


def test_keys_that_others_may_read_are_told_with_the_remedy(tmp_path: Path) -> None:
    told: list[str] = []
    warn_of_open_secrets(told.append, tmp_path)
    (tmp_path / ".env").touch(0o600)
    warn_of_open_secrets(told.append, tmp_path)
    assert told == []
    (tmp_path / ".env").chmod(0o640)
    warn_of_open_secrets(told.append, tmp_path)
    [line] = told
    assert "mode 640" in line
    assert line.endswith(f"chmod 600 {os.path.relpath(tmp_path / '.env')}")


def test_meltano_logs_as_its_option_says_but_at_no_level_the_records_that_pass() -> None:
    code = (
        "import logging, sys\nfrom meltano.core.logging import setup_logging\n"
        "for level in ('debug', 'warning'):\n"
        "  for file in sys.argv[1:]:\n"
        "    setup_logging(log_level=level)\n"  # as Meltano does before it knows the project
        "    setup_logging(log_level=level, log_config=file)\n"
        "    records, errors = (f'meltano.plugin.{each}.extractors.tap-x' for each in ('stdout', 'stderr'))\n"
        "    print(*(logging.getLogger(each).getEffectiveLevel() for each in (records, errors)))\n"
    )
    files = [str(ROOT / "logging.yaml"), str(ROOT / "scripts" / "logging.yaml")]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=True
    )
    debug, ours, warning, _ = done.stdout.splitlines()
    assert debug.split() == [str(logging.INFO), str(logging.DEBUG)]
    assert ours.split() == [str(logging.INFO)] * 2
    assert warning.split()[1] == str(logging.WARNING)


def test_who_waits_is_known_by_what_it_will_run(start: Callable[[str], Holder], tmp_path: Path) -> None:
    """Who holds the home does not wait: it has read already what came first."""
    home = Home(tmp_path / "home", print)
    assert not home.is_awaited_for("pushed")
    assert start("pushed").says() == "holds"
    assert not home.is_awaited_for("pushed")
    second = start("pushed")
    assert second.says().startswith("waits")
    assert home.is_awaited_for("pushed")
    assert not home.is_awaited_for("push")
    second.kill()
    assert not home.is_awaited_for("pushed")
