from __future__ import annotations

import dagster as dg
import pytest

from alerting_assets.errors import SettingsError
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings

pytestmark = pytest.mark.unit

REMOTE = "sc://spark.example.com:443/;token=not-for-eyes"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"ALERTING_LAKEHOUSE": "duckdb"},
            "ALERTING_LAKEHOUSE='duckdb' is not allowed; use one of: embedded, warehouse, spark",
        ),
        (
            {"ALERTING_SPARK_REMOTE": REMOTE},
            "ALERTING_SPARK_REMOTE is set, but ALERTING_LAKEHOUSE=embedded does not use it",
        ),
        (
            {"ALERTING_LAKEHOUSE": "spark", "ALERTING_SPARK_REMOTE": "http://spark/;token=not-for-eyes"},
            "use the address of a Spark Connect server: sc://host:15002",
        ),
        ({"ALERTING_WORKSPACE": "databricks"}, "DATABRICKS_WAREHOUSE_ID is not set"),
        ({"ALERTING_CATALOG": "my-catalog"}, "ALERTING_CATALOG='my-catalog' is not allowed; use letters, digits and _"),
        ({"ALERTING_MAX_CONCURRENCY": "0"}, "ALERTING_MAX_CONCURRENCY='0' is not allowed; use a whole number from 1"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    assert message in str(caught.value)
    assert "not-for-eyes" not in str(caught.value)


def test_the_token_of_a_spark_connect_server_is_read_by_name_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTING_LAKEHOUSE", "spark")
    monkeypatch.setenv("ALERTING_SPARK_REMOTE", REMOTE)
    resource = AlertingResource.from_environment()
    assert "not-for-eyes" not in repr(resource)
    assert "not-for-eyes" not in repr(Settings.from_environment())
    with dg.build_resources({"alerting": resource}) as resources:
        assert resources.alerting.settings.spark_remote == REMOTE
