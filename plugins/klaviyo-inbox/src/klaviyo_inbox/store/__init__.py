"""Where deliveries are kept until the tap has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_inbox.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from klaviyo_inbox.store.base import Store

_POSTGRES = ("postgresql://", "postgres://")


def open_store(address: str, max_bytes: int) -> Store:
    """The store that the setting `store` names; made if there is none.

    Args:
        address: A path, or the URL of a PostgreSQL database.
        max_bytes: The size beyond which it takes nothing.

    Raises:
        StoreError: it cannot be used.
    """
    if address.startswith(_POSTGRES):
        from klaviyo_inbox.store.postgres import PostgresStore  # noqa: PLC0415 - its driver is slow to import

        return PostgresStore.opened(address, max_bytes)
    return SqliteStore.opened(address, max_bytes)


def open_for_reading(address: str) -> Store:
    """A store that exists.

    Raises:
        StoreError: it does not, or cannot be read.
    """
    if address.startswith(_POSTGRES):
        from klaviyo_inbox.store.postgres import PostgresStore  # noqa: PLC0415 - as above

        return PostgresStore.existing(address)
    return SqliteStore.existing(address)
