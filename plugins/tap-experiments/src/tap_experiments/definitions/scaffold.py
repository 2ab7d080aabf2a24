"""Writes the folder of a new experiment: a sound draft that explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_experiments.definitions.experiment_reader import DEFINITION

if TYPE_CHECKING:
    from pathlib import Path

    from tap_experiments.definitions.outcome_metrics import Catalogue

SCHEMA_FILE = "plugins/tap-experiments/experiment.schema.json"
"""Where the repository that this tap belongs to keeps the JSON Schema."""

_DEFINITION = """\
# Every key: plugins/tap-experiments/README.md. Check it with `make preview` (`tap-experiments lint`).
key: {key}
version: 1                          # raise it to assign everybody anew
status: draft                       # then live (`make preregister`), then ended, with `winner: <arm>` to ship
description: Which hero sells more, the one we always send or a bold one?
channel: email                      # email, sms or push

audience:
  segment: Demo audience            # Klaviyo's name or id; or `list:`
#  where:
#    - {field: location.country, in: [SE, NO]}
#    - {field: properties.age, at_least: 18}
traffic: 100                        # per cent of the audience; raising it later moves nobody
# layer: {name: promo, from: 0, to: 50}
# holdout: 5
# balance: {tries: 20, days: 90}

# What is promised before the start, and cannot change within a version.
primary_metric: clicked             # {primary}: the one that decides
secondary_metrics: [ordered, revenue]
guardrails: {{guardrails}}    # percentage points above the control
attribution_window_days: 5
# planned_stop: 2030-12-31
# decision: fixed                   # one test, on that day; else it may be decided at every look
# minimum_detectable_effect: 10
# dimensions: [country, device, tenure, {property: plan}, {segment: VIPs}]    # who it worked for; decides nothing

slots:
  hero:
    arms:
      control: {content: hero_control.html, text: hero_control.txt, control: true}
      bold: {content: hero_bold.html, text: hero_bold.txt}
    allocation: equal               # or {manual: {control: 70, bold: 30}} or {thompson: {}}

template:
  name: lf_{key}
  html: template.html
  text: template.txt
  subject: News from our shop
"""

_FILES = {
    "hero_control.html": """\
<h1>What we always send</h1>
<p><a href="https://shop.example/news">See what is new</a></p>
""",
    "hero_control.txt": """\
What we always send: https://shop.example/news
""",
    "hero_bold.html": """\
<h1>Something bolder!</h1>
<p><a href="https://shop.example/news">Show me all of it</a></p>
""",
    "hero_bold.txt": """\
SOMETHING BOLDER: https://shop.example/news
""",
    "template.html": """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>News</title>
</head>
<body>
<p>Hello {{ first_name|default:'there' }},</p>
[[ slot("hero") ]]
<p>{% unsubscribe %}</p>
</body>
</html>
""",
    "template.txt": """\
Hello {{ first_name|default:'there' }},

[[ slot("hero") ]]
{% unsubscribe %}
""",
}


def scaffold(root: Path, key: str, catalogue: Catalogue) -> list[Path]:
    """Write `<root>/<key>/` and return its files; the first is the definition.

    Raises:
        OSError: If the folder exists already or cannot be written.
    """
    folder = root / key
    folder.mkdir()
    primary = "one of " + ", ".join(catalogue.primary)
    guardrails = ", ".join(f"{name}: {margin:g}" for name, margin in catalogue.default_guardrails.items())
    definition = (
        _DEFINITION.replace("{key}", key).replace("{primary}", primary).replace("{guardrails}", guardrails)
    )
    if (root.resolve().parent / SCHEMA_FILE).is_file():
        definition = f"# yaml-language-server: $schema=../../{SCHEMA_FILE}\n{definition}"
    written = []
    for name, content in {DEFINITION: definition, **_FILES}.items():
        (folder / name).write_text(content, encoding="utf-8")
        written.append(folder / name)
    return written
