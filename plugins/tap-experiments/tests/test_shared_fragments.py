"""What all arms share stands in a template once, cut where nothing can go wrong."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from typing_extensions import override

from tap_experiments.language import template_tags
from tap_experiments.templating.shared_fragments import Pieces, common_parts, html_pieces, line_pieces, text_pieces

LONG = "<p>This paragraph is the same for everybody and longer than a branch.</p>\n"


def parts(*contents: str, branching: int = 40) -> list[tuple[str, ...]]:
    return common_parts(contents, html_pieces, branching)


def test_beginning_and_end_are_shared() -> None:
    one, other = f"{LONG}<h1>Quiet</h1>\n{LONG}", f"{LONG}<h1>Bold!</h1>\n{LONG}"
    assert parts(one, other) == [
        (f"{LONG}<h1>",),
        ("Quiet", "Bold!"),
        (f"</h1>\n{LONG}",),
    ]


def test_the_middle_is_shared_if_that_saves_something() -> None:
    one, other = f"<b>1</b>{LONG}<i>1</i>", f"<b>2</b>{LONG}<i>2</i>"
    assert [len(part) for part in parts(one, other)] == [1, 2, 1, 2, 1]
    assert [len(part) for part in parts(one, other, branching=1_000)] == [2]


def test_a_branch_closes_what_it_opens() -> None:
    """`</a></div>` is at the end of both, and stays with the tags it closes."""
    one, other = '<div class="a"><a>x</a></div>\n', '<div class="b"><a>y</a></div>\n'
    assert parts(one, other) == [(one[:-1], other[:-1]), ("\n",)]


@pytest.mark.parametrize("inner", ["<tr><td>{}</td></tr>", "<tbody>\n<tr>\n<td>{}</td>\n</tr>\n</tbody>"])
def test_no_branch_stands_directly_in_a_table(inner: str) -> None:
    """An HTML parser would move it before the table."""
    before, after = f"<table>{inner}</table>".split("{}")
    assert parts(f"{before}x{after}", f"{before}y{after}") == [(before,), ("x", "y"), (after,)]
    rows = [f"<table><tr><td>a</td></tr>{row}</table>" for row in ("<tr><td>b</td></tr>", "")]
    assert parts(*rows) == [tuple(rows)]


@pytest.mark.parametrize(
    "content",
    [
        "{{% if a %}}{0}\n{{% endif %}}",
        "{{% for i in x %}}\n{0}\n{{% endfor %}}",
        "{{% verbatim %}}\n{{{{ {0}\n{{% endverbatim %}}",
        "{{% comment %}}\n{0}\n{{% endcomment %}}",
        "<style>\n{0}\n</style>",
        "<!--\n{0}\n-->",
        "<a\nhref='{0}'\n>x</a>",
        "{{{{ a|default:'{0}' }}}}",
    ],
)
def test_what_belongs_together_is_not_cut(content: str) -> None:
    one, other = content.format("1"), content.format("2")
    assert parts(one, other) == [(one, other)]


def test_a_line_is_cut_between_words() -> None:
    assert common_parts(["The new one is here", "The old one is here"], line_pieces, 40) == [
        ("The ",),
        ("new ", "old "),
        ("one is here",),
    ]


def test_long_contents_take_no_long_time() -> None:
    one = "".join(f"<p>{number}</p>\n" for number in range(20_000))
    assert common_parts([one, one.replace("<p>777<", "<p>x<")], html_pieces, 40)[1] == ("777", "x")


TOKENS = st.sampled_from([
    "<div>", "</div>", "<div class='x'>", "<p>", "</p>", "<br>", "<table>", "<tr>", "<td>", "</td>", "</tr>",
    "</table>", "\n", " ", "word ", "other ", "{", "}", "%}", LONG, '<a href="https://x.io">', "</a>", "<!---->",
    "{{ name }}", "{% if a %}b{% endif %}", "{# c #}", "<style>a{}</style>", "&amp;", "🌷",
    "{% verbatim %}{{{% endverbatim %}",
])  # fmt: skip
CONTENTS = st.lists(st.lists(TOKENS, max_size=12).map("".join), min_size=2, max_size=4)


@given(CONTENTS, st.sampled_from([html_pieces, text_pieces, line_pieces]), st.integers(0, 80))
def test_joined_again_the_parts_are_the_contents(contents: list[str], cut: object, branching: int) -> None:
    pieces_of = {each.__name__: each for each in (html_pieces, text_pieces, line_pieces)}[cut.__name__]  # type: ignore[attr-defined]
    if any(template_tags.problem(content) for content in contents):
        return
    found = common_parts(contents, pieces_of, branching)
    for place, content in enumerate(contents):
        assert "".join(part[0] if len(part) == 1 else part[place] for part in found) == content
        assert "".join(pieces_of(content).texts) == content
    for part in found:
        assert part
        if len(part) > 1:
            event("branches")
            assert len(set(part)) > 1


class _Depth(HTMLParser):
    """How deep a document is, and whether it ever closes what it did not open."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.depth, self.lowest = 0, 0
        self.feed(content)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag != "br"

    @override
    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1
        self.lowest = min(self.lowest, self.depth)


BALANCED = st.recursive(
    st.sampled_from(["word ", "<br>", LONG, "\n", "{{ name }}", '<a href="https://x.io">y</a>']),
    lambda inner: st.builds(
        "<{0}>{1}</{0}>".format, st.sampled_from(["div", "p", "b"]), st.lists(inner).map("".join)
    ),
    max_leaves=8,
)


@given(st.lists(st.lists(BALANCED, max_size=4).map("".join), min_size=2, max_size=3))
def test_branches_of_balanced_contents_are_balanced(contents: list[str]) -> None:
    for part in common_parts(contents, html_pieces, 0):
        for branch in part if len(part) > 1 else ():
            reader = _Depth(branch)
            assert (reader.depth, reader.lowest) == (0, 0)


def test_pieces_know_what_is_open() -> None:
    assert html_pieces("a<b>c</b>d") == Pieces(["a", "<b>", "c", "</b>", "d"], [(), (), (1,), (1,), (), ()])
