"""Bulk requests: how much Klaviyo takes in one, and how to fill them.

Sizes from Klaviyo's OpenAPI document and bulk guides, revision 2026-07-15. Whether 5 MB means 5,000,000 or
5,242,880 bytes is not documented, so the smaller one counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

MEGABYTE = 1_000_000
KILOBYTE = 1_000

T = TypeVar("T")


@dataclass(frozen=True)
class BulkLimits:
    """What one bulk request may hold.

    `items` counts rows; `request_bytes` is the encoded body, `item_bytes` one encoded row (None: no own limit).
    """

    items: int
    request_bytes: int = 5 * MEGABYTE
    item_bytes: int | None = None


PROFILE_IMPORT = BulkLimits(items=10_000, item_bytes=100 * KILOBYTE)


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON: the form that is sent and counted.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON does not have, or a lone surrogate, which
            UTF-8 does not have.
        TypeError: the value holds something that is not JSON.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def split(items: Iterable[T], size: Callable[[T], int], limits: BulkLimits, *, envelope: int) -> Iterator[list[T]]:
    """The items in order, in requests as full as the limits allow.

    Args:
        items: Each fits into a request by itself: an item over `limits.item_bytes` is the caller's to refuse.
        size: Bytes of an item as encoded.
        limits: What one request holds.
        envelope: Bytes of the request around its items.
    """
    batch: list[T] = []
    used = envelope
    for item in items:
        grown = used + size(item) + (1 if batch else 0)  # the comma
        if batch and (len(batch) == limits.items or grown > limits.request_bytes):
            yield batch
            batch, grown = [], envelope + size(item)
        batch.append(item)
        used = grown
    if batch:
        yield batch
