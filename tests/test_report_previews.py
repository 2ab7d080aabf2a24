"""The report knows the branches that tap-experiments writes, in each way in which profiles hold their arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from lift_report.template_branches import conditions, shown
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import load

DEMO = Path(__file__).parent.parent / "demo" / "experiments"


@pytest.mark.parametrize("property_format", PropertyFormat)
def test_the_report_shows_what_the_generated_template_shows(property_format: PropertyFormat) -> None:
    [(experiment, template)] = [pair for pair in load(DEMO, property_format).pairs if pair[0].key == "spring_hero"]
    assert template.html is not None
    assert template.text is not None
    asked = conditions(experiment.key, [(slot.key, arm.key) for slot in experiment.slots for arm in slot.arms])
    bold = {part: shown(part, asked, {"hero": "bold"}) for part in (template.html, template.text)}
    assert "Show me all seven" in bold[template.html]
    assert "See the range" not in bold[template.html]
    assert "Hello there," in bold[template.html]
    assert "SPRING. NOW." in bold[template.text]
    assert "{%" not in "".join(bold.values())
    assert "See the range" in shown(template.html, asked, {"hero": "control"})
