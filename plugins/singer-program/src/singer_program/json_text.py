"""What JSON may hold that is no text elsewhere: NUL, half of a surrogate pair, bytes that are not UTF-8."""

from __future__ import annotations

import re

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""Its escape, behind any number of escaped backslashes."""
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_HIGH, _LOW, _END = 0xD800, 0xDC00, 0xE000


def without_nul(body: bytes) -> bytes:
    """A JSON body with U+FFFD for the character NUL, however deep: it stands in JSON as an escape only."""
    return _NUL.sub(rb"\1\\ufffd", body) if rb"\u0000" in body else body


def without_lone_surrogates(line: bytes) -> bytes:
    """A line of JSON in which U+FFFD stands for bytes that are not UTF-8, and for each escaped half of a pair."""
    line = line.decode("utf-8", "replace").encode() if not _is_utf8(line) else line
    escapes = list(_ESCAPE.finditer(line)) if b"\\u" in line else []
    codes = [(each.start(), int(each[1], 16)) for each in escapes if each[1] and _HIGH <= int(each[1], 16) < _END]
    lone: list[int] = []
    n = 0
    while n < len(codes):
        at, code = codes[n]
        if code < _LOW and n + 1 < len(codes) and codes[n + 1][0] == at + 6 and codes[n + 1][1] >= _LOW:
            n += 2
        else:
            lone.append(at)
            n += 1
    parts, done = [], 0
    for at in lone:
        parts += [line[done:at], rb"\ufffd"]
        done = at + 6
    return b"".join([*parts, line[done:]])


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
