"""Fixtures of the tests of the sync."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.deployment.world import World


@pytest.fixture
def world(lakehouse: Lakehouse, tmp_path: Path) -> Iterator[World]:
    settings = Settings(home=tmp_path)
    with LocalWorkspaceServer(settings.workspace_root, lakehouse.query, port=0) as server:
        yield World(lakehouse, server, tmp_path)
