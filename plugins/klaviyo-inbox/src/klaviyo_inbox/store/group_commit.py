"""One commit for all that came while the one before it was written to disk: who waits for it shares its cost."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from klaviyo_inbox.delivery import Parcel, Receipt
    from klaviyo_inbox.store.base import Store

T = TypeVar("T")
_LARGEST = 2_000
"""Items in one commit, about: a larger one would let those in it wait longer than those behind it."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done with the store, and who waits for it. Neither a parcel nor a call: the end."""

    answer: asyncio.Future[Any]
    parcel: Parcel | None = None
    call: Callable[[Store], Any] | None = None


class GroupCommit:
    """A thread that alone touches the store. Made, called and closed in one event loop.

    Args:
        store: Is closed with it.
        committed: Told in the thread after each commit how many parcels were in it.
    """

    def __init__(self, store: Store, committed: Callable[[int], object] = lambda _: None) -> None:
        self._store = store
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    async def append(self, parcel: Parcel) -> Receipt:
        """Keep a parcel; it is on disk when this returns.

        Raises:
            StoreError: it is not kept.
        """
        receipt: Receipt = await self._done(_Job(self._loop.create_future(), parcel=parcel))
        return receipt

    async def call(self, call: Callable[[Store], T]) -> T:
        """Do something else with the store, between two commits.

        Raises:
            StoreError: whatever the call raises.
        """
        result: T = await self._done(_Job(self._loop.create_future(), call=call))
        return result

    async def close(self) -> None:
        """Keep what still waits, and close the store."""
        await self._done(_Job(self._loop.create_future()))

    async def _done(self, job: _Job) -> Any:  # noqa: ANN401 - of any type
        self._jobs.put(job)
        return await job.answer

    def _run(self) -> None:
        following: _Job | None = None
        while True:
            job = following or self._jobs.get()
            following = None
            if job.parcel is not None:
                group, following = self._group(job)
                self._answer(group, partial(self._commit, group))
            elif job.call is not None:
                self._answer([job], partial(self._call, job.call))
            else:
                self._answer([job], partial(self._call, lambda store: store.close()))
                return

    def _group(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """The parcels that wait now, and what waits behind them and is none, or too many."""
        group, size, job = [first], 0, first
        while size < _LARGEST:
            size += 1 + len(job.parcel.items if job.parcel else ())
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, None
            if job.parcel is None:
                return group, job
            group.append(job)
        return group, None

    def _commit(self, group: Sequence[_Job]) -> list[Receipt]:
        receipts = self._store.append([job.parcel for job in group if job.parcel is not None])
        self._committed(len(group))
        return receipts

    def _call(self, call: Callable[[Store], Any]) -> list[Any]:
        return [call(self._store)]

    def _answer(self, jobs: Sequence[_Job], call: Callable[[], Sequence[Any]]) -> None:
        """Do it, and wake all who wait for it at once: that costs more than telling them."""
        results: Sequence[Any] = ()
        fault: Exception | None = None
        try:
            results = call()
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            fault = error

        def tell() -> None:
            for n, job in enumerate(jobs):
                if job.answer.done():  # who waited is gone
                    continue
                if fault is None:
                    job.answer.set_result(results[n])
                else:
                    job.answer.set_exception(fault)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)
