"""Delta tables and SQL: the port (`port`), our own tables (`tables`), and the engines behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting_assets.settings import Settings

if TYPE_CHECKING:
    from alerting_assets.lakehouse.port import Lakehouse


def open_lakehouse(settings: Settings) -> Lakehouse:
    """The lakehouse that the settings name. The caller closes it."""
    from alerting_assets.lakehouse.embedded import EmbeddedLakehouse

    return EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema)
