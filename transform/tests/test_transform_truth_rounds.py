"""Does it pay, and do no harm, that the winner of a send gets the larger part of the next one? Ten sends in a row.

`make truth` plays 2,000 experiments of each kind, `make test` a hundred of one through three rounds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
from transform_project import Warehouse
from transform_truth import ALPHA, EXPERIMENTS, WHOLE, Clicks, Scenario, most, play

ON_ENGINES = ["duckdb"]
"""The statistics are compared on all engines elsewhere."""
EQUAL = {2: (5000, 5000), 3: (3334, 3333, 3333)}
SCENARIOS = {
    name: Scenario(EQUAL[len(lifts)], Clicks(0.05), 10_000, lifts=lifts)
    for name, lifts in (
        ("two_equal", (0.0, 0.0)),
        ("three_equal", (0.0, 0.0, 0.0)),
        ("one_better", (0.0, 0.1, 0.0)),
        ("one_worse", (0.0, -0.1, 0.0)),
    )
}


@pytest.mark.parametrize("name", SCENARIOS if WHOLE else ["one_worse"])
def test_the_next_split_is_no_worse_than_equal_shares(
    first_run: Warehouse, record_property: Callable[[str, object], None], name: str
) -> None:
    """A false winner is as rare in every round, whatever shares the last one left."""
    rounds, experiments = (10, EXPERIMENTS) if WHOLE else (2, 100)
    begun = time.process_time()
    played = play(first_run, SCENARIOS[name], rounds, experiments)
    seconds = time.process_time() - begun
    gain, lived = float(played.gains.mean()), float(played.lives.mean()) if played.lives.size else 0.0
    what = (
        f"false winner in a round; gain over equal shares {gain:+.2%}; held the most for {lived:.1f} rounds more"
    )
    record_property("truth", [f"rounds_{name}", what, played.rounds, played.winners, ALPHA, seconds])
    assert played.winners <= most(played.rounds, ALPHA)
    # Where no arm is better, every gain is 0 but for the rounding of the shares' sum.
    assert gain >= -3 * float(played.gains.std()) / math.sqrt(experiments) - 1e-12
