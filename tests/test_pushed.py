"""What is pushed is read each minute, and answered where it asks: once, and though a run is killed between."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from home import Home  # noqa: E402
from pipeline import UNANSWERED  # noqa: E402
from scripted_meltano import ENDED, meltano, started  # noqa: E402

KEYS = ("TAP_KLAVIYO_ENGAGEMENT_API_KEY", "TARGET_KLAVIYO_PROFILES_API_KEY")


def script(folder: Path) -> str:
    """Says what was read, or dies at the end of it."""
    return (
        f"echo $5 >> {folder}/ran\n[ $5 = answer ] || cat {folder}/read\n"
        f"[ ! -e {folder}/dies_in_$5 ] || kill -9 $$\n"
        f"for task in hold read build write; do echo '{ENDED}'; done"
    )


class Pushed:
    """The job `pushed` under a Meltano that reads what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, **read: int) -> tuple[int, list[str], str]:
        """Its exit status, the jobs that ran, and what it said; `read` are rows by stream."""
        ran = self.folder / "ran"
        ran.write_text("")
        lines = [
            {
                "string_id": "tap-klaviyo-inbox",
                "event": "METRIC: "
                + json.dumps({"metric": "record_count", "value": count, "tags": {"stream": stream}}),
            }
            for stream, count in read.items()
        ]
        (self.folder / "read").write_text("".join(json.dumps(line) + "\n" for line in lines))
        with started(self.folder, "pushed") as process:
            said, complained = process.communicate(timeout=60)
        return process.returncode, ran.read_text().split(), said + complained

    def dying_in(self, job: str) -> Path:
        """The file that makes a job die as long as it is there."""
        return self.folder / f"dies_in_{job}"


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushed]:
    for name in KEYS:
        monkeypatch.setenv(name, "pk_any")
    with meltano(tmp_path, script(tmp_path)):
        yield Pushed(tmp_path)


def test_only_what_asks_is_answered(pushed: Pushed) -> None:
    assert pushed.run()[:2] == (0, ["pushed"])
    assert pushed.run(events=1_000, flow_requests=0)[:2] == (0, ["pushed"])
    status, ran, said = pushed.run(events=3, flow_requests=2)
    assert (status, ran) == (0, ["pushed", "answer"])
    assert "read: events 3 · flow_requests 2" in said
    assert "demo: answer is done after" in said
    assert not (pushed.folder / "home" / UNANSWERED).exists()


@pytest.mark.parametrize("job", ["pushed", "answer"])
def test_what_was_read_is_answered_though_a_run_was_killed(pushed: Pushed, job: str) -> None:
    """The state that says it was read may be kept by then, so that the next run reads nothing."""
    pushed.dying_in(job).touch()
    status, _, said = pushed.run(flow_requests=1)
    assert status == 1
    assert "killed by signal 9: run it again" in said
    pushed.dying_in(job).unlink()
    assert pushed.run()[:2] == (0, ["pushed", "answer"])
    assert pushed.run()[:2] == (0, ["pushed"])


def test_nothing_is_read_that_could_not_be_answered(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_KLAVIYO_PROFILES_DRY_RUN", "true")
    status, ran, said = pushed.run(flow_requests=1)
    assert (status, ran) == (1, [])
    assert "would still assign people for good" in said


def test_of_those_that_pile_up_one_waits(pushed: Pushed) -> None:
    home = Home(pushed.folder / "home", lambda _: None)
    with home.held("pipeline"):
        waits = started(pushed.folder, "pushed")
        assert waits.stderr is not None
        assert "waiting for pipeline" in waits.stderr.readline()
        status, ran, said = pushed.run(flow_requests=1)
        assert (status, ran) == (0, [])
        assert said == "another run of pushed waits for its turn, and reads what this one would\n"
    assert waits.communicate(timeout=60)
    assert waits.returncode == 0
    assert (pushed.folder / "ran").read_text().split() == ["pushed", "answer"]
