"""HTML of a message as a document for a frame, in which nothing runs, is fetched or leads away."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from lift_report.template_branches import TESTED

_TAGS = frozenset(
    {
        *("a", "abbr", "address", "article", "aside", "b", "big", "blockquote", "body", "br", "caption", "center"),
        *("cite", "code", "col", "colgroup", "dd", "del", "div", "dl", "dt", "em", "figcaption", "figure", "font"),
        *("footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "ins", "li", "main"),
        *("mark", "nav", "ol", "p", "pre", "q", "s", "section", "small", "span", "strike", "strong", "sub", "sup"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"),
    }
)
"""Those that are kept. Any other is left out, and what stands in it stays."""
_WITH_CONTENT = frozenset(
    {
        *("audio", "canvas", "iframe", "math", "noscript", "object", "script", "select", "svg", "template"),
        *("textarea", "title", "video", "xml"),
    }
)
"""Those that are left out with what stands in them."""
_ATTRIBUTES = frozenset(
    {
        *("align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "colspan", "dir"),
        *(
            "face",
            "height",
            "id",
            "lang",
            "nowrap",
            "role",
            "rowspan",
            "size",
            "start",
            "style",
            "title",
            "valign",
        ),
        "width",
    }
)
BOX = '<span class="lf-picture"'
"""How the box of a remote picture begins."""
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_FETCHED = re.compile(
    r"@import[^;]*;?|(?:url|image-set|image|src)\s*\(\s*(?:\"[^\"]*\"|'[^']*'|[^)]*)\s*\)", re.IGNORECASE
)
_ESCAPED = re.compile(r"\\[0-9a-f]", re.IGNORECASE)
_STYLE = (
    ":root{color-scheme:light;background:#fff;color:#222;font:15px/1.5 Helvetica,Arial,sans-serif}"
    ":root{-webkit-print-color-adjust:exact;print-color-adjust:exact}"  # its own process prints no grounds else
    ":where(body){margin:0;overflow-wrap:anywhere}:where(a){color:#1155cc;text-decoration:underline}"
    ".lf-picture{display:inline-block;box-sizing:border-box;max-width:100%;padding:6px 10px;overflow:hidden;"
    "border:1px dashed #8a857c;background:#efece6;color:#55514a;font:13px/1.4 Helvetica,Arial,sans-serif;"
    "vertical-align:top}.lf-part{padding:16px}:where([data-lf-tested]){scroll-initial-target:nearest;scroll-margin-top:24px}"
)


def document(markup: str, *, is_part: bool = False) -> str:
    """A document of a message, or of a part of one. Remote pictures become boxes with their alternative text."""
    kept = _Kept()
    kept.feed(markup)
    kept.close()
    body = "".join(kept.pieces)
    return f"<!DOCTYPE html><style>{_STYLE}</style>{f'<div class=lf-part>{body}</div>' if is_part else body}"


class _Kept(HTMLParser):
    """Writes anew what is known to be harmless."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self._left_out: list[str] = []
        self._is_style = self._is_tested = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _WITH_CONTENT:
            self._left_out.append(tag)
        if self._left_out:
            return
        given = {name: value or "" for name, value in attrs}
        if tag == "style":
            self._is_style = True
            self.pieces.append("<style>")
        elif tag == "img":
            self.pieces.append(self._picture(given))
        elif tag in _TAGS:
            self.pieces.append(f"<{tag}{self._mark(tag)}{_written(given)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _WITH_CONTENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            if tag == self._left_out[-1]:
                self._left_out.pop()
        elif tag == "style" and self._is_style:
            self._is_style = False
            self.pieces.append("</style>")
        elif tag in _TAGS:
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._left_out:
            return
        # `<` has no place in a style but to end it.
        self.pieces.append(_harmless(data).replace("<", "") if self._is_style else escape(data))

    def handle_entityref(self, name: str) -> None:
        if not self._left_out:
            self.pieces.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        if not self._left_out:
            self.pieces.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._is_tested |= f"<!--{data}-->" == TESTED

    def _mark(self, tag: str) -> str:
        """Where the frame is to be scrolled to: the first element of the tested part."""
        if not self._is_tested or tag in {"html", "head", "body"}:
            return ""
        self._is_tested = False
        return " data-lf-tested"

    def _picture(self, given: dict[str, str]) -> str:
        shown = _written({name: value for name, value in given.items() if name != "alt"})
        if _PICTURE.fullmatch(given.get("src", "")):
            return f'<img{self._mark("img")} src="{given["src"]}" alt="{escape(given.get("alt", ""))}"{shown}>'
        sizes = ";".join(
            f"{'min-height' if name == 'height' else name}:{min(int(given[name]), _LARGEST)}px"
            for name in ("width", "height")
            if given.get(name, "").isdecimal()
        )
        is_dot = given.get("width") == "1" or given.get("height") == "1"
        if is_dot:  # it counts opens
            return ""
        text = given.get("alt", "").strip() or "Picture"
        return f'{BOX}{self._mark("span")} style="{sizes}">{escape(text)}</span>'


_LARGEST = 2000


def _written(given: dict[str, str]) -> str:
    kept = ((name, value) for name, value in given.items() if name in _ATTRIBUTES)
    return "".join(f' {name}="{escape(_harmless(value) if name == "style" else value)}"' for name, value in kept)


def _harmless(style: str) -> str:
    """A style that fetches nothing. One with escapes, in which an address could hide, is left out."""
    return "" if _ESCAPED.search(style) and re.search(r"[(@]", style) else _FETCHED.sub("none", style)
