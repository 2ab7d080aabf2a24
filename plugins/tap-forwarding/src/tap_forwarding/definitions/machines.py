"""Reads `bots`: by what events are known that no person made."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from singer_program.definitions.keys import read_mapping
from tap_forwarding.definitions import schema
from tap_forwarding.definitions.model import Bots, Network
from tap_forwarding.definitions.rules import names

if TYPE_CHECKING:
    from singer_program.definitions.yaml_values import Value

USER_AGENTS = (
    "bot",
    "crawl",
    "curl/",
    "facebookexternalhit",
    "headless",
    "httpclient",
    "lighthouse",
    "monitor",
    "phantomjs",
    "python-requests",
    "scrap",
    "selenium",
    "slurp",
    "spider",
    "wget",
)
"""Words of user agents by which programs tell that they are no browser, in small letters."""
_SHORTEST = 3


def read_bots(value: Value) -> Bots:
    """What machines are known by."""
    if value.is_word(schema.KEEP_BOTS):
        return Bots(kept=True, user_agents=(), networks=(), per_minute=None)
    fields = read_mapping(value, schema.BOTS)
    words = names(fields["user_agents"]) if fields["user_agents"].given else ()
    for word in words:
        if len(word.strip()) < _SHORTEST:
            fields["user_agents"].fault(f"`{word}` stands in browsers' names too", "name a longer word")
    networks = tuple(found for each in fields["networks"].sequence() if (found := _network(each)))
    per_minute = fields["per_minute"]
    return Bots(
        kept=False,
        user_agents=tuple(sorted({*USER_AGENTS, *(word.lower() for word in words)})),
        networks=networks,
        per_minute=per_minute.integer(1, schema.MAX_PER_MINUTE) if per_minute.given else None,
    )


def _network(value: Value) -> Network | None:
    text = value.text()
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        if text.strip():
            remedy = "write an IPv4 network such as `192.0.2.0/24`, its last bits zero; know others by user agent"
            value.fault(f"`{text}` is no network that every warehouse can compare", remedy)
        return None
    return Network(str(network), int(network.network_address), int(network.broadcast_address))
