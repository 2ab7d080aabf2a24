"""Headers that come by drops, too, end with the answer's time."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread

import pytest

from klaviyo_wire.errors import Retriable
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement


def by_drops(listener: socket.socket) -> None:
    """Answer one request, a byte each twentieth of a second, until nobody listens."""
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(65_536)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 400:
            time.sleep(0.05)
            connection.sendall(bytes([byte]))


def test_an_answer_whose_headers_come_by_drops_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=by_drops, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = TapKlaviyoEngagement(
            config={"api_key": "pk_test_0123456789", "api_url": url, "response_timeout": 1}
        ).run.client
        began = time.monotonic()
        with pytest.raises(Retriable, match="did not come whole within 1 s"):
            client.call("get_accounts", repeatable=False)
        assert time.monotonic() - began < 2
        thread.join()
