"""One search for several parts finds whatever a look for each by itself finds: never less."""

from __future__ import annotations

from pathlib import Path

import pytest
from people_warehouse import filled

from subject_requests.warehouse import opened

HOSTILE = (
    "o'neil@shop.example", "a.b@x.io", "a+b*c", "100%", "a_b", "\\", "\\'", "(", "[i]", "$|^", "{2}", "?", "#- ~&",
    "\\d", "i", "k", "s", "é@x.fr", "ß", "\n", '"', "''", "--", "日本",
)  # fmt: skip
FOLDED = ("\u212a", "\u017f")
"""What a search may take for the letters k and s."""
TEXTS = (
    *HOSTILE, "", "aXb@x.io", "a-b", "1000", "axb", "7", "İ", *FOLDED, "ẞ",
    "É@X.FR", "O'NEIL@SHOP.EXAMPLE", "(?i)",
)  # fmt: skip
GIVEN = (
    *((each,) for each in HOSTILE),
    ("a+b*c", "o'neil@shop.example"),
    ("é@x.fr", "a_b"),
    ("none", "100%", "\\"),
)


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_one_search_finds_what_each_would(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    place = filled(tmp_path / "w.duckdb" if kind == "duckdb" else request.getfixturevalue("database")())
    with opened(place) as database:
        mark, by_itself = (
            ("?", "contains(lower(t), {})") if kind == "duckdb" else ("%s", "strpos(lower(t), {}) > 0")
        )
        texts = f"SELECT t FROM (SELECT unnest(CAST({mark} AS text[])) AS t) AS given WHERE "  # noqa: S608
        found = 0
        for parts in GIVEN:
            condition, values = database.has_any("t", parts)
            each = " OR ".join(by_itself.format(mark) for _ in parts)
            together = database.rows(f"{texts}{condition}", [list(TEXTS), *values])
            wanted = database.rows(f"{texts}{each}", [list(TEXTS), *parts])
            assert {*wanted} <= {*together}, parts
            assert {*together} - {*wanted} <= {(text,) for text in FOLDED}, parts
            found += len(together)
        assert found > len(GIVEN)
