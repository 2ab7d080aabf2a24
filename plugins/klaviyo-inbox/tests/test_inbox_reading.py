"""Bodies are read within bounds, and what was held of one that was not taken makes room again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from klaviyo_inbox.reading import AT_ONCE, BodyError, BodyReader

MOST = 1_000
SCOPE = {"type": "http", "method": "POST", "headers": []}


def request(*chunks: bytes | float | None) -> Request:
    """Chunks of a body; a number is a pause of so many seconds, and None its sender's end."""
    coming = list(chunks)

    async def receive() -> dict[str, Any]:
        chunk = coming.pop(0)
        if isinstance(chunk, float):
            await asyncio.sleep(chunk)
            chunk = coming.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(coming)}

    return Request(SCOPE, receive)


def played(play: Callable[[BodyReader], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what it returns
    async def run() -> Any:  # noqa: ANN401 - as above
        return await play(BodyReader(MOST, seconds=0.05))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        ((b"x" * 500, 0.2, b"x"), 503),  # a flow repeats it, and skips a 408
        ((b"x" * 500, b"x" * 501), 413),
        ((b"x" * 500, None), 400),
    ],
)
def test_what_was_held_of_a_body_that_is_not_taken_makes_room(chunks: tuple[Any, ...], status: int) -> None:
    async def play(reader: BodyReader) -> bytes:
        for _ in range(AT_ONCE * 2):
            with pytest.raises(BodyError) as error:
                await reader.read(request(*chunks))
            assert error.value.status == status
        for _ in range(AT_ONCE):
            body = await reader.read(request(b"x" * MOST))
        return body

    assert played(play) == b"x" * MOST


def test_whoever_comes_when_there_is_no_room_is_to_come_again() -> None:
    async def play(reader: BodyReader) -> None:
        held = [await reader.read(request(b"x" * 400, b"x" * 600)) for _ in range(AT_ONCE)]
        for _ in range(2):
            with pytest.raises(BodyError) as error:
                await reader.read(request(b"x"))
            assert error.value.status == 503
        reader.release(held.pop())
        assert await reader.read(request(b"x", b"y")) == b"xy"

    played(play)
