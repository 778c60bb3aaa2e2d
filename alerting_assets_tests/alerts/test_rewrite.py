from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import at_moment, replace_tables, tables_read

pytestmark = pytest.mark.unit

NOON = datetime(2026, 11, 2, 12, 30, 15, 250_000, tzinfo=UTC)
STAMP = "CAST('2026-11-02 12:30:15.250000' AS TIMESTAMP)"


@pytest.mark.parametrize(
    ("sql", "becomes"),
    [
        ("SELECT CURRENT_TIMESTAMP() - INTERVAL 1 HOUR", f"SELECT {STAMP} - INTERVAL 1 HOUR"),
        ("SELECT current_timestamp, now ( )", f"SELECT {STAMP}, {STAMP}"),
        ("SELECT CURRENT_DATE(), current_date", "SELECT CAST('2026-11-02' AS DATE), CAST('2026-11-02' AS DATE)"),
        ("SELECT unix_timestamp(), unix_timestamp(t)", "SELECT CAST(1793622615 AS BIGINT), unix_timestamp(t)"),
        ("SELECT t.current_date, now, x AS current_timestamp FROM now", None),
        ("SELECT 'CURRENT_DATE()', `now`() -- CURRENT_DATE()", None),
    ],
)
def test_the_clock_and_nothing_else_is_replaced(sql: str, becomes: str | None) -> None:
    assert at_moment(sql, NOON) == (becomes or sql)


def test_the_moment_is_told_in_utc() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    assert at_moment("SELECT now()", berlin) == f"SELECT {STAMP}"


@pytest.mark.parametrize(
    ("sql", "becomes"),
    [
        ("SELECT a FROM t", "SELECT a FROM X AS `t`"),
        ("SELECT u.a FROM c.s.t AS u", "SELECT u.a FROM X AS u"),
        ("SELECT t.a FROM `c`.`s`.`t` WHERE t.a = 't'", "SELECT t.a FROM X AS `t` WHERE t.a = 't'"),
        ("SELECT * FROM t, s.u JOIN t AS v ON 1 = 1", "SELECT * FROM X AS `t`, X AS `u` JOIN X AS v ON 1 = 1"),
        ("WITH t AS (SELECT * FROM u) SELECT * FROM t", "WITH t AS (SELECT * FROM X AS `u`) SELECT * FROM t"),
        ("SELECT (SELECT MAX(a) FROM t) AS m", "SELECT (SELECT MAX(a) FROM X AS `t`) AS m"),
        ("SELECT a FROM t UNION ALL SELECT a FROM u", "SELECT a FROM X AS `t` UNION ALL SELECT a FROM X AS `u`"),
        ("SELECT 1 -- FROM t", "SELECT 1 -- FROM t"),
    ],
)
def test_tables_and_nothing_else_are_replaced(sql: str, becomes: str) -> None:
    assert replace_tables(sql, lambda _: "X") == becomes


def test_what_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(QueryTextError, match="cannot be parsed"):
        tables_read("SELECT FROM WHERE (")


@given(
    tables=st.lists(st.sampled_from(["t", "`a b`", "s.u", "c.s.v", "`c`.s.`w x`"]), min_size=1, max_size=4),
    text=st.text(st.characters(codec="utf-8", exclude_characters="'\\\0"), max_size=10),
)
def test_replacing_a_table_by_itself_changes_no_meaning(tables: list[str], text: str) -> None:
    sql = " UNION ALL ".join(f"SELECT '{text}' AS a, CURRENT_DATE() AS d FROM {table} AS q" for table in tables)
    same = replace_tables(sql, lambda reference: sql[reference.start : reference.end])
    assert same == sql
    assert sqlglot.parse_one(at_moment(sql, NOON), dialect="databricks")
