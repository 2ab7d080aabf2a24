"""Headers that come by drops, too, end with the answer's time."""

from __future__ import annotations

import time

import pytest

from klaviyo_wire.errors import Retriable
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement


def test_an_answer_whose_headers_come_by_drops_is_given_up(answers_by_drops: str) -> None:
    config = {"api_key": "pk_test_0123456789", "api_url": answers_by_drops, "response_timeout": 1}
    client = TapKlaviyoEngagement(config=config).run.client
    began = time.monotonic()
    with pytest.raises(Retriable, match="did not come whole within 1 s"):
        client.call("get_accounts", repeatable=False)
    assert time.monotonic() - began < 2
