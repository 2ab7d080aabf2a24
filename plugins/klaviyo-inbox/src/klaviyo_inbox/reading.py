"""Reads the body of a request, within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

SECONDS = 30.0
"""In which a body must have come."""

AT_ONCE = 4
"""As many bodies of the largest size may be held at once; whoever comes beyond that is asked to come again."""


class BodyError(Exception):
    """A body that is not taken.

    Attributes:
        status: What it is answered.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class _Held:
    """What has come of a body."""

    chunks: list[bytes] = field(default_factory=list)
    size: int = 0


class BodyReader:
    """Reads bodies of all requests, and counts what is held of them.

    Args:
        most: Bytes of the largest body, as it comes and unpacked.
        seconds: In which it must have come.
    """

    def __init__(self, most: int, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._room = most * AT_ONCE

    async def read(self, request: Request) -> bytes:
        """The body as it comes. It counts as held until `release`.

        Raises:
            BodyError: it is too large, too slow, there is no room, or its sender went away.
        """
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._most:
            raise BodyError(413, "too large")
        held = _Held()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    self._hold(held, chunk)
        except BaseException as error:
            self._room += held.size
            if isinstance(error, TimeoutError):
                raise BodyError(503, "too slow") from None
            if isinstance(error, ClientDisconnect):
                raise BodyError(400, "cut") from None
            raise
        return b"".join(held.chunks)

    def _hold(self, held: _Held, chunk: bytes) -> None:
        held.size += len(chunk)
        self._room -= len(chunk)
        if held.size > self._most:
            raise BodyError(413, "too large")
        if self._room < 0:
            raise BodyError(503, "no room")
        held.chunks.append(chunk)

    def release(self, body: bytes) -> None:
        """A body that was read is done with."""
        self._room += len(body)

    def unpacked(self, body: bytes, encoding: str) -> bytes:
        """A body as its sender wrote it.

        Args:
            body: As it came.
            encoding: The header `Content-Encoding`.

        Raises:
            BodyError: it is packed in a way that is not known, is not whole, or is too large.
        """
        if encoding.strip().lower() in {"", "identity"}:
            return body
        if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
            raise BodyError(415, "packed in an unknown way")
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            plain = unpacker.decompress(body, self._most + 1)
        except zlib.error:
            raise BodyError(400, "packed wrongly") from None
        if len(plain) > self._most:
            raise BodyError(413, "too large")
        if not unpacker.eof:
            raise BodyError(400, "packed wrongly")
        return plain
