"""Programs of this machine are answered; what a web page can make a browser send is refused and has no effect."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

FAULT = b'{"faults": [{"kind": "status", "times": null}]}'


def sent(sandbox: Sandbox, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a request that no library would send."""
    place = urlsplit(sandbox.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def raw(sandbox: Sandbox, *headers: str, request: str = "POST /sandbox/faults", version: str = "1.1") -> int:
    """Status of the answer to a request that would break every later one; `{port}` is the sandbox's."""
    lines = [f"{request} HTTP/{version}", *headers, f"Content-Length: {len(FAULT)}", "Connection: close", "", ""]
    text = "\r\n".join(lines).replace("{port}", str(urlsplit(sandbox.url).port))
    return sent(sandbox, text.encode() + FAULT)[0]


FOREIGN = {
    "a name made to resolve here": ["Host: evil.example:{port}"],
    "a name that begins with ours": ["Host: 127.0.0.1.evil.example:{port}"],
    "a name that ends with ours": ["Host: evil-localhost:{port}"],
    "ours before an at sign": ["Host: 127.0.0.1:{port}@evil.example"],
    "the address of every network": ["Host: 0.0.0.0:{port}"],
    "an empty name": ["Host:"],
    "a page": ["Host: 127.0.0.1:{port}", "Origin: https://evil.example"],
    "a page without an origin": ["Host: 127.0.0.1:{port}", "Origin: null"],
    "a page of another local server": ["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:1"],
    "an origin that begins with ours": ["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}.evil.example"],
    "ours, encrypted": ["Host: 127.0.0.1:{port}", "Origin: https://127.0.0.1:{port}"],
    "a form's post": ["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"],
    "a post of a sibling": ["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: same-site"],
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_what_a_page_can_send_is_refused_and_has_no_effect(sandbox: Sandbox, headers: list[str]) -> None:
    assert raw(sandbox, *headers) == 403
    assert raw(sandbox, *headers, request="OPTIONS /sandbox/faults") == 403
    assert raw(sandbox, *headers, request="GET /sandbox/counts") == 403
    key = f"Authorization: Klaviyo-API-Key {sandbox.api_key}"
    assert raw(sandbox, *headers, key, "revision: 2026-07-15", request="GET /api/accounts") == 403
    assert list(sandbox.faults.report()) == []
    assert not sandbox.requests


def test_no_host_and_two_hosts_are_no_host(sandbox: Sandbox) -> None:
    assert raw(sandbox, version="1.0") == 403
    assert raw(sandbox, "Host: 127.0.0.1:{port}", "Host: evil.example") in (400, 403)
    assert list(sandbox.faults.report()) == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.0.0.1:80"]
)
def test_a_program_of_this_machine_is_answered(sandbox: Sandbox, host: str) -> None:
    assert raw(sandbox, f"Host: {host}") == 200
    assert raw(sandbox, f"Host: {host}", "Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin") == 200


def test_the_refusal_says_what_to_do(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/sandbox/counts", headers={"Host": "evil.example"}, timeout=5)
    assert "127.0.0.1" in json.loads(answer.text)["error"]
    answer = requests.get(f"{sandbox.url}/api/accounts", headers={"Origin": "https://evil.example"}, timeout=5)
    assert "`Origin`" in answer.json()["error"]
    assert "Access-Control-Allow-Origin" not in answer.headers
