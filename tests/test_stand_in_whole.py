"""All that docs/stand-in.md and docs/pushed.md type: an experiment to its next version, and a flow that asks.

Part of `make test-stand-in`: it runs the pipeline five times.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from newcomer import ROOT, Place


def parts_of(page: str) -> list[str]:
    """The blocks of a page that are typed into the shell."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


HELD = """
import os, requests
url = os.environ["TAP_KLAVIYO_ENGAGEMENT_API_URL"] + "/api/profiles?page[size]=100&fields[profile]=properties"
key = "Klaviyo-API-Key " + os.environ["TAP_KLAVIYO_ENGAGEMENT_API_KEY"]
tokens = []
while url:
    page = requests.get(url, headers={"Authorization": key, "revision": "2026-07-15"}).json()
    held = [each["attributes"]["properties"].get("lf_assignments", []) for each in page["data"]]
    tokens += [token for each in held for token in each]
    url = page["links"]["next"]
print("held", len(tokens), *sorted(set(tokens)))
"""
"""Prints the assignments that the local Klaviyo's profiles hold."""


def typed(place: Place, script: str) -> str:
    """What is said in the shell of `make sandbox`."""
    done = subprocess.run(
        ["make", "sandbox"],  # noqa: S607
        cwd=place.root,
        env={**place.environment, "SHELL": "/bin/bash"},
        input=f"set -e\n{script}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_an_experiment_is_shipped_cleaned_up_and_asked_again(place: Place) -> None:
    """Every line of the page is typed, and what profiles hold is looked at after each part."""
    shutil.rmtree(place.root / "experiments" / "spring_hero")
    (place.root / "held.py").write_text(HELD)
    said = typed(place, "".join(f"{part}echo PART\npython held.py\n" for part in parts_of("stand-in.md")))
    drafted, assigned, decided, shipped, cleaned, again, _ = re.split(r"^PART\n", said, flags=re.MULTILINE)
    held = [line.split() for line in re.findall(r"^held .*", said, re.MULTILINE)]
    arms = ["welcome_hero:hero:bold", "welcome_hero:hero:control"]
    assert [line[2:] for line in held] == [[], arms, arms, arms, [], arms]
    assert "locked; commit it" in drafted
    assert "FAULT" not in drafted
    assert f"profiles {held[1][1]} of {held[1][1]}".replace(",", "") in assigned.replace(",", "")
    assert "nothing was written" in assigned
    assert "welcome_hero v1 hero: bold is ahead" in decided
    assert "what every profile is shown" in shipped
    assert "written: templates 1 of 1" in shipped
    assert "3 renderings by Klaviyo show what the files say" in shipped
    assert f"profiles {held[1][1]} of {held[1][1]}".replace(",", "") in cleaned.replace(",", "")
    assert "version 2 is locked" in again


CALLS = """
import duckdb, os
from datetime import UTC, datetime, timedelta
yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
names = "message_id, type, event, user_id, occurred_at, received_at, properties, context".split(", ")
types = ["varchar"] * 4 + ["timestamp"] * 2 + ["json"] * 2
context = '{"consent": {"categoryPreferences": {"marketing": true}}}'
with duckdb.connect(os.environ["KLAVIYO_LOOP_DEMO_HOME"] + "/klaviyo.duckdb") as warehouse:
    warehouse.execute("create schema klaviyo_raw")
    warehouse.execute(f"create table klaviyo_raw.site_events ({', '.join(map(' '.join, zip(names, types)))})")
    for number in range(40):
        event = "Product Viewed" if number < 30 else "Cart Opened"
        row = [f"m{number}", "track", event, "u1", yesterday, yesterday, '{"name": "Hat"}', context]
        warehouse.execute("insert into klaviyo_raw.site_events values (?, ?, ?, ?, ?, ?, ?, ?)", row)
"""
"""What a receiver might have taken yesterday."""


def test_forwarding_is_seen_before_it_is_sent(place: Place) -> None:
    """The command of tap-forwarding's README."""
    (place.root / "calls.py").write_text(CALLS)
    said = typed(
        place, "make forwarding name=shop\npython calls.py\nmake forwarding-preview name=shop JSON=1 | tail -n 1\n"
    )
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (told["definition"], told["status"]) == ("shop", "draft")
    found = {(each["event"], each["metric"], each["decision"]): each["events"] for each in told["counts"]}
    assert found == {
        ("Product Viewed", "Viewed Product", "forwarded"): 30,
        ("Cart Opened", None, "unnamed"): 10,
    }
    assert len(told["samples"]) == 10
    assert told["samples"][0]["properties"] == {"ProductName": "Hat"}


def test_a_flow_asks_and_is_answered_by_one_run(place: Place) -> None:
    for others in (place.root / "experiments").glob("*/experiment.yml"):
        shutil.rmtree(others.parent)
    (place.root / "held.py").write_text(HELD)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    defined, asked, answered = (part.replace("8088", port) for part in parts_of("pushed.md"))
    ends = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"  # the receiver, whatever fails
    said = typed(place, f"{ends}{defined}{asked}echo PART\n{answered}python held.py\n")
    before, after = said.split("PART\n")
    assert '{"stored":1,"duplicates":0,"put_away":0}' in before
    first, second = after.split("demo: answer is done")
    assert "demo: pushed is done" in first
    assert "answer" not in second
    assert re.search(r"^held 1 welcome_flow:hero:\w+$", second, re.MULTILINE)
