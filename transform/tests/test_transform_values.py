"""What texts say, on every engine as one reading of them in Python says; and what a variable may be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transform_project import Warehouse

KINDS = ("number", "json_number", "money", "integer", "whole_number", "boolean", "date")
MANY = settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Each example is some hundred texts in one query."""

NUMBER = re.compile(r"(?=.{1,345}$)[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,3})?", re.ASCII)
DAY = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([T ]([0-9]{2}:[0-9]{2})(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[-+][0-9]{2}(:?[0-9]{2})?)?)?"
)


def number(text: str, limit: float = 1e305) -> float | None:
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    if abs(value) >= limit:
        return None
    return value if abs(value) >= 1e-300 else 0.0


def json_number(text: str) -> float | None:
    return number(text) if re.match(r"-?(0(?![0-9])|[1-9])", text) else None


def integer(text: str) -> int | None:
    value = number(text)
    return int(value) if value is not None and value == math.floor(value) and abs(value) < 2**31 else None


def boolean(text: str) -> bool | None:
    words: dict[str | float | None, bool] = {"true": True, "false": False, 1.0: True, 0.0: False}
    return words.get(text.lower(), words.get(number(text)))


def day(text: str) -> date | None:
    found = DAY.fullmatch(text)
    if not found:
        return None
    written, _, minute, second, _, zone, _ = found.groups()
    try:
        moment = datetime.fromisoformat(f"{written} {minute or '00:00'}{(second or ':00')[:3]}").replace(
            tzinfo=UTC
        )
    except ValueError:
        return None
    if zone in {None, "Z"}:
        return moment.date()
    digits = f"{zone[1:].replace(':', '')}00"
    hours, minutes = int(digits[:2]), int(digits[2:4])
    if hours > 23 or minutes > 59:
        return None
    if moment.year in {1, 9999}:
        return moment.date()
    behind = timedelta(hours=hours, minutes=minutes)
    return (moment - behind if zone[0] == "+" else moment + behind).date()


def whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[-+]?[0-9]{1,38}", text, re.ASCII) else None


def said(text: str) -> tuple[object, ...]:
    return (
        number(text),
        json_number(text),
        number(text, 1e15),
        integer(text),
        whole_number(text),
        boolean(text),
        day(text),
    )


ODD = [
    *(
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "infinity",
        "1_000",
        " 12",
        "12 ",
        "\t12",
        "12\n",
        "0x1F",
        "0b1",
        "12d",
        "12f",
        "1,5",
        "١٢",
        "\N{FULLWIDTH DIGIT ONE}",
    ),
    *(
        "+5",
        "-5",
        "--5",
        "5.",
        ".5",
        ".",
        "-.5e1",
        "1e5",
        "1E+05",
        "1e",
        "e5",
        "1e400",
        "-1e400",
        "1e-400",
        "0e999",
        "1e0001",
        "007",
        "-0",
        "$5",
        "",
    ),
    *(
        "9" * 38,
        "9" * 39,
        "9" * 305,
        "9" * 306,
        "9" * 341,
        "0" * 344 + "7",
        "0" * 345 + "7",
        "0." + "0" * 342 + "7",
        "0." + "0" * 343 + "7",
        "0." + "0" * 339 + "1",
        "0." + "0" * 400,
        "1e305",
        "1e304",
        "1e-300",
        "1e-301",
        "5e-324",
        "0." + "9" * 30 + "e-300",
        "999999999999999.99999999",
    ),
    *(
        "999999999999999",
        "1000000000000000",
        "2147483647",
        "2147483648",
        "-2147483648",
        "12.0",
        "1.2e1",
        "12.5",
        "9007199254740993",
    ),
    *("true", "TRUE", "False", "t", "yes", "on", "1", "0", "1.0", "0.0", "1e0", " true", "null"),
    *(
        "2026-01-01",
        "2026-02-29",
        "2024-02-29",
        "2100-02-29",
        "2000-02-29",
        "0000-01-01",
        "0001-01-01",
        "2026-13-01",
        "2026-1-1",
        "20260101",
    ),
    *(
        "2026-01-01T23:30:00-05:00",
        "2026-01-01 01:30:00+02:30",
        "2026-01-01T00:00Z",
        "2026-01-01T24:00",
        "2026-01-01T23:59:60",
        "2026-01-01z",
    ),
    *(
        "2026-01-01T01:00+02",
        "2026-01-01T01:00:00.123456789+0200",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "infinity",
        "epoch",
    ),
    *(
        "2026-01-01T10:00:00+24:00",
        "2026-01-01T10:00:00+05:60",
        "\N{FULLWIDTH DIGIT TWO}026-01-01",
        "2026-01-01\n",
        "'",
        "\\",
        "\\n",
        "%",
    ),
]
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.from_regex(r"[-+]?[0-9]{0,20}[.]?[0-9]{0,20}([eE][-+]?[0-9]{0,4})?", fullmatch=True),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.builds(
        lambda moment, sign, hour, minute: f"{moment.isoformat()[:19]}{sign}{hour:02d}:{minute:02d}",
        st.datetimes(),
        st.sampled_from("+-"),
        st.integers(0, 23),
        st.integers(0, 59),
    ),
    st.text("0123456789+-.eE_ \t\nxXnNaAiIfF٣", max_size=12),
)


@pytest.fixture(scope="module")
def reader(first_run: Warehouse) -> tuple[Warehouse, str]:
    """A warehouse with a table of texts, and the query that reads each as every kind."""
    warehouse = first_run.copy()
    warehouse.query(f"create table klaviyo_raw.texts (place integer, said {warehouse.project.engine.text})")
    columns = ", ".join(f"{{{{ lf_{kind}('said') }}}} as a_{kind}" for kind in KINDS)
    query = f"select place, {columns} from klaviyo_raw.texts order by place"  # noqa: S608
    (result,) = warehouse.dbt("compile", "--inline", query).results
    return warehouse, result["node"]["compiled_code"]


def read(reader: tuple[Warehouse, str], texts: Sequence[str]) -> list[tuple[object, ...]]:
    warehouse, query = reader
    warehouse.land("texts", [{"place": place, "said": text} for place, text in enumerate(texts)])
    return [tuple(row[1:]) for row in warehouse.query(query)]


def test_odd_texts_say_the_same_on_every_engine(reader: tuple[Warehouse, str]) -> None:
    for text, found in zip(ODD, read(reader, ODD), strict=True):
        assert found == said(text), repr(text)


@MANY
@given(st.lists(TEXTS, min_size=100, max_size=300))
def test_any_text_says_the_same_on_every_engine(reader: tuple[Warehouse, str], texts: list[str]) -> None:
    for text, found in zip(texts, read(reader, texts), strict=True):
        assert found == said(text), repr(text)


def test_a_date_is_read_as_its_text_is(first_run: Warehouse) -> None:
    """`target-postgres` makes a date of `planned_stop`, which other loaders leave a text."""
    (result,) = first_run.dbt("compile", "--inline", "{{ lf_date(\"cast('2026-02-28' as date)\") }}").results
    assert first_run.query(f"select {result['node']['compiled_code']}") == [(date(2026, 2, 28),)]


def test_a_number_of_a_document_is_the_same_as_its_text(first_run: Warehouse) -> None:
    """An engine may write a document's numbers out anew: with an exponent, or all their digits."""
    written = [
        "1e300",
        "1E5",
        "1.50",
        "1e-7",
        "1.7976931348623157e308",
        "5e-324",
        "-0.1",
        "9007199254740993",
        "123456789012345678901234",
    ]
    warehouse = first_run.copy()
    warehouse.land(
        "events",
        [
            {"id": f"{place:02d}/{kind}", "datetime": warehouse.as_of, "event_properties": json.loads(document)}
            for place, text in enumerate(written)
            for kind, document in (("number", f'{{"$value": {text}}}'), ("text", json.dumps({"$value": text})))
        ],
    )
    values = dict(warehouse.query("select event_id, value from staging.stg_klaviyo__events"))
    assert values == {
        f"{place:02d}/{kind}": number(text, 1e15)
        for place, text in enumerate(written)
        for kind in ("number", "text")
    }


def test_a_variable_of_another_kind_is_told(first_run: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value, accepted in [
        ("alpha", "0.05 or 1=1", "a number"),
        ("min_hours", "nan", "a number"),
        ("pool_variances", "false", "true or false"),
        ("metric_role_overrides", "M1", "a mapping of texts"),
        ("srm_concentrations", [10, "x"], "a number"),
        ("as_of", "2026-11-02T08:00:00+02:00", "a UTC time without an offset"),
    ]:
        with pytest.raises(Exception, match="inline query"):
            first_run.dbt(
                "compile", "--inline", f"select {{{{ lf_variable('{name}') }}}} as held", **{name: value}
            )
        assert accepted in capsys.readouterr().out, name
    (result,) = first_run.dbt(
        "compile", "--inline", "select {{ lf_variable('alpha') }} as held", alpha="1e-3"
    ).results
    assert result["node"]["compiled_code"] == "select 0.001 as held"


def test_rows_that_should_never_have_been_there_are_taken_out(warehouse: Warehouse) -> None:
    """What earlier versions wrote: a rule of no audience, and orders of `NaN` before the assignment."""
    rules = warehouse.query("select count(*) from marts.fct_assignment_rules")
    sums = warehouse.query("select count(*), sum(revenue) from intermediate.int_covariates")
    caps = warehouse.query("select * from intermediate.int_value_caps order by experiment_key, metric")
    nan = f"cast('NaN' as {warehouse.project.engine.double})"
    warehouse.query("insert into marts.fct_assignment_rules (rule_id, experiment_key) values (1, 'misspelt')")
    warehouse.query(f"insert into intermediate.int_covariates (profile_id, revenue) values ('gone', {nan})")  # noqa: S608
    if warehouse.project.engine.name != "spark":  # plain files know no update
        for table, column in (("int_covariates", "revenue"), ("int_events_classified", "value")):
            warehouse.query(f"update intermediate.{table} set {column} = {nan} where profile_id like '%0'")  # noqa: S608
        warehouse.query(f"update intermediate.int_value_caps set cap = {nan}, population = 'audience'")  # noqa: S608
    for models in (["fct_assignment_rules"], ["int_events_classified", "int_covariates", "int_value_caps"]):
        warehouse.dbt("build", "--select", *models, "--exclude-resource-type", "unit_test")
    assert warehouse.query("select count(*) from marts.fct_assignment_rules") == rules
    assert warehouse.query("select count(*), sum(revenue) from intermediate.int_covariates") == sums
    assert warehouse.query("select count(*) from intermediate.int_events_classified where value >= 1e15") == [(0,)]
    assert caps
    assert warehouse.query("select * from intermediate.int_value_caps order by experiment_key, metric") == caps
