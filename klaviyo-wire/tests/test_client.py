"""The request loop against a real socket."""

from __future__ import annotations

import gzip
import json
import logging
import math
import re
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests
from werkzeug import Request, Response

from klaviyo_wire import auth
from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import FIRST_CONTACT_TRIES, MAX_TRIES, Client, Transport
from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import (
    ConfigurationError,
    EndlessListing,
    MissingScope,
    NotFound,
    OversizedAnswer,
    Retriable,
    Unreachable,
)
from klaviyo_wire.ratelimit import Governor

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

KEY = "pk_test_0123456789"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr("backoff._sync.time.sleep", time.sleep)
    return time


def _client(url: str, time: Time) -> Client:
    transport = Transport(requests.Session(), sleep=time.sleep, timeout=(1.0, 1.0))
    return Client(ApiKey(KEY), Governor(time), transport, api_url=url, user_agent="test/1")


@pytest.fixture
def client(httpserver: HTTPServer, time: Time) -> Client:
    return _client(httpserver.url_for(""), time)


def test_a_request_is_signed_dated_and_encoded(httpserver: HTTPServer, client: Client) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response('{"data": []}', content_type="application/vnd.api+json")

    httpserver.expect_request("/api/events").respond_with_handler(answer)
    client.call("get_events", params={"filter": 'equals(profile_id,"a+b")', "page[size]": "1000"})
    request = seen[0]
    assert request.headers["Authorization"] == f"Klaviyo-API-Key {KEY}"
    assert request.headers["revision"] == ENDPOINTS["get_events"].revision
    assert request.headers["X-Klaviyo-Revision-Fall-Forward-Opt-Out"] == "1"
    assert request.headers["Accept"] == "application/vnd.api+json"
    assert request.query_string == b"filter=equals%28profile_id%2C%22a%2Bb%22%29&page%5Bsize%5D=1000"


def test_path_parameters_cannot_leave_their_place(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/lists/a/../../profiles").respond_with_json({"data": None})
    client.call("get_list", path={"id": "a/../../profiles"})
    assert httpserver.log[0][0].environ["RAW_URI"] == "/api/lists/a%2F..%2F..%2Fprofiles"


def test_pages_are_followed_past_empty_ones_and_never_to_another_host(
    httpserver: HTTPServer, client: Client
) -> None:
    def answer(request: Request) -> Response:
        cursor = request.args.get("page[cursor]")
        following = {None: "b", "b": "c+d%3D", "c+d%3D": None}[cursor]
        link = f"https://elsewhere.invalid/api/lists?filter=x&page%5Bcursor%5D={quote(following or '')}"
        data = [] if cursor == "b" else [{"id": cursor}]
        return Response(
            json.dumps({"data": data, "links": {"next": following and link}}),
            content_type="application/json",
        )

    httpserver.expect_request("/api/lists").respond_with_handler(answer)
    pages = list(client.pages("get_lists", params={"filter": "x"}))
    assert [page["data"] for page in pages] == [[{"id": None}], [], [{"id": "c+d%3D"}]]
    assert [request.args["filter"] for request, _ in httpserver.log] == ["x"] * 3


@pytest.mark.parametrize(
    "bad",
    [
        Response("oops", 503),
        Response("<html>down</html>", 200, content_type="text/html"),
        Response('{"data": [', 200),
        Response("[]", 200),
        Response("", 200),
        Response("", 429, headers={"Retry-After": "7"}),
        Response("<html>challenge</html>", 403),
    ],
    ids=["503", "html", "truncated", "not-a-document", "empty", "429", "challenge"],
)
def test_what_may_pass_is_retried(httpserver: HTTPServer, client: Client, time: Time, bad: Response) -> None:
    httpserver.expect_ordered_request("/api/lists").respond_with_response(bad)
    httpserver.expect_ordered_request("/api/lists").respond_with_json({"data": []})
    assert client.call("get_lists") == {"data": []}
    assert len(httpserver.log) == 2
    if bad.status_code == 429:
        assert sum(time.slept) >= 7


def test_what_will_never_pass_is_not_retried(httpserver: HTTPServer, client: Client) -> None:
    error = {"errors": [{"code": "permission_denied", "title": "No", "detail": "No."}]}
    httpserver.expect_request("/api/lists").respond_with_json(error, status=403)
    with pytest.raises(MissingScope, match="`lists:read`"):
        client.call("get_lists")
    assert len(httpserver.log) == 1


def test_retries_end(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/lists").respond_with_data("", status=502)
    httpserver.expect_request("/api/tags").respond_with_data("", status=502)
    with pytest.raises(Retriable, match="502"):
        client.call("get_lists")
    assert len(httpserver.log) == FIRST_CONTACT_TRIES
    with pytest.raises(Retriable):
        client.call("get_lists")
    assert len(httpserver.log) == FIRST_CONTACT_TRIES + MAX_TRIES


def test_a_storm_of_429_on_the_first_request_is_waited_out(
    httpserver: HTTPServer, client: Client, time: Time
) -> None:
    for _ in range(MAX_TRIES - 1):
        throttled = httpserver.expect_ordered_request("/api/lists")
        throttled.respond_with_data("", status=429, headers={"Retry-After": "3"})
    httpserver.expect_ordered_request("/api/lists").respond_with_json({"data": []})
    assert client.call("get_lists") == {"data": []}
    assert time.now >= 3 * (MAX_TRIES - 1)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}], ids=["without Retry-After", "a second each"])
def test_a_storm_as_long_as_klaviyos_window_is_waited_out_and_a_longer_one_is_told(
    httpserver: HTTPServer, client: Client, time: Time, headers: dict[str, str]
) -> None:
    def answer(_: Request) -> Response:
        return Response("{}", 429, headers) if time.now - begun < lasts else Response('{"data": []}', 200)

    httpserver.expect_request("/api/lists").respond_with_handler(answer)
    begun, lasts = time.now, 61.0
    assert client.call("get_lists") == {"data": []}
    begun, lasts, asked = time.now, math.inf, len(httpserver.log)
    with pytest.raises(Retriable, match="429: something else uses up the quota; lower its `rate_limit_share`"):
        client.call("get_lists")
    assert len(httpserver.log) - asked == MAX_TRIES
    assert time.now - begun < 600


def test_a_wait_of_hours_is_not_slept_through(httpserver: HTTPServer, client: Client, time: Time) -> None:
    httpserver.expect_request("/api/lists").respond_with_data("", status=429, headers={"Retry-After": "30000"})
    with pytest.raises(Retriable):
        client.call("get_lists")
    assert time.slept == []


def test_a_used_up_quota_of_the_day_is_not_slept_through(
    httpserver: HTTPServer, client: Client, time: Time
) -> None:
    httpserver.expect_request("/api/flow-values-reports").respond_with_json({"data": {}})
    daily = ENDPOINTS["query_flow_values"].limits.daily
    assert daily
    for _ in range(daily):
        client.call("query_flow_values", body={})
    before = time.now
    with pytest.raises(Retriable, match="quota of the day") as refused:
        client.call("query_flow_values", body={})
    assert time.now == before < 86_400
    assert refused.value.throttled
    assert refused.value.retry_after == pytest.approx(86_400 - before, abs=60)
    assert len(httpserver.log) == daily


def test_an_unrepeatable_write_is_sent_again_only_when_nothing_happened(
    httpserver: HTTPServer, client: Client
) -> None:
    httpserver.expect_ordered_request("/api/templates").respond_with_data(
        "", status=429, headers={"Retry-After": "1"}
    )
    httpserver.expect_ordered_request("/api/templates").respond_with_data("", status=503)
    with pytest.raises(Retriable, match="503"):
        client.call("create_template", body={"data": {}}, repeatable=False)
    assert len(httpserver.log) == 2


def test_an_answer_without_a_body_is_an_empty_document(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/lists/L1/relationships/profiles").respond_with_data("", status=204)
    assert client.call("add_profiles_to_list", path={"id": "L1"}, body={"data": []}) == {}


@contextmanager
def _cut_connections(reply: bytes) -> Iterator[str]:
    """A server that sends a few bytes of an answer and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(2)


@pytest.mark.parametrize(
    "reply",
    [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data": []}', b"HTTP/1.1 200 OK\r\nTransfer-Enc"],
    ids=["nothing", "short body", "half a header"],
)
def test_a_cut_connection_is_retriable_even_when_the_part_is_valid_json(reply: bytes, time: Time) -> None:
    with _cut_connections(reply) as url, pytest.raises(Retriable):
        _client(url, time).call("get_lists")
    assert len(time.slept) == FIRST_CONTACT_TRIES - 1


def _reply(body: bytes, **headers: str) -> bytes:
    """An answer as bytes."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\n{lines}\r\n".encode() + body


DOCUMENT = b'{"data": [{"id": "1"}]}'
PACKED = gzip.compress(DOCUMENT)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(_reply(PACKED, Content_Encoding="gzip", Content_Length=f"{len(PACKED)}"), id="gzip"),
        pytest.param(_reply(zlib.compress(DOCUMENT), Content_Encoding="deflate"), id="deflate"),
        pytest.param(_reply(PACKED, Content_Encoding="gzip"), id="gzip, until the end of the connection"),
        pytest.param(
            _reply(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DOCUMENT), DOCUMENT), Transfer_Encoding="chunked"),
            id="chunks",
        ),
        pytest.param(_reply(DOCUMENT + b"<html>", Content_Length=f"{len(DOCUMENT)}"), id="longer than it says"),
    ],
)
def test_a_body_is_read_whole_and_unpacked(reply: bytes, time: Time) -> None:
    with _cut_connections(reply) as url:
        assert list(_client(url, time).pages("get_lists")) == [json.loads(DOCUMENT)]
    assert time.slept == []


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            _reply(DOCUMENT, Content_Encoding="gzip", Content_Length=f"{len(DOCUMENT)}"), id="not packed"
        ),
        pytest.param(
            _reply(PACKED[:-9], Content_Encoding="gzip", Content_Length=f"{len(PACKED)}"), id="packed, cut"
        ),
        pytest.param(
            _reply(PACKED[:-14], Content_Encoding="gzip", Content_Length=f"{len(PACKED) - 14}"),
            id="packed, cut before it was sent",
        ),
        pytest.param(
            _reply(b"%x\r\n%b\r\n" % (len(DOCUMENT), DOCUMENT), Transfer_Encoding="chunked"), id="no end"
        ),
        pytest.param(_reply(b"50\r\n" + DOCUMENT, Transfer_Encoding="chunked"), id="a cut chunk"),
        pytest.param(_reply(DOCUMENT[:-1], Content_Length=f"{len(DOCUMENT) - 1}"), id="cut before it was sent"),
    ],
)
def test_a_body_that_was_cut_is_asked_for_again_and_then_told(reply: bytes, time: Time) -> None:
    with _cut_connections(reply) as url, pytest.raises(Retriable):
        list(_client(url, time).pages("get_lists"))
    assert len(time.slept) == FIRST_CONTACT_TRIES - 1


@pytest.mark.parametrize("body", ['{"data": [', "<html>", "", '{"data": [{"id": "1"}]}}'])
def test_json_that_stays_broken_fails_with_the_request_s_name(
    body: str, httpserver: HTTPServer, client: Client
) -> None:
    httpserver.expect_request("/api/lists").respond_with_data(body, content_type="application/json")
    with pytest.raises(Retriable, match=r"^GET /api/lists answered with a broken body: ."):
        list(client.pages("get_lists"))
    assert len(httpserver.log) == FIRST_CONTACT_TRIES


def test_a_page_is_decoded_as_the_caller_says_and_a_broken_one_asked_for_again(
    httpserver: HTTPServer, client: Client
) -> None:
    links = {"a": "b", "b": None}

    def decode(body: bytes) -> tuple[str, str | None]:
        if body == b"?":
            raise ValueError
        text = body.decode()
        following = links[text]
        return text, following and f"{httpserver.url_for('/api/lists')}?page%5Bcursor%5D={following}"

    for body in ("?", "a", "?", "?", "b"):
        httpserver.expect_ordered_request("/api/lists").respond_with_data(body)
    pages = client.follow("get_lists", decode, lambda page: page[1], params={"filter": "x"})
    assert [text for text, _ in pages] == ["a", "b"]
    asked: list[Mapping[str, str]] = [request.args for request, _ in httpserver.log]
    assert [each.get("page[cursor]") for each in asked] == [None, None, "b", "b", "b"]
    assert [each.get("filter") for each in asked] == ["x", "x", None, None, None]


def test_what_a_decoder_raises_otherwise_is_no_broken_answer(httpserver: HTTPServer, client: Client) -> None:
    def decode(_: bytes) -> None:
        raise KeyError

    httpserver.expect_request("/api/lists").respond_with_json({"data": []})
    with pytest.raises(KeyError):
        client.fetch("get_lists", decode)
    assert len(httpserver.log) == 1


def test_a_host_never_reached_is_a_matter_of_settings(time: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="api_url"):
        _client(f"http://127.0.0.1:{port}", time).call("get_lists")


@pytest.mark.parametrize("body", ["{}", '{"data": null}', '{"message": "OK"}'])
def test_a_listing_without_a_list_is_a_broken_answer_not_an_empty_one(
    body: str, httpserver: HTTPServer, client: Client
) -> None:
    httpserver.expect_ordered_request("/api/lists").respond_with_data(body, content_type="application/json")
    httpserver.expect_ordered_request("/api/lists").respond_with_json({"data": [{"id": "L"}]})
    assert [page["data"] for page in client.pages("get_lists")] == [[{"id": "L"}]]


@pytest.mark.parametrize("length", [1, 2, 7])
def test_pages_that_name_each_other_as_the_next_one_are_not_followed_for_ever(
    length: int, httpserver: HTTPServer, client: Client
) -> None:
    """The pages up to then are given: their rows are good."""

    def answer(request: Request) -> Response:
        number = int(request.args.get("page[cursor]", "-1"))
        following = f"{httpserver.url_for('/api/lists')}?page%5Bcursor%5D={(number + 1) % length}"
        return Response(json.dumps({"data": [{"id": str(number)}], "links": {"next": following}}))

    httpserver.expect_request("/api/lists").respond_with_handler(answer)
    found: list[str] = []
    with pytest.raises(EndlessListing, match="get_lists"):
        found.extend(page["data"][0]["id"] for page in client.pages("get_lists"))
    assert len(httpserver.log) == length + 1


def test_the_proxy_of_the_environment_is_used(
    httpserver: HTTPServer, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", httpserver.url_for(""))
    httpserver.expect_request("/api/lists").respond_with_json({"data": []})
    assert _client("http://klaviyo.invalid", time).call("get_lists") == {"data": []}
    assert httpserver.log[0][0].host == "klaviyo.invalid"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_that_is_too_large_is_not_held(encoding: str, httpserver: HTTPServer, time: Time) -> None:
    """Of a few kilobytes that unpack to many megabytes, no more is unpacked than may be."""
    body = json.dumps({"data": [{"id": "x" * 8_000_000}]}).encode()
    sent = gzip.compress(body) if encoding == "gzip" else body
    httpserver.expect_request("/api/lists").respond_with_data(sent, headers={"Content-Encoding": encoding})
    transport = Transport(requests.Session(), sleep=time.sleep, most_bytes=5_000_000)
    client = Client(ApiKey(KEY), Governor(time), transport, api_url=httpserver.url_for(""))
    with pytest.raises(OversizedAnswer, match="more than 5 MB"):
        client.call("get_lists")
    assert len(httpserver.log) == 1
    transport = Transport(requests.Session(), sleep=time.sleep, most_bytes=len(body))
    client = Client(ApiKey(KEY), Governor(time), transport, api_url=httpserver.url_for(""))
    assert len(client.call("get_lists")["data"][0]["id"]) == 8_000_000


def test_an_answer_that_comes_by_drops_is_given_up(httpserver: HTTPServer, time: Time) -> None:
    def drops(_: Request) -> Response:
        def bytes_() -> Iterator[bytes]:
            yield b'{"data": ['
            for _ in range(40):
                sleep(0.05)
                yield b" "
            yield b"]}"

        return Response(bytes_())

    httpserver.expect_request("/api/lists").respond_with_handler(drops)
    transport = Transport(
        requests.Session(), sleep=time.sleep, timeout=(1.0, 1.0), most_seconds=0.2, clock=monotonic
    )
    client = Client(ApiKey(KEY), Governor(time), transport, api_url=httpserver.url_for(""))
    with pytest.raises(Retriable, match=r"did not come whole within 0\.2 s"):
        client.call("get_lists", repeatable=False)


def test_what_a_wrong_setting_holds_of_a_secret_is_not_told(time: Time) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        _client("ftp://user:secret@a.klaviyo.com", time)
    assert "secret" not in str(refusal.value)
    for url in ("user:secret@host", "//user:secret@host", "http:user:secret@host", "http://user:sec/secret@host"):
        with pytest.raises(ConfigurationError, match=r"\*\*\*@host") as refusal:
            _client(url, time)
        assert "secret" not in str(refusal.value)
    with pytest.raises(Unreachable) as fault:
        _client("http://user:s%40cret@127.0.0.1:9", time).call("get_lists")
    assert "s%40cret" not in str(fault.value)
    with pytest.raises(ConfigurationError) as refusal:
        auth.check("pk_0123456789abcdef")
    assert "0123456789" not in str(refusal.value)


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 256, "x" * 1_000_000], ids=len)
def test_a_value_that_leads_to_another_path_is_no_id(value: str, httpserver: HTTPServer, client: Client) -> None:
    with pytest.raises(NotFound, match=r"there is nothing of (the id|an id of [0-9,]+ characters)") as refused:
        list(client.pages("get_profiles_for_list", path={"id": value}))
    assert len(str(refused.value)) < 200
    assert not httpserver.log


@pytest.mark.parametrize("value", ["...", "a/b", "../x", "%2e%2e", "a?b#c", "é"])
def test_any_other_value_is_one_segment(value: str, httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json({"data": []})
    assert list(client.pages("get_profiles_for_list", path={"id": value})) == [{"data": []}]
    [(request, _)] = httpserver.log
    assert request.environ["REQUEST_URI"] == f"/api/lists/{quote(value, safe='')}/profiles"


@pytest.mark.parametrize(
    "url", ["", "a.klaviyo.com", "ftp://a.klaviyo.com", "http://", "http://:80", "http://h:x", "http://[h"]
)
def test_a_malformed_api_url_is_refused(url: str, time: Time) -> None:
    with pytest.raises(ConfigurationError, match="api_url"):
        _client(url, time)


def test_the_log_holds_neither_key_nor_address(
    httpserver: HTTPServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="klaviyo_wire")
    httpserver.expect_ordered_request("/api/profiles").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/api/profiles").respond_with_json({"data": []})
    client.call("get_profiles", params={"filter": 'equals(email,"ada@shop.example")'})
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("klaviyo_wire"))
    assert "answered 503" in ours
    assert KEY not in ours
    assert "ada" not in ours
