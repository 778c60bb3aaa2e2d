"""A lakehouse with the tables that the corpora are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets_tests.validation.corpus import create_corpus_tables


@pytest.fixture(scope="package")
def corpus_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "lakehouse"
    create_corpus_tables(root)
    return root


@pytest.fixture(scope="package")
def corpus_lakehouse(corpus_root: Path) -> Iterator[EmbeddedLakehouse]:
    with EmbeddedLakehouse(corpus_root, "health_monitor", "gold", describe_seconds=20.0) as lakehouse:
        yield lakehouse
