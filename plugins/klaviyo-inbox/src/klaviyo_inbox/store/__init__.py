"""Where deliveries are kept until the tap has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_inbox.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from klaviyo_inbox.store.base import Store


def open_store(address: str, max_bytes: int) -> Store:
    """The store that the setting `store` names; made if there is none.

    Args:
        address: A path.
        max_bytes: The size beyond which it takes nothing.

    Raises:
        StoreError: it cannot be used.
    """
    return SqliteStore.opened(address, max_bytes)


def open_for_reading(address: str) -> Store:
    """A store that exists.

    Raises:
        StoreError: it does not, or cannot be read.
    """
    return SqliteStore.existing(address)
