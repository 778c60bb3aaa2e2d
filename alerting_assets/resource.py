"""The resource that every stage uses: the settings as its fields, the two ports opened when they are first asked for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import PrivateAttr

from alerting_assets.alerts.compiled import Target
from alerting_assets.configuration import target_of
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets.validation import Policy, policy_of
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.port import Workspace


class AlertingResource(dg.ConfigurableResource[Any]):
    """The settings, and the two ports that they lead to. Its fields are those of `Settings`, under the same names;
    `from_environment` fills them."""

    lakehouse: str
    workspace: str
    home: str
    definitions: str
    catalog: str
    schema_name: str
    spark_remote: str | None
    environment: str
    warehouse_id: str
    parent_path: str | None
    max_concurrency: int
    requests_per_minute: int
    request_burst: int
    lease_wait_seconds: int
    delete_disabled: bool
    max_delete_percent: int
    sensor_seconds: int
    strict: bool
    deploy_unsupported: bool
    allowed_schemas: list[str]
    allowed_functions: list[str]
    retention_days: int
    history_days: int
    reopen_minutes: int
    query_seconds: int
    evaluation_seconds: int
    evaluation_history: str | None
    evaluation_grace_minutes: int
    channels: list[str]
    heartbeat_minutes: int
    notify: str | None
    dagster_url: str | None
    stuck_minutes: int
    mlflow_tracking_uri: str | None
    mlflow_registry_uri: str | None

    _stack: ExitStack = PrivateAttr(default_factory=ExitStack)
    _lakehouse: Lakehouse | None = PrivateAttr(default=None)
    _workspace: Workspace | None = PrivateAttr(default=None)

    @classmethod
    def from_environment(cls) -> Self:
        """The resource of this process's environment. Raises SettingsError; the code location then does not load, and shows why."""
        values: dict[str, Any] = asdict(Settings.from_environment())
        values["schema_name"] = values.pop("schema")  # `schema` is a method of every pydantic model
        fields: dict[str, Any] = {
            name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }
        for name in ("spark_remote", "mlflow_tracking_uri", "mlflow_registry_uri"):
            if values[name]:  # by name: it may hold a token or a password, and Dagster shows fields
                fields[name] = dg.EnvVar(f"ALERTING_{name.upper()}")
        return cls(**fields)

    @property
    def settings(self) -> Settings:
        given: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        values: dict[str, Any] = {
            name: one.get_value() if isinstance(one, dg.EnvVar) else one for name, one in given.items()
        }
        values["schema"] = values.pop("schema_name")
        paths = {"home": Path(self.home), "definitions": Path(self.definitions)}
        lists = {name: tuple(getattr(self, name)) for name in ("allowed_schemas", "allowed_functions", "channels")}
        return Settings(**{**values, **paths, **lists})

    @property
    def target(self) -> Target:
        return target_of(self.settings)

    @property
    def policy(self) -> Policy:
        """The project's policy. It is read anew each time, because validation.yml may change while the code location runs."""
        return policy_of(self.settings)

    def now(self) -> datetime:
        return datetime.now(UTC)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Self, None, None]:  # noqa: ARG002
        with self._stack:
            yield self

    def get_lakehouse(self) -> Lakehouse:
        """The lakehouse, opened once for each run (in one process) with its tables created, and closed with the run."""
        if self._lakehouse is None:
            self._lakehouse = self._stack.enter_context(open_lakehouse(self.settings))
            create_tables(self._lakehouse)
        return self._lakehouse

    def get_workspace(self) -> Workspace:
        if self._workspace is None:
            self._workspace = open_workspace(self.settings)
        return self._workspace
