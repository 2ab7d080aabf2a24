from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_klaviyo_files.faults import RowError
from tap_klaviyo_files.values import NoMomentError, members, moment, number, parsed, text

AT = datetime(2021, 9, 15, 13, 34, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "2021-09-15 13:34:08",
        " 2021-09-15 13:34:08 ",
        "2021-09-15T13:34:08Z",
        "2021-09-15 13:34:08+00:00",
        "2021-09-15 13:34:08 +0000",
        "2021-09-15 15:34:08 +02:00",
        "2021-09-15 13:34:08 UTC",
        "2021-09-15T15:34:08.000+02:00",
        "09/15/2021 13:34:08",
        "9/15/2021 1:34:08 PM",
        "09/15/21 13:34:08",
        "1631712848",
        "1631712848.0",
        "1631712848000",
        1631712848,
        1631712848.0,
        Decimal(1631712848),
        datetime(2021, 9, 15, 13, 34, 8),  # noqa: DTZ001 - Parquet has such
        datetime(2021, 9, 15, 14, 34, 8, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=repr,
)
def test_moments(cell: object) -> None:
    assert moment(cell, UTC) == AT
    assert moment(cell, UTC).tzinfo is UTC


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        ("09/15/2021 13:34", datetime(2021, 9, 15, 13, 34, tzinfo=UTC)),
        ("09/15/2021", datetime(2021, 9, 15, tzinfo=UTC)),
        ("2021-09-15", datetime(2021, 9, 15, tzinfo=UTC)),
        (date(2021, 9, 15), datetime(2021, 9, 15, tzinfo=UTC)),
        ("02/01/2021", datetime(2021, 2, 1, tzinfo=UTC)),
        ("12/31/2021 12:00 AM", datetime(2021, 12, 31, tzinfo=UTC)),
        ("2021-09-15 13:34:08.123456", datetime(2021, 9, 15, 13, 34, 8, 123456, tzinfo=UTC)),
    ],
    ids=repr,
)
def test_moments_of_less_or_more(cell: object, at: datetime) -> None:
    assert moment(cell, UTC) == at


def test_where_the_clock_hung() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert moment("2021-09-15 15:34:08", zone) == AT
    assert moment("09/15/2021 15:34:08", zone) == AT
    assert moment("2021-09-15T13:34:08Z", zone) == AT, "it says so itself"
    assert moment("1631712848", zone) == AT


@pytest.mark.parametrize(
    "cell",
    [
        "", "15/09/2021 13:34", "31/12/2021", "2021-13-01 00:00:00", "20210915", "13:34", "soon", "0",
        "2021-09-15 25:00:00", "99999999999999999", "09/15/2021 13:34 PM", True, None, [], float("nan"),
        "2021-99-15 13:34:08", "٢٠٢١-09-15 13:34:08", 1e300,
        float("inf"), "13/13/2021",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_moment_is_not_guessed(cell: object) -> None:
    with pytest.raises(NoMomentError):
        moment(cell, UTC)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_the_ends_of_time(zone: str) -> None:
    for cell in ("0001-01-01 00:00:00", "9999-12-31 23:59:59+00:00", "9999-12-31 23:59:59-12:00"):
        try:
            assert moment(cell, ZoneInfo(zone)).tzinfo is UTC
        except NoMomentError:
            continue


@given(at=st.datetimes(datetime(2000, 1, 1), datetime(2068, 1, 1)))  # noqa: DTZ001 - its text has none
def test_every_form_of_a_moment_says_the_same(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    forms = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%m/%d/%Y %H:%M:%S", "%m/%d/%y %I:%M:%S %p")
    assert {moment(at.strftime(form), UTC) for form in forms} == {at}
    assert moment(str(int(at.timestamp())), UTC) == at


def test_texts_numbers_and_json_in_a_cell() -> None:
    assert [text(cell) for cell in (None, " ", " a ", 7, 7.0, 1.5, True)] == [
        None,
        None,
        "a",
        "7",
        "7",
        "1.5",
        "true",
    ]
    assert [number(cell) for cell in ("12.50", " 7 ", "-0.1")] == [Decimal("12.50"), 7, Decimal("-0.1")]
    for other in ("", "1,234.50", "$5", "1e999", "NaN", "007", None, 3.5):
        assert number(other) is other, "nothing is guessed"
    assert parsed('["a", 1.10]') == ["a", Decimal("1.10")]
    assert parsed("{x}") == "{x}"
    assert parsed("12") == "12", "an order number is no number"
    assert parsed("[" * 100_000 + "]" * 100_000)[:2] == "[["


def test_members() -> None:
    assert members('{"a": 1.10}', "p") == {"a": Decimal("1.10")}
    assert members({1: 2}, "p") == {"1": 2}
    assert members([("a", 1)], "p") == {"a": 1}, "a map of Parquet"
    assert members(" ", "p") == members(None, "p") == {}
    for wrong in ("[1]", "1", "{'a': 1}", "{" * 100_000, 7, [1]):
        with pytest.raises(RowError) as told:
            members(wrong, "p")
        assert "'p'" in str(told.value)
        assert str(wrong)[:5] not in str(told.value)
