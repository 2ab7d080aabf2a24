"""Warns of what Klaviyo accepts and what may still go wrong in a mailbox: each with file, line and remedy.

What Klaviyo would refuse is a fault (`definitions`, `generation`) and stops the run; a warning does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singer_program.definitions.faults import Fault
from singer_program.definitions.yaml_values import did_you_mean
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.language import template_tags
from tap_experiments.language.links import hrefs
from tap_experiments.templating.generation import HTML, KINDS, SUBJECT, TEXT, branches
from tap_experiments.templating.shared_fragments import moves_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_program.definitions.files import Source
    from tap_experiments.definitions.model import Experiment
    from tap_experiments.templating.generation import Kind, Template

CLIPPED_BYTES = 102_000
"""Gmail shows no more of a message (about 102 kB) and hides the rest, the unsubscribe link with it."""
NEAR_CLIPPED_BYTES = 85_000
"""Klaviyo makes links longer to count clicks, and adds a picture to count opens."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|#|\{\{|\{%", re.IGNORECASE)
_WWW = re.compile(r"(?<![\w/.@-])www\.\w", re.IGNORECASE)
_LITERAL = re.compile(r"""["'\d-]""")
_LOOKUP = re.compile(r"""\s*\|\s*lookup:(?:"[^"]*"|'[^']*')""")
_TRUTHS = frozenset({"true", "false", "yes", "no", "on", "off", "none", "null"})
_OWN_VALUES = frozenset({"organization", "forloop", "event", "item", "block", "message", "today"})
"""What is no property of a profile, so that none can lack it."""

TAGS = frozenset({
    "autoescape", "catalog", "comment", "coupon_code", "currency_format", "cycle", "elif", "else", "empty",
    "filter", "firstof", "for", "if", "ifchanged", "manage_preferences", "manage_preferences_link", "spaceless",
    "templatetag", "today", "unsubscribe", "unsubscribe_link", "verbatim", "view_in_browser", "web_view",
    "web_view_link", "widthratio", "with",
})  # fmt: skip
"""Tags that Klaviyo's guides name, and Django's own."""
FILTERS = frozenset({
    "abs", "add", "addslashes", "append", "at_least", "at_most", "base64_decode", "base64_encode",
    "base64_url_safe_decode", "base64_url_safe_encode", "capfirst", "capitalize", "ceil", "center", "compact",
    "concat", "cut", "date", "days_ago", "days_later", "default", "default_if_none", "dictsort",
    "dictsortreversed", "divide", "divisibleby", "escape", "escapejs", "filesizeformat", "find_replace", "first",
    "floatformat", "floor", "force_escape", "format_date_string", "get_digit", "index", "intcomma", "iriencode",
    "join", "json_script", "last", "length", "length_is", "linebreaks", "linebreaksbr", "linenumbers", "ljust",
    "lookup", "lower", "lstrip", "make_list", "map", "minus", "missing_product_image", "modulo", "multiply",
    "phone2numeric", "pluralize", "pprint", "prepend", "remove", "remove_first", "replace", "replace_first",
    "reverse", "rjust", "round", "round_down", "round_up", "rstrip", "safe", "safeseq", "slice", "slugify",
    "sort", "split", "stringformat", "string_to_date", "strip", "striptags", "subtract", "sum", "time",
    "timesince", "timeuntil", "times", "title", "trim_slash", "truncatechars", "truncatechars_html",
    "truncatewords", "truncatewords_html", "uniq", "unordered_list", "upper", "urldecode", "urlencode", "urlize",
    "urlizetrunc", "wordcount", "wordwrap", "yesno",
})  # fmt: skip
"""Filters that Klaviyo's glossary names, and Django's own. It may know more: the others are only asked about."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of the author's and what it is for."""

    source: Source
    kind: Kind

    def warning(self, offset: int, problem: str, remedy: str) -> Fault:
        return Fault(self.source.file, self.source.line(offset), "", problem, remedy)


def lint(experiment: Experiment, template: Template, property_format: PropertyFormat) -> list[Fault]:
    """What the author should look at, beside what was found when the template was made."""
    return [
        *template.warnings,
        *(warning for text in _texts(experiment) for warning in _in_text(text)),
        *_unsubscribe(experiment),
        *_in_tables(experiment),
        *_size(experiment, property_format),
        *_names(experiment, property_format),
        *_same_arms(experiment),
    ]


def lint_together(experiments: Iterable[Experiment], property_format: PropertyFormat) -> list[Fault]:
    """What experiments do to each other."""
    if property_format is not PropertyFormat.LIST:
        return []
    tokens = {
        f"{experiment.key}:{slot.key}:{arm.key}": (experiment, slot.key, arm.key)
        for experiment in experiments
        for slot in experiment.slots
        for arm in slot.arms
    }
    found = []
    for token, (experiment, slot, arm) in tokens.items():
        # The arms of one slot are asked for in an order that makes this harmless.
        own = f"{experiment.key}:{slot}:"
        inside = [other for other in tokens if token in other and not other.startswith(own)]
        if inside:
            problem = f"the token `{token}` is a part of `{inside[0]}`"
            remedy = "rename one: were a profile's list held as a text, this arm would be found in the other"
            found.append(experiment.fault(f"slots.{slot}.arms.{arm}", problem, remedy))
    return found


def _texts(experiment: Experiment) -> Iterator[_Text]:
    """Every text of the author's, once: the wrappers and what the arms show."""
    seen: set[tuple[str, int]] = set()
    for kind in KINDS:
        layout = kind.layout(experiment)
        if layout is None:
            continue
        sources = [
            *([layout.source] if layout.source else []),
            *(kind.source(arm) for slot in experiment.slots if slot.key in layout.slots for arm in slot.arms),
        ]
        for source in sources:
            if (source.file, source.first_line) not in seen:
                seen.add((source.file, source.first_line))
                yield _Text(source, kind)


def _in_text(text: _Text) -> Iterator[Fault]:
    yield from _tags(text)
    yield from _schemes(text)


def _tags(text: _Text) -> Iterator[Fault]:
    tags = template_tags.active(text.source.text)
    known = TAGS | {f"end{name}" for name in TAGS}
    bound = {word for tag in tags if tag.name for word in re.findall(r"\w+", tag.source)}
    for tag in tags:
        if tag.name and tag.name not in known:
            problem = f"`{tag.source}` is no tag that Klaviyo's guides name"
            yield text.warning(tag.start, problem, f"{did_you_mean(tag.name, sorted(TAGS))} Else send a test")
        for name in template_tags.filters_of(tag):
            if name not in FILTERS:
                problem = f"`{tag.source}`: `{name}` is no filter that Klaviyo's guides name"
                yield text.warning(tag.start, problem, f"{did_you_mean(name, sorted(FILTERS))} Else send a test")
        if not tag.name and (variable := _lacking_default(tag, bound)):
            problem = f"`{tag.source}` shows nothing to a profile without the value"
            yield text.warning(tag.start, problem, f"say what it shows then: {{{{ {variable}|default:'…' }}}}")


def _lacking_default(tag: template_tags.Tag, bound: set[str]) -> str:
    """The variable of a `{{ }}` that has no default; empty if it has one, or if no profile can lack it."""
    expression = tag.source[2:-2].strip()
    base = re.split(r"[|.\s]", expression, maxsplit=1)[0]
    settled = {"default", "default_if_none", "yesno", "length", "pluralize"} & set(template_tags.filters_of(tag))
    if settled or _LITERAL.match(expression) or base in _OWN_VALUES or base in bound:
        return ""
    lookups = re.match(rf"[\w.$]+(?:{_LOOKUP.pattern})*", expression)
    return lookups[0] if lookups else ""


def _schemes(text: _Text) -> Iterator[Fault]:
    """Links that a mail client cannot open: it knows no page that they could be relative to."""
    source = text.source.text
    if text.kind is HTML:
        for offset, address in hrefs(source):
            if not _SCHEME.match(address.strip()):
                problem = f"the link `{address.strip()}` has no scheme" if address.strip() else "a link is empty"
                yield text.warning(offset, problem, "begin it with https://, mailto: or tel:")
    elif text.kind is TEXT:
        for match in _WWW.finditer(source):
            problem = "an address has no scheme, so it is no link and is not counted"
            yield text.warning(match.start(), problem, "begin it with https://")


def _unsubscribe(experiment: Experiment) -> Iterator[Fault]:
    """An HTML part without the link is a fault; a text part should have it too."""
    text = experiment.text
    if experiment.html and text and text.source:
        tags = {tag.name for tag in template_tags.active(text.source.text)}
        if not tags & {"unsubscribe", "unsubscribe_link"}:
            problem = "the text part holds no `{% unsubscribe %}`"
            yield Fault(text.source.file, 0, "", problem, "add it: some read this part only")


def _in_tables(experiment: Experiment) -> Iterator[Fault]:
    """A slot directly in a table: Klaviyo rewrites HTML when it stores it, and text has no place there."""
    html = experiment.html
    if html and html.source:
        before = ""
        for text, slot in zip(html.texts, html.slots, strict=False):
            before += text
            if element := moves_text(before):
                problem = f"the slot `{slot}` stands directly in <{element}>, from where HTML parsers move text"
                place = html.source.text.find(f'slot("{slot}")')
                line = html.source.line(place) if place >= 0 else 0
                yield Fault(html.source.file, line, "", problem, "place it inside a <td>")


def _size(experiment: Experiment, property_format: PropertyFormat) -> Iterator[Fault]:
    """The longest message that a combination of arms gives."""
    if experiment.html is None:
        return
    size = sum(len(text.encode()) for text in experiment.html.texts)
    longest = []
    for slot in experiment.slots:
        if slot.key in experiment.html.slots:
            shown = branches(experiment, slot, HTML, property_format)
            largest = max(shown, key=lambda branch: len(branch.decorated.content.encode()))
            size += len(largest.decorated.content.encode())
            longest.append(f"{slot.key}.{largest.arm}")
    if size > NEAR_CLIPPED_BYTES:
        is_clipped = size > CLIPPED_BYTES
        problem = (
            f"gives a message of {size:,} bytes with {', '.join(longest)}; Gmail "
            f"{'hides' if is_clipped else 'may hide'} what follows the first {CLIPPED_BYTES:,}"
        )
        remedy = "shorten it: what is hidden holds the unsubscribe link and the picture that counts opens"
        yield experiment.fault("template.html", problem, remedy)


def _names(experiment: Experiment, property_format: PropertyFormat) -> Iterator[Fault]:
    """Names that a property does not keep as text."""
    if property_format is PropertyFormat.LIST:
        return
    for slot in experiment.slots:
        for arm in slot.arms:
            if arm.key in _TRUTHS:
                problem = f"`{arm.key}` is the whole value of a property, and may be kept as a boolean"
                remedy = "rename the arm, or use the property format `list`"
                yield experiment.fault(f"slots.{slot.key}.arms.{arm.key}", problem, remedy)


def _same_arms(experiment: Experiment) -> Iterator[Fault]:
    """Arms that show the same: there is nothing to find between them."""
    for slot in experiment.slots:
        seen: dict[tuple[str, ...], str] = {}
        for arm in slot.arms:
            kinds = (SUBJECT,) if slot.subject_only else KINDS
            first = seen.setdefault(tuple(kind.source(arm).text for kind in kinds), arm.key)
            if first != arm.key:
                problem = f"shows what `{first}` shows"
                yield experiment.fault(f"slots.{slot.key}.arms.{arm.key}", problem, "keep it to test the test")
