"""The same files on each of the places, from servers that are real and on this machine alone."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncssh
import boto3  # type: ignore[import-untyped]
import pytest
from file_runs import Read, put
from moto.server import ThreadedMotoServer

from tap_klaviyo_files.places import sftp as sftp_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "Event ID,Timestamp,Metric ID,Klaviyo ID,Email\n"
SECRET = "hunter2-of-the-test"


def rows(*numbers: int) -> str:
    return "".join(f"e{n},2026-11-01 00:00:00,Met,p{n},p{n}@example.com\n" for n in numbers)


class SftpServer(NamedTuple):
    """A server with one user, who has a key and a password.

    Attributes:
        url: Its address, with the user.
        root: The folder that it shows.
        settings: By which it is reached.
    """

    url: str
    root: Path
    settings: dict[str, Any]


class _OneUser(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("me", SECRET)


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    folder = tmp_path_factory.mktemp("sftp")
    root = folder / "root"
    root.mkdir()
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user_key.write_private_key(str(folder / "key"), passphrase=SECRET, rounds=1, ignore_few_rounds=True)
    (folder / "authorized").write_bytes(user_key.export_public_key())
    ready, loop, port = threading.Event(), asyncio.new_event_loop(), 0

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_OneUser,
            server_host_keys=[host_key],
            authorized_client_keys=str(folder / "authorized"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        )

    def run() -> None:
        nonlocal port
        server = loop.run_until_complete(serve())
        port = server.get_port()
        ready.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    yield SftpServer(
        f"sftp://me@127.0.0.1:{port}",
        root,
        {
            "sftp_known_hosts_path": str(known),
            "sftp_private_key_path": str(folder / "key"),
            "sftp_private_key_passphrase": SECRET,
        },
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


class S3Server(NamedTuple):
    """A store with one bucket.

    Attributes:
        put: Puts an object into it.
        settings: By which it is reached.
    """

    put: Callable[[str, str], None]
    settings: dict[str, Any]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKX",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="exports")
    yield S3Server(
        lambda key, body: client.put_object(Bucket="exports", Key=key, Body=body.encode()),
        {
            "s3_endpoint_url": endpoint,
            "s3_region": "us-east-1",
            "s3_access_key_id": "AKX",
            "s3_secret_access_key": SECRET,
        },
    )
    client.close()
    server.stop()


def test_sftp(
    sftp: SftpServer, read: Read, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(sftp_place, "_REQUEST", 100)
    monkeypatch.setattr(sftp_place, "_WINDOW", 300)
    many = range(10, 40)
    put(sftp.root / "events" / "a.csv", HEAD + rows(*many))
    put(sftp.root / "events" / "day 2?" / "b#1.csv", HEAD + rows(2), hours_ago=0.5)
    put(sftp.root / "events" / "new.csv", HEAD + rows(3), hours_ago=0)
    files = [{"path": f"{sftp.url}/events", "stream": "events"}]
    run = read(files, **sftp.settings)
    assert not run.faults
    found = [record["id"] for record in run.records("events")]
    assert found == [f"e{n}" for n in (*many, 2)], "in windows of requests, in order"
    assert [url.rpartition("/events/")[2] for url in run.state["bookmarks"]["events"]["files"]] == [
        "a.csv",
        "day 2?/b#1.csv",
    ]
    assert not any("me@" in url for url in run.state["bookmarks"]["events"]["files"])
    put(sftp.root / "events" / "a.csv", HEAD + rows(*many, 4), hours_ago=0.3)
    run = read(files, run.state, **sftp.settings)
    assert [record["id"] for record in run.records("events")] == ["e4"]
    pattern = [{"path": f"{sftp.url}/events/*/b*.csv", "stream": "events"}]
    assert [record["id"] for record in read(pattern, **sftp.settings).records("events")] == ["e2"]
    assert SECRET not in caplog.text
    assert "@example.com" not in caplog.text


def test_sftp_by_password_and_what_it_says_when_it_lets_nobody_in(
    sftp: SftpServer, read: Read, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(sftp.root / "password" / "a.csv", HEAD + rows(1))
    known = {"sftp_known_hosts_path": sftp.settings["sftp_known_hosts_path"]}
    files = [{"path": f"{sftp.url}/password", "stream": "events"}]
    assert not read(files, **known, sftp_password=SECRET).faults
    other = tmp_path / "known_hosts"
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    other.write_text(f"{Path(known['sftp_known_hosts_path']).read_text().split()[0]} {key}")
    for settings, told in (
        ({**known, "sftp_password": "wrong"}, "does not let me in"),
        ({**sftp.settings, "sftp_private_key_passphrase": "wrong"}, "not"),
        ({**known, "sftp_private_key_path": str(tmp_path / "none")}, "No such file"),
        ({"sftp_password": SECRET, "sftp_known_hosts_path": str(tmp_path / "nobody")}, "ssh-keyscan -p"),
        ({"sftp_password": SECRET, "sftp_known_hosts_path": str(other)}, "has another key than"),
    ):
        [fault] = read(files, **settings).faults
        assert told in fault
        assert SECRET not in fault
    nowhere = [{"path": f"{sftp.url}/nowhere", "stream": "events"}]
    assert "there is no such file" in read(nowhere, **sftp.settings).faults[0]
    [fault] = read([{"path": "sftp://me@127.0.0.1:1/x", "stream": "events"}], **sftp.settings).faults
    assert "cannot be reached" in fault
    assert SECRET not in caplog.text


def test_s3(s3: S3Server, read: Read, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    s3.put("events/2026/a.csv", HEAD + rows(1, 2))
    s3.put(
        "events/2026/b.jsonl", json.dumps({"id": "e3", "time": 1764500000, "metric_id": "M", "profile_id": "p"})
    )
    s3.put("other/c.csv", HEAD + rows(4))
    files = [{"path": "s3://exports/events", "stream": "events"}]
    run = read(files, **s3.settings)
    assert not run.faults
    assert sorted(record["id"] for record in run.records("events")) == ["e1", "e2", "e3"], (
        "objects are whole at once"
    )
    assert sorted(run.state["bookmarks"]["events"]["files"]) == [
        "s3://exports/events/2026/a.csv",
        "s3://exports/events/2026/b.jsonl",
    ]
    s3.put("events/2026/a.csv", HEAD + rows(1, 2, 5))
    run = read(files, run.state, **s3.settings)
    assert [record["id"] for record in run.records("events")] == ["e5"]
    pattern = [{"path": "s3://exports/*/*.csv", "stream": "events"}]
    assert [record["id"] for record in read(pattern, **s3.settings).records("events")] == ["e4"]
    [fault] = read([{"path": "s3://nobody/x", "stream": "events"}], **s3.settings).faults
    assert "s3://nobody/x" in fault
    assert SECRET not in caplog.text + fault
