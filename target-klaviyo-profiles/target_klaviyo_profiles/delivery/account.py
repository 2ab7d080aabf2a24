"""Whose account is written to: never another one than that of the records, of the ledger, or of the settings.

A warehouse names profiles, lists and messages by the ids of one account. With another account's key most of it is
refused row by row, and what is known by address or name is written to the wrong people. So before the first record
is sent Klaviyo is asked whose the key is. Compared with that are

- the setting `account_id`;
- what a STATE says of its streams, `bookmarks.<stream>.for_account`, as `tap-duckdb` does;
- the account that the ledger was begun with.

Not told is no proof: where one of these names an account and Klaviyo does not tell whose the key is, nothing is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from klaviyo_wire.accounts import NOT_NAMED, owner
from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Unreachable

if TYPE_CHECKING:
    from klaviyo_wire.client import Client
    from target_klaviyo_profiles.delivery.ledger import Ledger

FOR_ACCOUNT = "for_account"
"""Where the state of a stream says for which account its records are."""


def told_owners(state: object) -> set[str]:
    """The accounts that a STATE says its streams' records are for."""
    bookmarks = state.get("bookmarks") if isinstance(state, Mapping) else None
    streams = bookmarks.values() if isinstance(bookmarks, Mapping) else ()
    found = {each.get(FOR_ACCOUNT) for each in streams if isinstance(each, Mapping)}
    return {each for each in found if isinstance(each, str)}


class AccountCheck:
    """Compares the account of the key with those that records, ledger and settings name.

    Args:
        client: Asks Klaviyo; one request a run.
        declared: The setting `account_id`.
        ledger: Keeps whose it is.
        warn: Takes what cannot be checked.
    """

    def __init__(
        self, client: Client, declared: str | None, ledger: Ledger, warn: Callable[[str], object]
    ) -> None:
        self._client = client
        self._declared = declared
        self._ledger = ledger
        self._warn = warn
        self._told: set[str] = set()
        self._account: str | None = None
        self._asked = False

    def hear(self, state: object) -> None:
        """Take what a STATE says of its records.

        Raises:
            ConfigurationError: they are for another account.
        """
        told = told_owners(state) - self._told
        self._told |= told
        if self._asked and told:
            self._compare(self._account, "")

    def check(self) -> None:
        """Ask once whose the key is, before anything is sent.

        Raises:
            ConfigurationError: the key is of another account, or it is not known whether it is.
            KlaviyoError: nothing can be written.
        """
        if self._asked:
            return
        account, reason = self._ask()
        if account and self._declared and account != self._declared:
            msg = (
                f"the setting `account_id` is {self._declared}, and the key is of the account {account}: give the "
                "key of that account, or correct the setting; nothing was written"
            )
            raise ConfigurationError(msg)
        # What Klaviyo does not tell, the settings may.
        self._compare(account or self._declared, reason)
        self._account = account or self._declared
        self._asked = True
        if self._account:
            self._ledger.claim(self._account)
        else:
            self._warn(
                "it is not checked whose account is written to: Klaviyo does not tell whose the key is "
                f"({reason}); add the scope `accounts:read` to it, or set `account_id`"
            )

    def _ask(self) -> tuple[str | None, str]:
        """The account of the key, or why it is not known."""
        try:
            account = owner(self._client.call("get_accounts", params={"fields[account]": "timezone"}))
        except KlaviyoError as error:
            if isinstance(error, ConfigurationError | Unreachable) and not isinstance(error, MissingScope):
                raise
            return None, str(error)
        return account, "" if account else NOT_NAMED

    def _compare(self, account: str | None, reason: str) -> None:
        kept = self._ledger.owner()
        named = {f"the records are for the account {each}": each for each in sorted(self._told)}
        if kept:
            named[f"the ledger is of the account {kept}"] = kept
        others = [text for text, each in named.items() if each != account]
        if not others:
            return
        found = "; ".join(others)
        if account:
            msg = (
                f"{found}, and the key is of {account}: give the key of that account; or give this one a "
                "warehouse and a ledger of its own (a Meltano environment, or the setting `ledger_path`); nothing "
                "more is written"
            )
        else:
            msg = (
                f"{found}, and nobody tells whose the key is ({reason}): add the scope `accounts:read` to the "
                "key; or, if you know that it is of this account, set `account_id` to it; nothing is written"
            )
        raise ConfigurationError(msg)
