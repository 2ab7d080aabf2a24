"""The schema of a forwarding definition: each key with its meaning, the form of its value, and its default.

The reader takes from here which keys there are; the README's table and the JSON Schema for editors are made of it.
"""

from __future__ import annotations

from typing import Any

from singer_program.definitions.keys import NAME, TEXT, Key, mapping, one_of, whole
from tap_forwarding.definitions.model import (
    ATTRIBUTES,
    LOCATION,
    Channel,
    EventType,
    Identifier,
    Older,
    Outcome,
    Personal,
    Scheme,
    Status,
    ValueType,
)
from tap_forwarding.definitions.presets import event_presets, source_presets

MAX_METRIC = 127
"""Characters of a metric's name that Klaviyo takes."""
MAX_PROPERTIES = 400
"""Properties of an event that Klaviyo takes."""
MAX_STITCH_DAYS, MAX_AGE_HOURS, MAX_VENDOR, MAX_PER_MINUTE = 365, 24 * 365, 99_999, 100_000
DEFAULT_AGE_HOURS = 24
NO_CONSENT = "not_asked"
KEEP_BOTS = "keep"
ALL = "all"
COLUMNS = (
    "message_id",
    "event",
    "type",
    "user_id",
    "anonymous_id",
    "occurred_at",
    "received_at",
    "properties",
    "context",
)
REQUIRED_COLUMNS = ("message_id", "occurred_at")
_TEXTS = {"type": "array", "items": TEXT, "minItems": 1}
_TEXT_OR_TEXTS = {"oneOf": [TEXT, _TEXTS]}
_BOOLEAN = {"type": "boolean"}
_SCALAR = {"type": ["string", "number", "boolean"]}
_PATHS = "a path, or a list of which the first counts that holds something"


def _mapping_of(schema: dict[str, Any], at_least: int = 1) -> dict[str, Any]:
    """JSON Schema of a mapping whose keys are names in Klaviyo."""
    return {"type": "object", "additionalProperties": schema, "minProperties": at_least}


CONSTANT = Key("constant", "What it always is: a text, a number, `true` or `false`", _SCALAR)
_FROM = Key("from", f"Where it stands: {_PATHS}", _TEXT_OR_TEXTS)
_TYPE = Key(
    "type",
    "`text`, `number`, `boolean`, `time`, or `list`, which makes a single value a list of one; what cannot be "
    "made into it is left out. Without it, as it was sent",
    one_of(ValueType),
)
_PERSONAL = Key("personal", "`hash` (SHA-256) or `mask` (the first character, then `***`)", one_of(Personal))
ITEM_ORIGIN = (_FROM, CONSTANT, _TYPE, _PERSONAL)
_ITEM_VALUE = {"oneOf": [TEXT, _TEXTS, mapping(ITEM_ORIGIN, minProperties=1)]}
ORIGIN = (
    *ITEM_ORIGIN,
    Key(
        "each",
        "Of a list: what becomes of each item, a path such as `item.name`, or a mapping of names to such values",
        {"oneOf": [TEXT, _mapping_of(_ITEM_VALUE)]},
    ),
)
_VALUE = {"oneOf": [TEXT, _TEXTS, mapping(ORIGIN, minProperties=1)]}
_CONSTANT_OR_PATHS = {"oneOf": [TEXT, _TEXTS, mapping((CONSTANT,), required=[CONSTANT.name])]}

SOURCE = (
    Key(
        "preset",
        f"Whose columns they are: {', '.join(f'`{name}`' for name in source_presets())}",
        {"enum": [*source_presets()]},
    ),
    Key(
        "relation",
        "The table, or what can be read as one (views, foreign tables): `schema.name`, or `database.schema.name`",
        TEXT,
    ),
    Key("event", "The name of all its events, where no column has it", TEXT),
    Key("type", "The type of all its events, where no column has it", one_of(EventType), default=EventType.TRACK),
    Key(
        "columns",
        "What our columns are called there, beside or in place of what the preset says",
        mapping(Key(name, f"The column that is our `{name}`", _TEXT_OR_TEXTS) for name in COLUMNS),
    ),
)
COLUMN_MEANINGS = {
    "message_id": "What makes it one message, whenever it comes again; of several columns a list",
    "event": "Its name; or `from.event`",
    "type": "`track`, `page`, `screen`, `identify` or `group`; without it `from.type`",
    "user_id": "Your own id of the person",
    "anonymous_id": "The visitor's, before they are known",
    "occurred_at": "When it happened",
    "received_at": "When it was received; without it, when it happened",
    "properties": "A document of the properties: JSON, a structure or a map; without it each property is a column",
    "context": "A document of the context; without `properties` its members are columns, `context_page_url`",
}
EVENT = (
    Key(
        "event", "Its name in the source; of `page`, `screen`, `identify` and `group` any name, if left out", TEXT
    ),
    Key("type", "The type of call", one_of(EventType), default=EventType.TRACK),
    Key("metric", "Klaviyo's name of it; case counts", TEXT, default="the event's own"),
    Key("per", "A list, such as `properties.products`: each of its items becomes an event", TEXT),
    Key(
        "keep",
        "Properties that are sent as they are, by name, or `all`; no other is",
        {"oneOf": [{"const": ALL}, _TEXTS]},
    ),
    Key("without", "With `keep: all`: properties that are not sent", _TEXTS),
    Key("properties", f"What else is sent, by its name in Klaviyo: {_PATHS}, or a mapping", _mapping_of(_VALUE)),
    Key("value", f"What it is worth: {_PATHS}, or `{{constant: …}}`", _CONSTANT_OR_PATHS),
    Key("currency", f"Of `value`: {_PATHS}, or `{{constant: EUR}}`", _CONSTANT_OR_PATHS),
    Key(
        "unique_id",
        "What makes it one event of its metric, with paths in braces: `shop:{properties.order_id}`; "
        "`{item.sku|item.name}` takes the first that holds something. The message's id where one is missing",
        TEXT,
        default="{message_id}",
    ),
)
WHO = (
    *(Key(identifier.value, f"Where it stands: {_PATHS}", _TEXT_OR_TEXTS) for identifier in Identifier),
    Key(
        "precedence",
        "Which is chosen first, where an event has several; those not named follow in the order of this table",
        {"type": "array", "items": one_of(Identifier), "minItems": 1, "uniqueItems": True},
    ),
    Key(
        "stitch_days",
        "What an anonymous visitor did before they were known is theirs, so many days back",
        whole(0, MAX_STITCH_DAYS),
        default="0",
    ),
)
LOCATION_KEYS = tuple(Key(name, "Of the place", _VALUE) for name in LOCATION)
CONTACT = (
    *(Key(name, "Of the profile", _VALUE) for name in ATTRIBUTES),
    Key(
        "location",
        f"Any of {', '.join(f'`{name}`' for name in LOCATION)}",
        mapping(LOCATION_KEYS),
    ),
    Key("properties", "Properties of the profile, by name", _mapping_of(_VALUE)),
)
NEEDED: dict[Scheme, str] = {
    Scheme.SEGMENT: "categories",
    Scheme.RUDDERSTACK: "categories",
    Scheme.TCF: "purposes",
    Scheme.GOOGLE: "signals",
    Scheme.KLAVIYO: "channel",
}
"""The key that says what must be granted; of the other schemes the string says it alone."""
SIGNALS = (
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "analytics_storage",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
)
DEFAULT_SIGNALS = ("ad_user_data", "ad_personalization")
DEFAULT_PATHS = {
    Scheme.SEGMENT: "context.consent.categoryPreferences",
    Scheme.RUDDERSTACK: "context.consentManagement",
}
"""Where their specifications put it; nobody's says where the others stand."""
PURPOSES = 11
CHECK = (
    Key(
        "scheme",
        "`segment` and `rudderstack` (their consent objects), `tcf` and `gpp` (IAB's strings), `google` (consent "
        "mode), `us_privacy`, or `klaviyo` (what the warehouse knows: `fct_consent`)",
        one_of(Scheme),
        required=True,
    ),
    Key(
        "at",
        "Where it stands; of `segment` and `rudderstack` where their libraries put it",
        TEXT,
        default=", ".join(DEFAULT_PATHS.values()),
    ),
    Key("categories", "`segment`, `rudderstack`: the categories that must all be allowed", _TEXTS),
    Key(
        "purposes",
        "`tcf`: the numbers of the purposes that must all be allowed",
        {"type": "array", "items": whole(1, PURPOSES), "minItems": 1, "uniqueItems": True},
    ),
    Key("vendor", "`tcf`: the number of the vendor that must be allowed besides", whole(1, MAX_VENDOR)),
    Key(
        "signals",
        "`google`: the signals that must all be `granted`",
        {"type": "array", "items": {"enum": [*SIGNALS]}, "minItems": 1, "uniqueItems": True},
        default=", ".join(DEFAULT_SIGNALS),
    ),
    Key("channel", "`klaviyo`: `email`, `sms` or `push`", one_of(Channel)),
    Key(
        "denied",
        "What becomes of the event otherwise: `drop`, or `strip`, which takes off whatever tells of a person",
        {"enum": [Outcome.DROP.value, Outcome.STRIP.value]},
        default=Outcome.DROP,
    ),
)
CONSENT = (
    Key(
        "checks",
        "Where the person's choice may stand; all that say something must allow it",
        {"type": "array", "items": mapping(CHECK), "minItems": 1},
        required=True,
    ),
    Key(
        "missing",
        "What becomes of an event of which none says anything: `drop`, `strip` or `allow`",
        one_of(Outcome),
        default=Outcome.DROP,
    ),
)
BOTS = (
    Key(
        "user_agents",
        "Words of a user agent that is a machine's, beside those that are known; case does not count",
        _TEXTS,
    ),
    Key("networks", "IPv4 networks of machines, such as `192.0.2.0/24`", _TEXTS),
    Key("per_minute", "More events of one visitor in a minute are a machine's", whole(1, MAX_PER_MINUTE)),
)
AGE = (
    Key("hours", "How old an event may be", whole(1, MAX_AGE_HOURS), default=str(DEFAULT_AGE_HOURS)),
    Key(
        "older",
        "What becomes of an older one: `drop`, or `backfill`, which records it and triggers no flow",
        one_of(Older),
        default=Older.DROP,
    ),
)
ROOT = (
    Key("name", "The file's name without `.yml`; small letters, digits, underscores", NAME, required=True),
    Key("status", "`draft`: nothing is sent; `live`", one_of(Status), required=True),
    Key("description", "What is forwarded, and why", TEXT, required=True),
    Key("from", "Where the events lie", mapping(SOURCE, minProperties=1), required=True),
    Key(
        "presets",
        f"Rules for events by names that are common: {', '.join(f'`{name}`' for name in event_presets())}; "
        "the first that knows an event counts, and `events` before all",
        {"type": "array", "items": {"enum": [*event_presets()]}, "minItems": 1, "uniqueItems": True},
    ),
    Key(
        "events",
        "What becomes of the events of a name; an event that no rule and no preset names is counted, and not sent",
        {"type": "array", "items": mapping(EVENT), "minItems": 1},
    ),
    Key("ignore", "Names of events that are known and shall not be sent, also if a preset would", _TEXTS),
    Key(
        "who",
        "Where the person is named; `events` of nobody are not sent",
        mapping(WHO, minProperties=1),
        default="external_id: user_id, email: context.traits.email, phone_number: context.traits.phone, "
        "anonymous_id: anonymous_id",
    ),
    Key(
        "contact", "What of a call is written to the profile; the newest counts", mapping(CONTACT, minProperties=1)
    ),
    Key(
        "consent",
        f"Whether the person agrees; or `{NO_CONSENT}`, if there is nothing to ask",
        {"oneOf": [{"const": NO_CONSENT}, mapping(CONSENT)]},
        required=True,
    ),
    Key(
        "bots",
        f"By what machines are known, beside the words that are; `{KEEP_BOTS}` sends what they do too",
        {"oneOf": [{"const": KEEP_BOTS}, mapping(BOTS, minProperties=1)]},
    ),
    Key("age", "How late an event may come", mapping(AGE, minProperties=1)),
)


def sections() -> tuple[tuple[str, tuple[Key, ...]], ...]:
    """All mappings of a definition, with the path of their keys."""
    return (
        ("", ROOT),
        ("from.", SOURCE),
        ("from.columns.", tuple(Key(name, COLUMN_MEANINGS[name], TEXT) for name in COLUMNS)),
        ("events[].", EVENT),
        ("events[].properties.<name>.", ORIGIN),
        ("who.", WHO),
        ("contact.", CONTACT),
        ("consent.", CONSENT),
        ("consent.checks[].", CHECK),
        ("bots.", BOTS),
        ("age.", AGE),
    )


def json_schema() -> dict[str, Any]:
    """What an editor can check; the reader checks more: paths, names, and what goes together."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the newest that editors' YAML servers know whole
        "title": "forwarding/<name>.yml",
        **mapping(ROOT, anyOf=[{"required": ["presets"]}, {"required": ["events"]}]),
    }
