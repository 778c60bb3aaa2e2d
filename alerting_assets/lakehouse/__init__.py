"""Delta tables and SQL: the port (`port`), our own tables (`tables`), and the engines behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting_assets.settings import Settings

if TYPE_CHECKING:
    from alerting_assets.lakehouse.port import Lakehouse


def open_lakehouse(settings: Settings) -> Lakehouse:
    """Open the lakehouse that the settings name. The caller closes it."""
    names = (settings.catalog, settings.schema)
    if settings.lakehouse == "warehouse":
        from alerting_assets.lakehouse.warehouse import warehouse_lakehouse
        from alerting_assets.workspace.client import connect_for_statements

        return warehouse_lakehouse(connect_for_statements(settings), settings.warehouse_id, *names)
    if settings.lakehouse == "spark":
        from alerting_assets.lakehouse.spark import LocalSparkLakehouse, remote_spark

        if settings.spark_remote:
            return remote_spark(settings.spark_remote, *names)
        return LocalSparkLakehouse(settings.lakehouse_root, *names)
    from alerting_assets.lakehouse.embedded import EmbeddedLakehouse

    return EmbeddedLakehouse(settings.lakehouse_root, *names)
