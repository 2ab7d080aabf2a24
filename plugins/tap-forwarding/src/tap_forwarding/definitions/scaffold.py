"""Writes the file of a new definition: a sound draft that explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_forwarding.definitions.reader import SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_FILE = "plugins/tap-forwarding/forwarding.schema.json"
"""Where the repository that this tap belongs to keeps the JSON Schema."""

_DEFINITION = """\
# Every key: plugins/tap-forwarding/README.md. Check it with `make forwarding-check` (`tap-forwarding lint`).
name: {name}
status: draft                       # nothing is sent; then live
description: What our shop's site tells, for the flows of abandoned carts and after a purchase

from: {preset: inbox}               # what the receiver takes; or {preset: segment, relation: shop.order_completed}

presets: [klaviyo]                  # e-commerce events under the names that Klaviyo's flows look for

# What is not named here or in a preset is counted, and not sent. What stands here comes before the presets.
events:
  - event: Quiz Finished
    keep: [result, score]           # properties that are sent as they are
    properties:
      Quiz: properties.quiz.name
#      Channel: {constant: web}
#      Score: {from: [properties.score, properties.points], type: number}
#      Friend: {from: properties.friend_email, personal: hash}
#  - type: page
#    metric: Active on Site
#    keep: [url, title]
# ignore: [Product List Viewed]

# who:                              # where a person is named; without it, as the source's preset says
#   external_id: user_id
#   email: [context.traits.email, properties.email]
#   anonymous_id: anonymous_id
#   stitch_days: 30                 # what they did before they were known
# contact:
#   first_name: context.traits.first_name
#   properties:
#     plan: context.traits.plan

consent:                            # all that say something must allow it
  checks:
    - {scheme: segment, categories: [marketing]}
#    - {scheme: google, at: context.consent.google, denied: strip}
  missing: drop                     # what becomes of an event of which none says anything: drop, strip or allow

# bots: {user_agents: [uptime], networks: [192.0.2.0/24], per_minute: 120}
# age: {hours: 24, older: backfill}
"""


def scaffold(root: Path, name: str) -> Path:
    """Write `<root>/<name>.yml` and return it.

    Raises:
        OSError: If the file exists already or cannot be written.
    """
    definition = _DEFINITION.replace("{name}", name)
    if (root.resolve().parent / SCHEMA_FILE).is_file():
        definition = f"# yaml-language-server: $schema=../{SCHEMA_FILE}\n{definition}"
    path = root / f"{name}{SUFFIX}"
    with path.open("x", encoding="utf-8") as file:
        file.write(definition)
    return path
