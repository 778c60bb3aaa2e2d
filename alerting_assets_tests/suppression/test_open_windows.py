from __future__ import annotations

import pytest

from alerting_assets.suppression.open_windows import open_windows

CLOSED = [
    "SELECT COUNT(*) FROM t WHERE at > NOW() - INTERVAL 1 HOUR AND at <= NOW()",
    "SELECT COUNT(*) FROM t WHERE at BETWEEN CURRENT_TIMESTAMP() - INTERVAL 1 HOUR AND CURRENT_TIMESTAMP()",
    "SELECT COUNT(*) FROM t WHERE day = CURRENT_DATE()",
    "SELECT COUNT(*) FROM t WHERE CURRENT_TIMESTAMP() - INTERVAL 1 DAY < at AND NOW() >= AT",
    "SELECT COUNT(*) FROM t WHERE amount > 5",
    "SELECT MAX(DATEDIFF(CURRENT_DATE(), updated)) FROM t",
    "SELECT COUNT(*) FROM t WHERE at < NOW() - INTERVAL 30 DAYS",
    "not sql at all (",
]
OPEN = {
    "SELECT COUNT(*) FROM t WHERE t.at > NOW() - INTERVAL 1 HOUR": ["t.at"],
    "SELECT COUNT(*) FROM t WHERE at >= CURRENT_DATE() - 7 AND kind = 'x'": ["at"],
    "SELECT COUNT(*) FROM t WHERE CURRENT_TIMESTAMP() - INTERVAL 1 DAY <= at": ["at"],
    "SELECT COUNT(*) FROM t WHERE DATE(at) >= DATE_SUB(CURRENT_DATE(), 7)": ["at"],
    "WITH w AS (SELECT * FROM t WHERE at > NOW() - INTERVAL 1 HOUR) SELECT COUNT(*) FROM w WHERE at <= NOW()": ["at"],
}


@pytest.mark.parametrize("sql", CLOSED)
def test_a_window_that_ends_now_counts_nothing_of_later(sql: str) -> None:
    assert open_windows(sql) == []


@pytest.mark.parametrize("sql", OPEN)
def test_a_window_without_an_end_is_named(sql: str) -> None:
    assert open_windows(sql) == OPEN[sql]
