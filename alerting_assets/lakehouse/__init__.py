"""Delta tables and SQL: the port (`port`), our own tables (`tables`), and the engines behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting_assets.errors import LakehouseError, LakehouseUnavailable
from alerting_assets.settings import Settings

if TYPE_CHECKING:
    from alerting_assets.lakehouse.port import Lakehouse


ONLY_READS = "only queries that read are allowed here"
"""What the local workspace's warehouse says to a statement that writes."""


def open_lakehouse(settings: Settings) -> Lakehouse:
    """Open the lakehouse that the settings name. The caller closes it."""
    names = (settings.catalog, settings.schema)
    if settings.lakehouse == "warehouse":
        from alerting_assets.lakehouse.warehouse import warehouse_lakehouse
        from alerting_assets.workspace.client import connect_for_statements

        try:
            return warehouse_lakehouse(connect_for_statements(settings), settings.warehouse_id, *names)
        except LakehouseError as error:
            if settings.workspace == "local" and ONLY_READS in str(error):
                raise LakehouseUnavailable(
                    "ALERTING_LAKEHOUSE=warehouse with ALERTING_WORKSPACE=local: the SQL warehouse of the local workspace that runs "
                    "here only reads. Set ALERTING_WORKSPACE=databricks and DATABRICKS_WAREHOUSE_ID for a real one, or have the local "
                    "workspace served by `ALERTING_LAKEHOUSE=spark alerting workspace serve`"
                ) from None
            raise
    if settings.lakehouse == "spark":
        from alerting_assets.lakehouse.spark import LocalSparkLakehouse, remote_spark

        if settings.spark_remote:
            return remote_spark(settings.spark_remote, *names)
        return LocalSparkLakehouse(settings.lakehouse_root, *names)
    from alerting_assets.lakehouse.embedded import EmbeddedLakehouse

    return EmbeddedLakehouse(settings.lakehouse_root, *names)
