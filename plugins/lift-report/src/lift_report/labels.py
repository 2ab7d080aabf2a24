"""Short names and colours of what the tables hold as codes: verdicts, states, stages, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lift_report.formatting import readable

if TYPE_CHECKING:
    from lift_report.results import Slot
    from lift_report.tables import Holdout, Level, Play

SIGNS = {"good": "\N{CHECK MARK}", "bad": "!", "note": "!", "open": "\N{HORIZONTAL ELLIPSIS}"}
"""The sign beside each colour: nothing is said by colour alone."""
_STAGES = {"written": "Written to Klaviyo"}
_DIMENSIONS = {"device": "Device they read with", "tenure": "New or old"}
_LEVELS = {
    ("segment", "in"): "in {name}",
    ("segment", "out"): "not in {name}",
    ("list", "in"): "on {name}",
    ("list", "out"): "not on {name}",
    ("tenure", "new"): "new profiles",
    ("tenure", "old"): "older profiles",
}
_CHANNELS = {"email": "E-mail", "sms": "SMS", "push": "Push"}
_ANALYSES = {"received": "Only who received it", "opened": "Only who opened it"}
_VERDICTS = {
    "invalid_srm": ("bad", "Not valid: the groups have the wrong sizes"),
    "invalid_crossover": ("bad", "Not valid: people saw another variant than theirs"),
    "no_data": ("open", "No data yet"),
    "too_early": ("open", "Too early to tell"),
    "blocked_guardrail": ("bad", "Blocked: it does harm beyond the limit"),
    "ahead": ("open", "{challenger} is ahead"),
    "winner": ("good", "{arm} wins"),
    "control_wins": ("good", "{arm} stays: nothing beats it"),
    "equivalent": ("open", "No difference that matters"),
    "running": ("open", "Undecided so far"),
    "inconclusive": ("open", "Ended undecided"),
}
_GUARDRAILS = {
    "safe": ("good", "Safe"),
    "not_yet_safe": ("open", "Not yet safe"),
    "blocked": ("bad", "Blocked"),
    "not_loaded": ("open", "Not known: nothing of this kind was ever loaded"),
}
_PLAYS = {
    "rule": ("good", "Do this"),
    "anti_pattern": ("bad", "Avoid this"),
    "open": ("open", "Not settled"),
    "gap": ("open", "Never tested"),
}


_CONTENTS = {
    ("length", "short"): "a short text",
    ("length", "medium"): "a text of medium length",
    ("length", "long"): "a long text",
    ("images", "none"): "no picture",
    ("images", "one"): "one picture",
    ("images", "several"): "several pictures",
    ("links", "none"): "no link",
    ("links", "one"): "one link",
    ("links", "several"): "several links",
    ("personalised", "yes"): "words that differ from person to person",
    ("personalised", "no"): "the same words for everybody",
    ("percent_sign", "yes"): "a per cent sign",
    ("percent_sign", "no"): "no per cent sign",
    ("question", "yes"): "a question",
    ("question", "no"): "no question",
}
"""What content of a kind has: the attributes that the project tells."""


_SAFETY_OPEN = ("open", "{arm} is ahead; its safety is open")


def is_safety_open(slot: Slot) -> bool:
    """Whether the winner may still do harm beyond a limit: then it is not to be sent to everyone yet."""
    return slot.verdict.verdict == "winner" and bool(slot.verdict.is_not_yet_safe)


def verdict_tone(slot: Slot) -> str:
    """`good`, `bad` or `open`."""
    if is_safety_open(slot):
        return _SAFETY_OPEN[0]
    return _VERDICTS.get(slot.verdict.verdict, ("open", ""))[0]


def verdict_title(slot: Slot) -> str:
    """The verdict in a few words."""
    verdict = slot.verdict
    if verdict.verdict not in _VERDICTS:
        return readable(verdict.verdict)
    _, title = _SAFETY_OPEN if is_safety_open(slot) else _VERDICTS[verdict.verdict]
    return title.format(arm=verdict.winning_arm or "An arm", challenger=verdict.challenger_arm or "An arm")


def guardrail_tone(state: str) -> str:
    """`good`, `bad` or `open`."""
    return _GUARDRAILS.get(state, ("open", ""))[0]


def guardrail_title(state: str) -> str:
    """A guardrail's state."""
    return _GUARDRAILS.get(state, ("", readable(state)))[1]


def play_tone(play: Play) -> str:
    """`good`, `bad` or `open`."""
    return _PLAYS.get(play.verdict, ("open", ""))[0]


def play_title(play: Play) -> str:
    """What to do with content of this kind."""
    return _PLAYS.get(play.verdict, ("", readable(play.verdict)))[1]


def content_kind(play: Play) -> str:
    """What content of this kind has, in words that fit behind a colon."""
    told = f"{readable(play.attribute).lower()}: {play.value}"
    return _CONTENTS.get((play.attribute, play.value), told)


def holdout_name(row: Holdout) -> str:
    """Who is compared with whom they hold out."""
    if row.scope == "global":
        return "All experiments"
    return f"{row.experiment_key}{f', version {row.experiment_version}' if row.experiment_version > 1 else ''}"


def dimension_name(dimension: str) -> str:
    """What effects are shown by."""
    kind, _, name = dimension.partition(":")
    return f"{readable(kind)} {name}" if name else _DIMENSIONS.get(kind) or readable(kind)


def level_name(row: Level) -> str:
    """Those of a level, without its dimension where the level says it."""
    kind, _, name = row.dimension.partition(":")
    if row.level_kind == "none":
        return "not known"
    if row.level_kind == "other":
        return "all others"
    return _LEVELS.get((kind, row.level), "{level}").format(name=name, level=row.level)


def stage_name(stage: str) -> str:
    """A stage of the funnel."""
    return _STAGES.get(stage) or readable(stage)


def analysis_name(analysis: str) -> str:
    """Whom an analysis counts."""
    return _ANALYSES.get(analysis) or readable(analysis)


def channel_name(channel: str) -> str:
    """A channel."""
    return _CHANNELS.get(channel) or readable(channel)


def tone_word(tone: str) -> str:
    """What the colour of an interval says."""
    return {"good": "better", "bad": "worse"}.get(tone, "not clear yet")
