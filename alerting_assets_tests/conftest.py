"""Fixtures for several folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[EmbeddedLakehouse]:
    """An embedded lakehouse of the test's own, with our tables in health_monitor.gold. Sail starts only if it is asked to query."""
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as engine:
        create_tables(engine)
        yield engine
