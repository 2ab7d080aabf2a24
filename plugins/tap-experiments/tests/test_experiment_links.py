from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tap_experiments.language.links import Decorated, decorate_html, decorate_text

CID = "e.s.a"


@pytest.mark.parametrize(
    ("href", "decorated"),
    [
        ("https://x.io", "https://x.io?lf_cid=e.s.a"),
        ("https://x.io/p", "https://x.io/p?lf_cid=e.s.a"),
        ("http://x.io/p#part", "http://x.io/p?lf_cid=e.s.a#part"),
        ("https://x.io/p?b=1", "https://x.io/p?lf_cid=e.s.a&amp;b=1"),
        ("https://x.io/p?b=1&amp;c=2#part", "https://x.io/p?lf_cid=e.s.a&amp;b=1&amp;c=2#part"),
        ("https://x.io/p?b=1&c=2", "https://x.io/p?lf_cid=e.s.a&amp;b=1&c=2"),
        ("https://x.io/p?", "https://x.io/p?lf_cid=e.s.a"),
        ("https://x.io/p?#part", "https://x.io/p?lf_cid=e.s.a#part"),
        ("https://x.io/#a?b", "https://x.io/?lf_cid=e.s.a#a?b"),
        ("https://x.io/&#35;part", "https://x.io/?lf_cid=e.s.a&#35;part"),
        ("https://x.io/p&quest;b=1", "https://x.io/p&quest;lf_cid=e.s.a&amp;b=1"),
        ("https://x.io/it&#39;s", "https://x.io/it&#39;s?lf_cid=e.s.a"),
        ("HTTPS://X.IO/ü", "HTTPS://X.IO/ü?lf_cid=e.s.a"),
        ("  https://x.io/p  ", "  https://x.io/p?lf_cid=e.s.a  "),
        ("https&#58;//x.io", "https&#58;//x.io?lf_cid=e.s.a"),
        # Literal up to the `?`: safe whatever the expressions say.
        ("https://x.io/p?sku={{ sku }}", "https://x.io/p?lf_cid=e.s.a&amp;sku={{ sku }}"),
        ("https://x.io/p#{{ part }}", "https://x.io/p?lf_cid=e.s.a#{{ part }}"),
        ("https://x.io/p?a={{ a|default:'?' }}#b", "https://x.io/p?lf_cid=e.s.a&amp;a={{ a|default:'?' }}#b"),
    ],
)
def test_parameter_goes_into_the_query(href: str, decorated: str) -> None:
    for quote in ('"', "'"):
        if quote in href:
            continue
        result = decorate_html(f"<p><a class=x HREF = {quote}{href}{quote}>y</a>", CID)
        assert result.content == f"<p><a class=x HREF = {quote}{decorated}{quote}>y</a>"
        assert (result.links, result.left) == (1, ())


@pytest.mark.parametrize(
    "href",
    ["mailto:a@x.io", "tel:+123", "#top", "/p", "//x.io/p", "", "ftp://x.io", "{% unsubscribe_link %}", "http:"],
)
def test_other_hrefs_stay(href: str) -> None:
    content = f'<a href="{href}">y</a>'
    result = decorate_html(content, CID)
    assert (result.content, result.links, result.left) == (content, 0, ())


@pytest.mark.parametrize(
    "href",
    [
        "{{ event.url }}",
        '{{ event|lookup:"URL" }}',
        "https://x.io/{{ slug }}",
        "https://{{ host }}/p?a=1",
        "https://x.io/{% if a %}b{% endif %}#c",
    ],
)
def test_an_address_only_the_template_knows_is_left_and_named(href: str) -> None:
    """`{{ slug }}` may hold a `?` or a `#`; no place behind it is provably in the query."""
    content = f'<a href="{href}">y</a>'
    result = decorate_html(content, CID)
    assert (result.content, result.links, result.left) == (content, 0, (href,))


@pytest.mark.parametrize(
    ("content", "decorated"),
    [
        ("<a href=https://x.io/p>y</a>", "<a href=https://x.io/p?lf_cid=e.s.a>y</a>"),
        ("<a\nhref\n=\n'https://x.io'\n>", "<a\nhref\n=\n'https://x.io?lf_cid=e.s.a'\n>"),
        ('<a title="a > b" href="https://x.io">', '<a title="a > b" href="https://x.io?lf_cid=e.s.a">'),
        (
            '<a data-href="https://n.io" href="https://x.io">',
            '<a data-href="https://n.io" href="https://x.io?lf_cid=e.s.a">',
        ),
        (
            '<a {% if b %}href="https://x.io"{% endif %}>',
            '<a {% if b %}href="https://x.io?lf_cid=e.s.a"{% endif %}>',
        ),
        (
            '<a{% if b %} href="https://x.io"{% endif %}>',
            '<a{% if b %} href="https://x.io?lf_cid=e.s.a"{% endif %}>',
        ),
        ('{% if a <b %}<a href="https://x.io">', '{% if a <b %}<a href="https://x.io?lf_cid=e.s.a">'),
        ('<map><area href="https://x.io"/></map>', '<map><area href="https://x.io?lf_cid=e.s.a"/></map>'),
        (
            '<!--[if mso]><v:roundrect href="https://x.io"><![endif]-->',
            '<!--[if mso]><v:roundrect href="https://x.io?lf_cid=e.s.a"><![endif]-->',
        ),
        (
            '<!--[if !mso]><!--><a href="https://x.io"><!--<![endif]-->',
            '<!--[if !mso]><!--><a href="https://x.io?lf_cid=e.s.a"><!--<![endif]-->',
        ),
    ],
)
def test_links_are_found_where_html_has_them(content: str, decorated: str) -> None:
    assert decorate_html(content, CID).content == decorated


@pytest.mark.parametrize(
    "content",
    [
        '<!-- <a href="https://x.io"> -->',
        '<style>a[href="https://x.io"] {}</style>',
        """<script>'<a href="https://x.io">'</script>""",
        '<link href="https://x.io/font.css">',
        '<base href="https://x.io/">',
        '<p>href="https://x.io"</p>',
        '</a href="https://x.io">',
        'see https://x.io, "<" and a < b href=https://x.io',
    ],
)
def test_what_is_no_link_stays(content: str) -> None:
    assert decorate_html(content, CID) == Decorated(content, 0, ())


def test_markup_goes_on_behind_a_raw_text() -> None:
    content = '<style>"</style><a href="https://x.io">'
    assert decorate_html(content, CID).content == '<style>"</style><a href="https://x.io?lf_cid=e.s.a">'


@pytest.mark.parametrize(
    ("content", "decorated"),
    [
        ("See https://x.io/p?b=1&c=2.", "See https://x.io/p?lf_cid=e.s.a&b=1&c=2."),
        ("Seen https://x.io?", "Seen https://x.io?lf_cid=e.s.a?"),
        ("(https://x.io/p)", "(https://x.io/p?lf_cid=e.s.a)"),
        ("https://x.io/a_(b)", "https://x.io/a_(b)?lf_cid=e.s.a"),
        ("<https://x.io/p#c>", "<https://x.io/p?lf_cid=e.s.a#c>"),
        ("HTTP://x.io\nhttps://y.io", "HTTP://x.io?lf_cid=e.s.a\nhttps://y.io?lf_cid=e.s.a"),
        ("https://x.io/?a={{ a b }}&c", "https://x.io/?lf_cid=e.s.a&a={{ a b }}&c"),
        ("x.io, ftp://x.io", "x.io, ftp://x.io"),
    ],
)
def test_addresses_in_a_text(content: str, decorated: str) -> None:
    assert decorate_text(content, CID).content == decorated


def test_address_in_a_text_only_the_template_knows() -> None:
    assert decorate_text("https://x.io/{{ slug }} and {{ url }}", CID).left == ("https://x.io/{{ slug }}",)


class _Hrefs(HTMLParser):
    """The standard library's reading of a document, as a second opinion."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(content)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == "href"]


ADDRESS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://x.io", "http://x.io/p", "HTTPS://x.io/ü/", "mailto:a@x.io", "#", "/p"]),
    st.sampled_from(["", "?", "?a=1", "?a=1&amp;b=%20", "?&amp;", "?a=&quot;"]),
    st.sampled_from(["", "#", "#part", "#a?b", "#&amp;"]),
    st.sampled_from(["", " "]),
)
PIECE = st.one_of(
    st.text("ab <>=&;'\"/-!\n🙂", max_size=6),
    st.builds('<a href="{}">'.format, ADDRESS),
    st.builds("<A class='b' HREF='{}' >".format, ADDRESS),
    st.sampled_from(["<br/>", "<p title='>'>", "</a>", "{{ name }}", "{% if a %}", "<!-- c -->"]),
)


@given(st.lists(PIECE, max_size=12).map("".join))
def test_taking_the_parameter_out_again_gives_the_content_back(content: str) -> None:
    content = content.replace("?", "?a=1")  # a bare `?` would make the way back ambiguous
    result = decorate_html(content, CID)
    assert result.content.count("lf_cid") == result.links
    assert result.content.replace("lf_cid=e.s.a&amp;", "").replace("?lf_cid=e.s.a", "") == content


@given(
    st.lists(ADDRESS, max_size=4), st.sampled_from(['<a href="{}">', "<b><a  HREF='{}'/>", '<i\nhref="{}" id=x>'])
)
def test_every_http_link_is_the_same_address_plus_one_parameter(addresses: list[str], tag: str) -> None:
    content = "".join(tag.format(address) for address in addresses)
    before, after = _Hrefs(content).found, _Hrefs(decorate_html(content, CID).content).found
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        if not old.lower().startswith("http"):
            assert new == old
            continue
        old_url, new_url = urlsplit(old.strip()), urlsplit(new.strip())
        assert new_url._replace(query="") == old_url._replace(query="")
        query = parse_qsl(new_url.query, keep_blank_values=True)
        assert query == [("lf_cid", CID), *parse_qsl(old_url.query, keep_blank_values=True)]
