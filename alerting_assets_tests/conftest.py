"""Fixtures for several folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables

settings.register_profile("no deadline", deadline=None)  # first calls import things; how fast it is, benchmarks tell
settings.load_profile("no deadline")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[EmbeddedLakehouse]:
    """An embedded lakehouse of the test's own, with our tables in health_monitor.gold. Sail starts only if it is asked to query."""
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as engine:
        create_tables(engine)
        yield engine
