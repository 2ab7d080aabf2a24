"""An experiment from a draft to its next version, through the whole pipeline: all that docs/stand-in.md types.

Part of `make test-stand-in`: it runs the pipeline five times.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from newcomer import ROOT, Place

PAGE = (ROOT / "docs" / "stand-in.md").read_text()
PARTS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
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


def test_an_experiment_is_shipped_cleaned_up_and_asked_again(place: Place) -> None:
    """Every line of the page is typed, and what profiles hold is looked at after each part."""
    shutil.rmtree(place.root / "experiments" / "spring_hero")
    (place.root / "held.py").write_text(HELD)
    script = "set -e\n" + "".join(f"{part}echo PART\npython held.py\n" for part in PARTS)
    done = subprocess.run(
        ["make", "sandbox"],  # noqa: S607
        cwd=place.root,
        env={**place.environment, "SHELL": "/bin/bash"},
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    drafted, assigned, decided, shipped, cleaned, again, _ = re.split(r"^PART\n", done.stdout, flags=re.MULTILINE)
    held = [line.split() for line in re.findall(r"^held .*", done.stdout, re.MULTILINE)]
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
