"""SQL that we ship is of one dialect, Databricks'. That Sail and Spark run it alike, `spark/test_engines_agree.py` shows; the
statements of the SQL engines are in `lakehouse/test_sql_text.py`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlglot
from sqlglot import exp

from alerting_assets.configuration import load_definitions, read_rows, target_of, to_alerts
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets_tests.shipped import shipped_definitions

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DEFINITIONS = shipped_definitions()


def assert_is_a_query(sql: str) -> None:
    (statement,) = sqlglot.parse(sql, dialect="databricks")
    assert isinstance(statement, exp.Query)
    assert not statement.find(exp.Command, exp.DML, exp.DDL)


def test_every_deployed_demo_alert_is_one_query_of_the_databricks_dialect(lakehouse: Lakehouse) -> None:
    load_definitions(lakehouse, DEFINITIONS, NOW)
    alerts = to_alerts(read_rows(lakehouse), target_of(Settings()))
    assert len(alerts) == 43
    for alert in alerts:
        assert alert.compiled is not None
        assert_is_a_query(alert.compiled.sql)
