"""What JSON holds that is no text elsewhere is replaced, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from singer_program.json_text import without_lone_surrogates, without_nul


@given(st.recursive(st.text('\0\\u0a"é'), lambda inner: st.lists(inner) | st.dictionaries(st.text("\0\\"), inner)))
def test_nul_is_replaced_however_deep(value: Any) -> None:  # noqa: ANN401 - JSON
    def mended(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, str):
            return value.replace("\0", "\ufffd")
        if isinstance(value, list):
            return list(map(mended, value))
        return {mended(key): mended(each) for key, each in value.items()}

    for ascii_only in (True, False):
        body = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert json.loads(without_nul(body)) == mended(value)


@given(st.text(st.sampled_from('\ud83d\ude00\\u"é')))
def test_half_of_a_surrogate_pair_is_replaced(value: str) -> None:
    """A low half behind a high one is a character, whoever wrote the two."""
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(without_lone_surrogates(json.dumps(value).encode())) == whole


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert without_lone_surrogates(b'{"a": "\xff"}') == '{"a": "\ufffd"}'.encode()
