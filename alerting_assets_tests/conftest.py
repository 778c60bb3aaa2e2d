"""Fixtures for several folders."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import alerting_assets_tests.profile  # noqa: F401  loads the profile of the property tests
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables

MEMORY_DISK = Path("/dev/shm")
ENOUGH_MEMORY = 2 * 1024**3

# Nothing here is about what survives a loss of power, and waiting for a disk's confirmation takes half of the time of many tests.
if os.access(MEMORY_DISK, os.W_OK) and shutil.disk_usage(MEMORY_DISK).free > ENOUGH_MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))
    os.environ.setdefault("TMPDIR", str(MEMORY_DISK))
# Commands that run in this process write their tables for a terminal of this width.
os.environ.setdefault("COLUMNS", "200")


@pytest.fixture(autouse=True)
def heard() -> None:
    """Libraries that configure logging (Dagster's migrations) switch off all loggers that are there."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("alerting_assets") and isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[EmbeddedLakehouse]:
    """An embedded lakehouse of the test's own, with our tables in health_monitor.gold. Sail starts only if it is asked to query."""
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as engine:
        create_tables(engine)
        yield engine


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a new MLflow store, which takes seconds to make: to be copied."""
    from alerting_assets.settings import Settings
    from alerting_assets.suppression.registry import ModelRegistry

    home = tmp_path_factory.mktemp("store")
    assert ModelRegistry(Settings(home=home)).versions() == []
    return home
