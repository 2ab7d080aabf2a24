"""The store: a queue whose numbers only grow, which knows what comes again, and keeps a commit whole or not."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from inbox_door import NOW
from typing_extensions import override

from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, Parcel, Receipt
from klaviyo_inbox.store import open_for_reading, open_store
from klaviyo_inbox.store.base import Store, StoreError, StoreFullError
from klaviyo_inbox.store.group_commit import GroupCommit
from klaviyo_inbox.store.sqlite import SqliteStore

LARGE = 10 * 1024**2
ALL = 2**62


def parcel(*keys: str, dead: Sequence[bytes] = (), days: float = 0, stream: str = "events") -> Parcel:
    return Parcel(
        "klaviyo_webhooks",
        stream,
        Delivery(b"", NOW - timedelta(days=days), {"experiment": "é"}),
        tuple(Item(key, b'"%b"' % key.encode()) for key in keys),
        tuple(DeadLetter("of no use", body) for body in dead),
    )


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that is not there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "inbox.sqlite")
    made: Callable[[], str] = request.getfixturevalue("database")
    return made()


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with closing(open_store(address, LARGE)) as opened:
        yield opened


def numbers(store: Store, stream: str = "events", after: int = 0, upto: int = ALL) -> list[int]:
    return [each.sequence for each in store.records(stream, after, upto)]


def test_what_was_there_is_counted_and_not_kept_again(store: Store) -> None:
    receipts = store.append([parcel("a", "b", "a"), parcel("b", "c"), parcel()])
    assert receipts == [Receipt(2, 1, 0), Receipt(1, 1, 0), Receipt(0, 0, 0)]
    assert store.append([parcel("a", dead=[b"x", b"y"])]) == [Receipt(0, 1, 2)]
    assert [each.record for each in store.records("events", 0, ALL)] == [b'"a"', b'"b"', b'"c"']
    assert store.state().dead_letters == 2


def test_a_stream_is_read_between_two_numbers_in_batches(store: Store) -> None:
    store.append([parcel(*map(str, range(1_200))), parcel("x", stream="flow_requests"), parcel("y")])
    assert numbers(store) == [*range(1, 1_201), 1_202]
    assert numbers(store, after=1_100, upto=1_150) == list(range(1_101, 1_151))
    assert numbers(store, "flow_requests") == [1_201]
    assert store.state().newest == 1_202


def test_a_number_is_never_given_twice(store: Store, address: str) -> None:
    """Else a bookmark would stand above what comes next."""
    store.append([parcel("a", "b", days=9), parcel("c", dead=[b"x"], days=8)])
    store.append([parcel("d", dead=[b"y"])])
    assert store.prunable(NOW - timedelta(days=7)) == (3, 1)
    assert store.prune(NOW - timedelta(days=7), 2) == (2, 1)
    assert store.prune(NOW - timedelta(days=7), 2) == (1, 0)
    assert numbers(store) == [4]
    assert store.state()[1:4] == (4, 3, 1)
    assert store.prunable(NOW + timedelta(days=1)) == (1, 1)
    assert store.prune_all(NOW + timedelta(days=1)) == (1, 1)
    assert store.state()[1:4] == (4, 4, 0)
    store.close()
    with closing(open_store(address, LARGE)) as again:
        again.append([parcel("a")])
        assert numbers(again) == [5]
        assert again.prunable(NOW - timedelta(days=7)) == (0, 0)
        assert again.prune(NOW - timedelta(days=7), 9) == (0, 0)
        assert again.state().removed == 4


def test_what_is_removed_from_the_midst_leaves_the_others_their_numbers(store: Store) -> None:
    store.append([parcel("a", "b", "c", dead=[b"x", b"y"])])
    [first, second] = [each.number for each in store.dead_letters()]
    store.remove([2, 99], [second])
    assert numbers(store) == [1, 3]
    assert [each.number for each in store.dead_letters()] == [first]
    assert store.state()[1:4] == (3, 0, 1)  # nothing is told of as removed for its age
    store.append([parcel("b")])
    assert numbers(store) == [1, 3, 4]
    store.remove([], [])
    assert numbers(store) == [1, 3, 4]


def test_a_disk_that_is_full_keeps_nothing_of_a_commit(tmp_path: Path) -> None:
    """And takes again what comes when there is room."""
    store = SqliteStore.opened(str(tmp_path / "inbox.sqlite"), LARGE)
    store.append([parcel("a")])
    [pages] = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = parcel("b", *(f"{n}{'x' * 500}" for n in range(100)))
    for _ in range(2):
        with pytest.raises(StoreFullError, match="no room on the disk"):
            store.append([parcel("c"), large])
    assert numbers(store) == [1]
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store.append([parcel("c"), large]) == [Receipt(1, 0, 0), Receipt(101, 0, 0)]
    with closing(open_for_reading(str(tmp_path / "inbox.sqlite"))) as reader:
        assert len(numbers(reader)) == 103
    store.close()


def test_room_that_was_made_counts(address: str) -> None:
    with closing(open_store(address, 300_000)) as store:
        large = [parcel(*(f"{k}{n}{'x' * 5_000}" for n in range(20)), days=9) for k in range(4)]
        for each in large[:-1]:
            store.append([each])
        with pytest.raises(StoreFullError, match="let the tap read it"):
            store.append([large[-1]])
        with pytest.raises(StoreFullError):
            store.probe()
        store.prune(NOW - timedelta(days=7), 1_000)
        store.probe()
        assert store.append([parcel("a")]) == [Receipt(1, 0, 0)]


@pytest.mark.parametrize("content", [b"not a database, but something else", "other", "newer"])
def test_a_file_that_is_no_store_is_left_alone(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content * 100)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs (a)" if content == "other" else "PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"name another file|cannot be used"):
        open_store(str(path), LARGE)
    with pytest.raises(StoreError, match=r"name another file|cannot be used"):
        open_for_reading(str(path))
    assert path.read_bytes() == before


def test_a_store_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no file"):
        open_for_reading(str(tmp_path / "inbox.sqlite"))
    with pytest.raises(StoreError, match=r"cannot be written \(No such file or directory\)"):
        open_store(str(tmp_path / "nowhere" / "inbox.sqlite"), LARGE)
    assert list(tmp_path.iterdir()) == []


def test_who_reads_while_others_write_finds_every_number_once(store: Store, address: str) -> None:
    """Two receivers of one store, and a reader whose bookmark follows them."""

    def write(name: str) -> None:
        with closing(open_store(address, LARGE)) as mine:
            for n in range(60):
                mine.append([parcel(f"{name}{n}", f"both{n}")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    found: list[bytes] = []
    for each in threads:
        each.start()
    after = 0
    while any(each.is_alive() for each in threads) or after < store.state().newest:
        newest = store.state().newest
        found += [each.record for each in store.records("events", after, newest)]
        after = newest
    assert len(found) == len(set(found)) == 180


def test_a_dead_letter_is_settled(store: Store) -> None:
    """Its place is taken by what has become of it, which may be itself again."""
    store.append([parcel(dead=[b"x"])])
    store.append([parcel(dead=[b"x", b"y"])])
    first, second = store.dead_letters()
    assert (first.source, first.reason, first.size) == ("klaviyo_webhooks", "of no use", 1)
    delivery = store.dead_delivery(first.number)
    assert delivery is not None
    assert (bytes(delivery.body), delivery.received_at, delivery.parameters) == (b"x", NOW, {"experiment": "é"})
    assert store.settle(first.number, parcel("a", dead=[b"x"])) == Receipt(1, 0, 1)
    assert store.settle(second.number, None) == Receipt(0, 0, 0)
    [left] = store.dead_letters()
    assert left.number > second.number
    assert store.dead_delivery(first.number) is None
    assert numbers(store) == [1]


class Slow(SqliteStore):
    """Waits in a commit until it is told to go on; counts them."""

    go = threading.Event()
    sizes: list[int]

    @override
    def append(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        self.go.wait(5)
        self.sizes.append(len(parcels))
        return super().append(parcels)


@contextmanager
def slow(tmp_path: Path) -> Iterator[Slow]:
    Slow.go, Slow.sizes = threading.Event(), []
    open_store(str(tmp_path / "inbox.sqlite"), LARGE).close()
    with closing(Slow.existing(str(tmp_path / "inbox.sqlite"), LARGE)) as store:
        yield store


def test_what_comes_during_a_commit_shares_the_next(tmp_path: Path) -> None:
    async def play(store: Slow) -> list[Receipt]:
        commits = GroupCommit(store)
        waiting = [asyncio.create_task(commits.append(parcel(f"k{n}"))) for n in range(50)]
        gone = asyncio.create_task(commits.append(parcel("gone")))
        looked = asyncio.create_task(commits.call(lambda held: held.state().newest))
        behind = asyncio.create_task(commits.append(parcel("behind")))
        await asyncio.sleep(0.05)
        gone.cancel()
        store.go.set()
        receipts = await asyncio.gather(*waiting)
        assert await looked == 51, "what was asked is answered when what came before is kept"
        assert (await behind).stored == 1
        await commits.close()
        return receipts

    with slow(tmp_path) as store:
        assert asyncio.run(play(store)) == [Receipt(1, 0, 0)] * 50
        assert len(store.sizes) <= 3
        assert sum(store.sizes) == 52


def test_whoever_waits_for_a_commit_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(store: Slow) -> list[Receipt | BaseException]:
        commits = GroupCommit(store)
        monkeypatch.setattr(store, "_max_bytes", 1)
        failed = [asyncio.create_task(commits.append(parcel(f"k{n}"))) for n in range(5)]
        store.go.set()
        outcomes = await asyncio.gather(*failed, return_exceptions=True)
        monkeypatch.setattr(store, "_max_bytes", LARGE)
        outcomes.append(await commits.append(parcel("k0")))
        await commits.close()
        return outcomes

    with slow(tmp_path) as store:
        *failed, last = asyncio.run(play(store))
        assert [type(each) for each in failed] == [StoreFullError] * 5
        assert last == Receipt(1, 0, 0)
