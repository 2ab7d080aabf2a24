"""Headers that come by drops, too, end with the answer's time."""

from __future__ import annotations

import time

import pytest

from klaviyo_wire.errors import Retriable
from target_klaviyo_profiles.client import Connection, Time


def test_an_answer_whose_headers_come_by_drops_is_given_up(answers_by_drops: str) -> None:
    """By a clock that is three hundred times too fast."""
    connection = Connection(
        api_key="pk_test_0123456789",
        api_url=answers_by_drops,
        revision="2026-07-15",
        share=1.0,
        concurrency=1,
        clock=Time(monotonic=lambda: time.monotonic() * 300),
    )
    client = connection.client()
    began = time.monotonic()
    with pytest.raises(Retriable, match="did not come whole within 300 s"):
        client.call("get_accounts", repeatable=False)
    assert time.monotonic() - began < 2
