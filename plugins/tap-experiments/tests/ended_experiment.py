"""An experiment of one or two slots, as its author would write it: what the tests of its end share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import load

if TYPE_CHECKING:
    from pathlib import Path

    from tap_experiments.definitions.model import Experiment
    from tap_experiments.templating.generation import Template

HERO = {
    "plain": '<h1>Plain</h1><a href="https://x.io/">x</a>',
    "bold": '<h1>BOLD, {{ first_name }}</h1><a href="https://x.io/bold">x</a>',
    "loud": "<h1>LOUD</h1>",
}
FOOT = {"short": "<p>bye</p>", "long": "<p>Good bye</p>"}
any_winners_and_holdings = given(
    hero=st.sampled_from([*HERO]),
    foot=st.sampled_from([*FOOT]),
    held=st.fixed_dictionaries({}, optional={"hero": st.sampled_from([*HERO]), "foot": st.sampled_from([*FOOT])}),
    property_format=st.sampled_from(PropertyFormat),
)
"""Which arm won in each of two slots, which arms a profile holds, and how it holds them."""


def define(root: Path, slots: dict[str, dict[str, str]], **changes: Any) -> Path:  # noqa: ANN401
    """The experiment `spring`, ended: slot → arm → content; the first arm of a slot is its control."""
    folder = root / "spring"
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {}
    for slot, arms in slots.items():
        given[slot] = {"arms": {}, "allocation": "equal"}
        for arm, content in arms.items():
            for suffix in ("html", "txt"):
                (folder / f"{slot}.{arm}.{suffix}").write_text(content)
            control = {"control": True} if arm == next(iter(arms)) else {}
            files = {"content": f"{slot}.{arm}.html", "text": f"{slot}.{arm}.txt"}
            given[slot]["arms"][arm] = {**files, "subject": f"A {arm} mail", **control}
    places = "".join(f'<{slot}>[[ slot("{slot}") ]]</{slot}>' for slot in slots)
    for suffix in ("html", "txt"):
        (folder / f"template.{suffix}").write_text(f"{places}{{% unsubscribe %}}")
    definition = {
        "key": "spring", "version": 1, "status": "ended", "description": "Which?", "channel": "email",
        "audience": {"list": "L"}, "primary_metric": "clicked", "attribution_window_days": 5, "slots": given,
        "template": {
            "name": "lf_spring", "html": "template.html", "text": "template.txt",
            "subject": " ".join(f'[[ slot("{slot}") ]]' for slot in slots),
        },
        **changes,
    }  # fmt: skip
    (folder / "experiment.yml").write_text(json.dumps(definition))
    return root


def sound(root: Path, property_format: PropertyFormat = PropertyFormat.LIST) -> tuple[Experiment, Template]:
    [pair] = load(root, property_format, locking=True).pairs
    return pair
