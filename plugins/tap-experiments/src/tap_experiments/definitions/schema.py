"""The schema of an experiment.yml: each key with its meaning, the form of its value, and its default.

The reader takes from here which keys there are; the README's table and the JSON Schema for editors are made of it.
The names of outcome metrics come from the catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_program.definitions.keys import NAME, TEXT, Key, keyed_by_names, mapping, one_of, whole
from tap_experiments.definitions.model import (
    PROJECT,
    SNIPPETS,
    Assignment,
    AudienceType,
    Channel,
    Decision,
    DimensionKind,
    Method,
    Operator,
    Status,
    UnitHash,
)
from tap_experiments.definitions.outcome_metrics import MAX_WINDOW_DAYS, read_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_experiments.definitions.outcome_metrics import Catalogue

MAX_TRIES = 200
MAX_EFFECT = 1000
MAX_VERSION = 999_999_999
DEFAULT_FLOOR_BP, DEFAULT_HALF_LIFE_DAYS, DEFAULT_AT_MOST = 500, 90, 100_000
DEFAULT_BALANCE_DAYS = 90
MAX_DIMENSIONS = 10
PLAIN_DIMENSIONS = (DimensionKind.COUNTRY.value, DimensionKind.DEVICE.value, DimensionKind.TENURE.value)
"""Those that need no name."""


def _named(names: Iterable[str], keys: Iterable[Key]) -> dict[str, Any]:
    """A name of a list, or a mapping that says more of it."""
    return {"oneOf": [{"enum": [*names]}, mapping(keys)]}


def _either(words: Iterable[str]) -> str:
    *most, last = (f"`{word}`" for word in words)
    return f"{', '.join(most)} or {last}" if most else last


_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
_NUMBER = {"type": "number"}
_DATE = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_SHARES = keyed_by_names(_PERCENT, 2)
_WORDS = {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1}

CONDITION = (
    Key(
        "field",
        "`email`, `phone_number`, `external_id`, `first_name`, `last_name`, `title`, `organization`, `locale`, "
        "`created`, `updated`, `last_event_date`, `location.<key>`, `properties.<key>`, of a flow `attrs.<key>`",
        TEXT,
        required=True,
    ),
    Key(Operator.IN, "Is one of these, compared as text, as written", _WORDS),
    Key(Operator.NOT_IN, "Is none of these, or missing", _WORDS),
    Key(Operator.AT_LEAST, "Is this number or more", _NUMBER),
    Key(Operator.AT_MOST, "Is this number or less", _NUMBER),
    Key(Operator.MORE_THAN, "Is more than this number", _NUMBER),
    Key(Operator.LESS_THAN, "Is less than this number", _NUMBER),
    Key(Operator.SINCE, "Is on this day (UTC) or later", _DATE),
    Key(Operator.BEFORE, "Is before this day (UTC)", _DATE),
    Key(Operator.EXISTS, "`true`: has a value; `false`: has none", {"type": "boolean"}),
)
AUDIENCE = (
    Key(AudienceType.SEGMENT, "Klaviyo's id or name of a segment; this, `list` or `flow`", TEXT),
    Key(AudienceType.LIST, "Klaviyo's id or name of a list", TEXT),
    Key(
        AudienceType.FLOW,
        "Name of a flow that asks for the content by a webhook; who it asks for is a member",
        TEXT,
    ),
    Key(
        "where",
        "Conditions on the profile that must all hold: a field and one operator each",
        {"type": "array", "items": mapping(CONDITION, minProperties=2, maxProperties=2)},
    ),
)
DIMENSION = (
    Key(DimensionKind.PROPERTY, "A property of the profile, by its values; none that begins with `lf_`", TEXT),
    Key(DimensionKind.SEGMENT, "Klaviyo's id or name of a segment: those who are in it, and the others", TEXT),
    Key(DimensionKind.LIST, "Klaviyo's id or name of a list: those who are on it, and the others", TEXT),
)
LAYER = (
    Key("name", "Experiments of one layer never share a profile", NAME, required=True),
    Key("from", "Where the experiment's part of the layer begins, in per cent", _PERCENT, required=True),
    Key("to", "Where it ends; overlaps no other draft or live experiment's", _PERCENT, required=True),
)
BALANCE = (
    Key("tries", "How many ways to split are compared, 2 to 200", whole(2, MAX_TRIES), required=True),
    Key("days", "Length of the period compared", whole(1, 365), default=str(DEFAULT_BALANCE_DAYS)),
)
WINDOW = Key(
    "window_days",
    "Days after a receipt in which it counts, in place of the attribution window; not of what is counted in the "
    "message itself, nor of a ratio",
    whole(1, MAX_WINDOW_DAYS),
)
MARGIN = Key("margin", "Percentage points more than the control that are tolerated", _PERCENT, required=True)
GUARDRAIL = (MARGIN, WINDOW)
THOMPSON = (
    Key("floor", "No arm gets less, in per cent", _PERCENT, default=f"{DEFAULT_FLOOR_BP / 100:g}"),
    Key(
        "half_life_days",
        "An earlier result counts half after so many days",
        whole(1, 3650),
        default=str(DEFAULT_HALF_LIFE_DAYS),
    ),
    Key(
        "at_most",
        "An arm's history counts for no more profiles",
        whole(1, 999_999_999),
        default=str(DEFAULT_AT_MOST),
    ),
)
ALLOCATION = (
    Key(Method.MANUAL, "Share of each arm in per cent, two decimals, 100 in all", _SHARES),
    Key(Method.THOMPSON, "The warehouse derives the shares from earlier results", mapping(THOMPSON)),
    Key("accept", "With `thompson`: the shares to use, as recommended or as you decide", _SHARES),
)
ARM = (
    Key("content", "File that fills the slot; not with a snippet", TEXT),
    Key("text", "File that fills it in the e-mail's text part; for all arms of the slot or none", TEXT),
    Key(
        "subject",
        "What fills it in the subject line, as it stands; for all arms of the slot or none. "
        "Without `content` the slot stands in the subject only",
        TEXT,
    ),
    Key("control", "`true` for the one arm you would send without a test", {"type": "boolean"}, default="false"),
)
SLOT = (
    Key(
        "snippet",
        f"Folder under `{SNIPPETS}` that holds `<arm>.html` and `<arm>.txt` in place of files here",
        NAME,
    ),
    Key("arms", "Two or more, by name; one is the control", keyed_by_names(mapping(ARM), 2), required=True),
    Key(
        "allocation",
        "`equal`, or how else the arms share the profiles",
        {
            "oneOf": [
                {"const": Method.EQUAL.value},
                mapping(ALLOCATION[:1], required=[Method.MANUAL.value]),
                mapping(ALLOCATION[1:], required=[Method.THOMPSON.value]),
            ]
        },
        required=True,
    ),
)
TEMPLATE = (
    Key("name", "Its name in Klaviyo", TEXT, required=True),
    Key("html", "File with the slots in their places; `email` only, and required there", TEXT),
    Key("text", "The same as plain text; the only part of `sms` and `push`", TEXT),
    Key("subject", "Subject line; `email` only. It places the slots whose arms have a `subject`", TEXT),
)


def metric(names: Iterable[str]) -> tuple[Key, ...]:
    """The keys of an outcome metric that is named together with a window of its own."""
    return (
        Key("metric", "Its name in the catalogue of outcome metrics", {"enum": [*names]}, required=True),
        WINDOW,
    )


def guardrails(catalogue: Catalogue) -> tuple[Key, ...]:
    """The keys of `guardrails`: each outcome metric that can be guarded, with its margin."""
    return tuple(
        Key(
            name,
            f"Percentage points more {name} than the control that are tolerated",
            {"oneOf": [_PERCENT, mapping(GUARDRAIL)]},
        )
        for name in catalogue.guardrails
    )


def root(catalogue: Catalogue) -> tuple[Key, ...]:
    """The keys of a definition itself."""
    return (
        Key("key", "The folder's name; small letters, digits, underscores", NAME, required=True),
        Key("version", "Raise it to assign everybody anew", whole(1, MAX_VERSION), required=True),
        Key("status", "`draft`, `live` or `ended`", one_of(Status), required=True),
        Key("description", "The question it shall answer", TEXT, required=True),
        Key(
            "account",
            f"The account that it runs in, or a list of several, by the names in `{PROJECT}`; without it, all",
            {"oneOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}]},
        ),
        Key("channel", "`email`, `sms` or `push`", one_of(Channel), required=True),
        Key(
            "audience",
            "Who takes part",
            mapping(
                AUDIENCE,
                oneOf=[{"required": [kind.value]} for kind in AudienceType],
            ),
            required=True,
        ),
        Key("traffic", "Per cent of the audience that takes part, two decimals", _PERCENT, default="100"),
        Key("layer", "Keeps experiments apart that must not meet in one profile", mapping(LAYER)),
        Key("holdout", "Per cent of the audience this experiment never sends to", _PERCENT, default="0"),
        Key("group", "Experiments of one group give a profile the same arm", NAME),
        Key("unit_hash", "`md5` or `growthbook_v2`", one_of(UnitHash), default=UnitHash.MD5),
        Key(
            "assignment",
            "`hash`, or `quota`: exact counts, for small lists",
            one_of(Assignment),
            default=Assignment.HASH,
        ),
        Key("balance", "Takes the way to split whose arms were most alike before", mapping(BALANCE)),
        Key(
            "primary_metric",
            f"The one that decides: {_either(catalogue.primary)}",
            _named(catalogue.primary, metric(catalogue.primary)),
            required=True,
        ),
        Key(
            "secondary_metrics",
            "Reported beside it, never deciding",
            {
                "type": "array",
                "items": _named(catalogue.names, metric(catalogue.names)),
                "uniqueItems": True,
            },
        ),
        Key(
            "guardrails",
            "What a winner must not make worse: those named here, no others; `{}` for none",
            mapping(guardrails(catalogue)),
            default=", ".join(f"{name}: {margin:g}" for name, margin in catalogue.default_guardrails.items()),
        ),
        Key("planned_stop", "Day on which it shall end", _DATE),
        Key(
            "decision",
            "`always`: at every look, by intervals that allow for it; `fixed`: one test, at `planned_stop`",
            one_of(Decision),
            default=Decision.ALWAYS,
        ),
        Key(
            "minimum_detectable_effect",
            "Smallest relative effect worth finding, in per cent",
            {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_EFFECT},
        ),
        Key(
            "dimensions",
            "By what the effect is shown besides, as profiles were when they were assigned: `country`, `device`, "
            "`tenure` (new or old), or a property, segment or list; decides nothing",
            {
                "type": "array",
                "items": {
                    "oneOf": [
                        {"enum": [*PLAIN_DIMENSIONS]},
                        mapping(DIMENSION, minProperties=1, maxProperties=1),
                    ]
                },
                "maxItems": MAX_DIMENSIONS,
                "uniqueItems": True,
            },
        ),
        Key("attribution_window_days", "Orders count this long after a receipt", whole(1, 365), required=True),
        Key(
            "campaign_message_ids",
            "Messages that show the experiment but hold no link that proves it",
            {"type": "array", "items": TEXT},
        ),
        Key(
            "slots",
            "What is tested, by name; assigned independently of each other",
            keyed_by_names(mapping(SLOT), 1),
            required=True,
        ),
        Key("template", "The message around the slots", mapping(TEMPLATE), required=True),
        Key(
            "winner",
            "With `status: ended`: the arm that the template shows to everybody from then on; "
            "of several slots one for each: `{hero: bold, footer: short}`",
            {"oneOf": [NAME, keyed_by_names(NAME, 1)]},
        ),
        Key(
            "cleanup",
            "With `winner`: `true` removes the assignments from the profiles, once no message looks for them",
            {"type": "boolean"},
            default="false",
        ),
    )


def sections(catalogue: Catalogue) -> tuple[tuple[str, tuple[Key, ...]], ...]:
    """All mappings of a definition, with the path of their keys."""
    return (
        ("", root(catalogue)),
        ("audience.", AUDIENCE),
        ("audience.where[].", CONDITION),
        ("dimensions[].", DIMENSION),
        ("layer.", LAYER),
        ("balance.", BALANCE),
        ("secondary_metrics[].", metric(catalogue.names)),
        ("guardrails.", guardrails(catalogue)),
        ("guardrails.<metric>.", GUARDRAIL),
        ("slots.<slot>.", SLOT),
        ("slots.<slot>.arms.<arm>.", ARM),
        ("slots.<slot>.allocation.", ALLOCATION),
        ("slots.<slot>.allocation.thompson.", THOMPSON),
        ("template.", TEMPLATE),
    )


_BY_EMAIL = {"properties": {"channel": {"const": Channel.EMAIL.value}}}
_TOGETHER = {"winner": {"properties": {"status": {"const": Status.ENDED.value}}}, "cleanup": ["winner"]}
"""What one key asks of the others."""


def json_schema(catalogue: Catalogue | None = None) -> dict[str, Any]:
    """What an editor can check; the reader checks more: files, sums, and experiments against each other.

    Args:
        catalogue: The outcome metrics that may be named; without it, those that `read_catalogue` finds.

    Raises:
        DefinitionError: If none is given and the one that is found has faults.
    """
    catalogue = catalogue or read_catalogue()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the newest that editors' YAML servers know whole
        "title": "experiment.yml",
        **mapping(root(catalogue), dependencies=_TOGETHER),
        "if": _BY_EMAIL,
        "then": {"properties": {"template": {"required": ["html"]}}},
        "else": {
            "properties": {"template": {"required": ["text"], "properties": {"html": False, "subject": False}}}
        },
    }
