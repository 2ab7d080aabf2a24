"""The store in PostgreSQL: several receivers, a connection that is lost, a database that holds something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from inbox_door import NOW, door, event, signed, webhook_body

from klaviyo_inbox.delivery import Delivery, Item, Parcel
from klaviyo_inbox.store import open_for_reading, open_store
from klaviyo_inbox.store.base import StoreError
from klaviyo_inbox.store.postgres import SCHEMA, PostgresStore

LARGE = 10 * 1024**2


def parcel(key: str) -> Parcel:
    return Parcel("klaviyo_webhooks", "pushed_events", Delivery(b"", NOW), (Item(key, b"{}"),), ())


def test_two_receivers_of_one_database_keep_each_event_once(tmp_path: Path, database: Callable[[], str]) -> None:
    url = database()
    with ExitStack() as doors:
        inboxes = [doors.enter_context(door(tmp_path, store=url)) for _ in range(2)]
        answers = []

        def deliver(number: int) -> None:
            """Each delivery comes to both, with a part of the one before."""
            bodies = [signed(webhook_body(event(f"E{n}"), event(f"E{n + 1}"))) for n in range(30)]
            answers.extend(inboxes[number].calls("/klaviyo/webhooks", bodies))

        threads = [threading.Thread(target=deliver, args=(n,)) for n in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert {each.status for each in answers} == {200}
        assert sum(each.json["stored"] for each in answers) == 31
        assert sorted(each["id"] for each in inboxes[0].records("pushed_events")) == sorted(
            f"E{n}" for n in range(31)
        )
        assert inboxes[0].call("/healthz", method="GET").status == 200


def test_a_number_is_not_seen_before_those_below_it(database: Callable[[], str]) -> None:
    """Whoever comes second waits with its number for the first to commit: else a bookmark would pass it over."""
    url = database()
    with closing(open_store(url, LARGE)) as first, closing(open_store(url, LARGE)) as second:
        assert isinstance(first, PostgresStore)
        with first._transaction() as connection:
            first._kept(connection, [parcel("a")])
            later = threading.Thread(target=second.append, args=([parcel("b")],))
            later.start()
            later.join(0.2)
            assert later.is_alive()
            with closing(open_for_reading(url)) as reader:
                assert reader.state().newest == 0
        later.join()
        assert [each.sequence for each in second.records("pushed_events", 0, 9)] == [1, 2]


def test_a_connection_that_is_lost_is_made_anew(database: Callable[[], str]) -> None:
    url = database()
    with closing(open_store(url, LARGE)) as store:
        store.append([parcel("a")])
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(StoreError, match="the store cannot be used"):
            store.append([parcel("b")])
        assert store.append([parcel("b")])[0].stored == 1
        assert store.state().newest == 2


def test_what_is_no_store_is_told(database: Callable[[], str]) -> None:
    url = database()
    with pytest.raises(StoreError, match="no receiver has made a store in this database"):
        open_for_reading(url)
    with pytest.raises(StoreError, match="the store cannot be used") as error:
        open_store("postgresql://inbox:hidden-word@127.0.0.1:1/none", LARGE)
    assert "hidden-word" not in str(error.value)
    open_store(url, LARGE).close()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"UPDATE {SCHEMA}.about SET value = '2' WHERE name = 'version'")  # noqa: S608 - ours
    with pytest.raises(StoreError, match="is no store of this version"):
        open_store(url, LARGE)
    with pytest.raises(StoreError, match="is no store of this version"):
        open_for_reading(url)
