"""The port to a Databricks workspace, and the local workspace server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting_assets.settings import Settings
from alerting_assets.workspace.port import RemoteAlert, RemoteDestination, Workspace

if TYPE_CHECKING:
    from alerting_assets.workspace.client import DatabricksWorkspace

__all__ = ["RemoteAlert", "RemoteDestination", "Workspace", "open_workspace"]


def open_workspace(settings: Settings) -> DatabricksWorkspace:
    """The workspace that the settings choose. Raises SettingsError without credentials and WorkspaceUnavailable when no local
    server runs; makes no request of its own."""
    from alerting_assets.workspace.client import connect  # the databricks-sdk takes a second to import

    return connect(settings)
