"""An answer that comes by drops is given up, whichever part of it does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep

import pytest
import requests

from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.errors import Retriable
from klaviyo_wire.ratelimit import Governor
from klaviyo_wire.sessions import session_of

KEY = "pk_test_0123456789"
BODY = b'{"data": []}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@contextmanager
def serving(*answers: tuple[bytes, bytes]) -> Iterator[tuple[str, list[int]]]:
    """A server whose every answer is a first part at once and a second one byte by byte; and which request came by
    which connection.
    """
    listener, ended, came = socket.create_server(("127.0.0.1", 0)), Event(), []
    left = list(answers)

    def serve() -> None:
        for number in range(len(answers)):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while left and connection.recv(65_536):
                    came.append(number)
                    at_once, drops = left.pop(0)
                    try:
                        connection.sendall(at_once)
                        for n in range(len(drops)):
                            if ended.wait(0.05):
                                return
                            connection.sendall(drops[n : n + 1])
                    except OSError:
                        break

    thread = Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def client_of(url: str, seconds: float, session: requests.Session) -> Client:
    transport = Transport(session, sleep=sleep, timeout=(1.0, 1.0), most_seconds=seconds, clock=monotonic)
    return Client(ApiKey(KEY), Governor(monotonic), transport, api_url=url)


@pytest.mark.parametrize(
    ("at_once", "drops"),
    [
        (b"", WHOLE),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"x" * 400),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 400),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Slow: " + b"x" * 400),
        (WHOLE[:-1].replace(b": 12", b": 999"), b" " * 400),
    ],
    ids=["all", "a header", "continue", "the length of a chunk", "a trailer", "the body"],
)
def test_what_comes_by_drops_is_given_up(at_once: bytes, drops: bytes) -> None:
    with serving((at_once, drops)) as (url, came), session_of() as session:
        began = monotonic()
        with pytest.raises(Retriable, match=r"GET /api/lists: the answer did not come whole within 0\.2 s"):
            client_of(url, 0.2, session).call("get_lists", repeatable=False)
        assert monotonic() - began < 1
        assert came == [0]


def test_each_answer_has_its_own_time_and_one_given_up_does_not_spoil_the_next() -> None:
    """The second comes by the connection of the first, after more than its time; the third is asked anew."""
    with (
        serving((WHOLE, b""), (WHOLE[:-4], WHOLE[-4:]), (b"", WHOLE), (WHOLE, b"")) as (url, came),
        session_of() as session,
    ):
        client = client_of(url, 0.4, session)
        assert client.call("get_lists") == {"data": []}
        sleep(0.5)
        assert client.call("get_lists") == {"data": []}
        with pytest.raises(Retriable, match="did not come whole"):
            client.call("get_lists", repeatable=False)
        assert client.call("get_lists") == {"data": []}
        assert came == [0, 0, 0, 1]


def test_by_way_of_a_proxy_it_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving((b"", WHOLE)) as (url, _), session_of() as session:
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises(Retriable, match="did not come whole"):
            client_of("http://klaviyo.invalid", 0.2, session).call("get_lists", repeatable=False)
