"""Whole JSON:API documents of a listing, page by page, where more of them is needed than their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from klaviyo_wire.jsonapi import next_link
from tap_klaviyo_engagement.extraction.record_decoder import read_document

if TYPE_CHECKING:
    from klaviyo_wire.client import Client
    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.errors import Unreadable

NO_PARAMS: Mapping[str, str] = {}


def documents(
    client: Client,
    operation: str,
    put_aside: Callable[[Unreadable], None],
    *,
    path: Mapping[str, str] = NO_PARAMS,
    params: Mapping[str, str] = NO_PARAMS,
) -> Iterator[Json]:
    """The documents of a listing, page by page.

    Args:
        client: The request loop.
        operation: What is listed.
        put_aside: Takes a resource in them that is none.
        path: Values of the operation's path parameters.
        params: Query parameters of the first page.
    """
    link = lambda page: next_link(page.value)  # noqa: E731 - too short for a name
    for page in client.follow(operation, read_document, link, path=path, params=params):
        for fault in page.unreadable:
            put_aside(fault)
        yield page.value
