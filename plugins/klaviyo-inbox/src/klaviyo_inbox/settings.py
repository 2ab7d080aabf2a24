"""The settings of the receiver, by file or as `KLAVIYO_INBOX_<SETTING>`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from singer_program.errors import ProgramError
from singer_program.people_list import settings_faults
from singer_program.settings import SECRET, Settings

PROGRAM = "klaviyo-inbox"
SHORTEST = 16
"""Characters of a secret: Klaviyo asks for as many, and what is shorter can be guessed."""

_OPEN_NOTHING = frozenset({"store", "forgotten_key"})
"""Secrets that are no source's."""
Token = str | tuple[str, ...]
"""A secret, or several of which each opens, so that one can be changed while senders still use the other."""


def secrets_of(given: Token | None) -> tuple[str, ...]:
    """The secrets of a setting. A variable of the environment may hold several as a JSON list."""
    if isinstance(given, str) and given.startswith("["):
        try:
            return tuple(msgspec.json.decode(given, type=list[str]))
        except msgspec.MsgspecError:
            return (given,)
    return (given,) if isinstance(given, str) else tuple(given or ())


class InboxSettings(Settings, kw_only=True):
    """What `klaviyo-inbox serve` is told. A source is open if its secret is set."""

    store: Annotated[
        str,
        SECRET,
        Meta(
            min_length=1,
            description="Where deliveries are kept: the path of an SQLite file, made if there is none, or a"
            " `postgresql://` URL",
        ),
    ]
    klaviyo_webhook_secrets: Annotated[
        tuple[str, ...],
        SECRET,
        Meta(description="Opens Klaviyo's webhooks: the `secret_key` each was made with"),
    ] = ()
    klaviyo_webhook_ids: Annotated[
        tuple[str, ...], Meta(description="The ids of the webhooks that may call; without it, any that is signed")
    ] = ()
    flow_token: Annotated[
        Token | None, SECRET, Meta(description="Opens flows: what their webhook action sends as `X-Inbox-Token`")
    ] = None
    shopify_secrets: Annotated[
        tuple[str, ...], SECRET, Meta(description="Opens Shopify: what it signs with, the app's client secret")
    ] = ()
    woocommerce_secrets: Annotated[
        tuple[str, ...], SECRET, Meta(description="Opens WooCommerce: the secret of each of its webhooks")
    ] = ()
    order_token: Annotated[
        Token | None, SECRET, Meta(description="Opens orders of any other shop: its bearer token")
    ] = None
    write_keys: Annotated[
        tuple[str, ...], SECRET, Meta(description="Opens site events: the write keys, sent as user of Basic")
    ] = ()
    form_token: Annotated[
        Token | None, SECRET, Meta(description="Opens preference and registration forms: their bearer token")
    ] = None
    privacy_token: Annotated[
        Token | None, SECRET, Meta(description="Opens requests of people for their data: the bearer token")
    ] = None
    forgotten_path: Annotated[
        str | None,
        Meta(
            description="List of people who asked to be forgotten, a keyed hash a line: what is pushed of them is"
            " not kept, but for forms and requests. It is read again when it changes"
        ),
    ] = None
    forgotten_key: Annotated[
        str | None, SECRET, Meta(description="Key of its hashes, of 32 characters at least")
    ] = None
    max_body_bytes: Annotated[
        int, Meta(ge=1_024, description="The largest body that is taken; a larger one is answered 413")
    ] = 32 * 1024 * 1024
    replay_seconds: Annotated[
        int,
        Meta(ge=1, description="How far from now the signed time of a delivery may lie, before and after"),
    ] = 24 * 3600
    retention_days: Annotated[
        float,
        Meta(
            gt=0, description="Days after which what was received is removed, whether the tap has read it or not"
        ),
    ] = 7
    max_store_bytes: Annotated[
        int, Meta(ge=1024 * 1024, description="The size of the store beyond which nothing is taken: 503")
    ] = 10 * 1024**3

    def __post_init__(self) -> None:
        """Check the secrets.

        Raises:
            ValueError: one is no secret, or lacks what it belongs to.
        """
        for name, values in self.secrets().items():
            for value in values:
                if len(value) < SHORTEST or value != value.strip():
                    msg = (
                        f"the setting `{name}` holds a secret of fewer than {SHORTEST} characters, or with blanks"
                        " around it: give it a long random one"
                    )
                    raise ValueError(msg)
        if faults := settings_faults("forgotten_key", self.forgotten_key, {"forgotten_path": self.forgotten_path}):
            raise ValueError("; ".join(faults))
        if self.replay_seconds > self.retention_days * 86_400:
            msg = (
                "`replay_seconds` is longer than `retention_days`: what is sent again in that time"
                " could not be known; give a smaller one"
            )
            raise ValueError(msg)

    def secrets(self) -> dict[str, tuple[str, ...]]:
        """The secrets by the setting that holds them, whose source is open if there is one."""
        properties = self.json_schema()["properties"]
        names = [name for name, schema in properties.items() if schema.get("secret") and name not in _OPEN_NOTHING]
        return {name: secrets_of(getattr(self, name)) for name in names}

    def check_open(self) -> None:
        """See that there is something to serve.

        Raises:
            ProgramError: no source has a secret.
        """
        given = self.secrets()
        if not any(given.values()):
            message = (
                f"no source is open: set the secret of one at least, {', '.join(f'`{name}`' for name in given)}"
            )
            raise ProgramError(message)
