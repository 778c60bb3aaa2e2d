"""Settings from the environment: one value object, read once at start, wrong values named at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from alerting_assets.errors import SettingsError

LAKEHOUSES = ("embedded", "warehouse", "spark")
WORKSPACES = ("local", "databricks")
LOCAL_WAREHOUSE_ID = "local"
VALIDATION_FILE = "validation.yml"
"""The file, in the folder of the definitions, that holds what the project decides about validation; it holds no alerts."""
NOTIFY_FILE = "notify.yml"
"""The file, in the folder of the definitions, that says who is told of failures; it holds no alerts."""
ROUTING_FILE = "routing.yml"
"""The file there that holds all routes of alerts, in their order."""
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCHEMA_PATTERN = re.compile(r"[A-Za-z0-9_*?-]+(\.[A-Za-z0-9_*?-]+)?")
CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
_DESTINATION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VIEW_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){2}")
NO_IMPORT = "none"
"""For ALERTING_EVALUATION_HISTORY: evaluations that the workspace made are not imported."""
FUNCTION_PATTERN = re.compile(r"[A-Za-z0-9_*?-]+(\.[A-Za-z0-9_*?-]+){0,2}")


def is_address(channel: str) -> bool:
    """Whether it is an e-mail address or the id of a notification destination (a UUID), which the Alerts API takes as they are."""
    return bool(_EMAIL.fullmatch(channel) or _DESTINATION_ID.fullmatch(channel.lower()))


@dataclass(frozen=True)
class Settings:
    """All settings; `from_environment` reads and checks them. Field comments name the variable."""

    lakehouse: str = "embedded"  # ALERTING_LAKEHOUSE
    workspace: str = "local"  # ALERTING_WORKSPACE
    home: Path = Path(".alerting")  # ALERTING_HOME, absolute once read
    definitions: Path = Path("alerts")  # ALERTING_DEFINITIONS, the folder of YAML files
    catalog: str = "health_monitor"  # ALERTING_CATALOG
    schema: str = "gold"  # ALERTING_SCHEMA
    spark_remote: str | None = field(
        default=None, repr=False
    )  # ALERTING_SPARK_REMOTE, sc://host:port; may hold a token
    environment: str = "dev"  # ALERTING_ENVIRONMENT
    warehouse_id: str = LOCAL_WAREHOUSE_ID  # DATABRICKS_WAREHOUSE_ID
    parent_path: str | None = None  # ALERTING_PARENT_PATH, the workspace folder that alerts live in
    max_concurrency: int = 16  # ALERTING_MAX_CONCURRENCY, requests at a time
    requests_per_minute: int = 900  # ALERTING_REQUESTS_PER_MINUTE
    request_burst: int = 100  # ALERTING_REQUEST_BURST
    lease_wait_seconds: int = 60  # ALERTING_LEASE_WAIT_SECONDS, how long a sync waits for another one to end
    delete_disabled: bool = (
        False  # ALERTING_DELETE_DISABLED, disabled alerts are removed from the workspace, not paused
    )
    max_delete_percent: int = 20  # ALERTING_MAX_DELETE_PERCENT, of the deployed alerts; a sync that removes more stops
    sensor_seconds: int = 5  # ALERTING_SENSOR_SECONDS, between two looks at the change feed
    strict: bool = False  # ALERTING_STRICT, one alert that is not valid stops the deployment of all
    deploy_unsupported: bool = (
        False  # ALERTING_DEPLOY_UNSUPPORTED, what this engine cannot judge is deployed all the same
    )
    allowed_schemas: tuple[str, ...] = ()  # ALERTING_ALLOWED_SCHEMAS, patterns catalog or catalog.schema; none: all
    allowed_functions: tuple[str, ...] = ()  # ALERTING_ALLOWED_FUNCTIONS, patterns of functions of one's own
    retention_days: int = 30  # ALERTING_RETENTION_DAYS, how long files that no version needs any more are kept
    history_days: int = 400  # ALERTING_HISTORY_DAYS, how long evaluations are kept
    reopen_minutes: int = 10  # ALERTING_REOPEN_MINUTES, an alert that fires again so soon goes on with its incident
    query_seconds: int = 120  # ALERTING_QUERY_SECONDS, how long one statement of an evaluation may run
    evaluation_seconds: int = 1800  # ALERTING_EVALUATION_SECONDS, how long all statements of an evaluation may take
    evaluation_history: str | None = None  # ALERTING_EVALUATION_HISTORY, the view to import from; None: the usual one
    evaluation_grace_minutes: int = (
        60  # ALERTING_EVALUATION_GRACE_MINUTES, how late the workspace's evaluations may come
    )
    channels: tuple[str, ...] = ()  # ALERTING_CHANNELS, `name=address;address` each: whom a channel's name stands for
    notify: str | None = None  # ALERTING_NOTIFY, who is told of failed checks, runs and ticks that no route takes
    dagster_url: str | None = None  # ALERTING_DAGSTER_URL, of the Dagster UI, for links in messages
    mlflow_tracking_uri: str | None = field(
        default=None, repr=False
    )  # ALERTING_MLFLOW_TRACKING_URI, where trainings are recorded; may hold a password
    mlflow_registry_uri: str | None = field(
        default=None, repr=False
    )  # ALERTING_MLFLOW_REGISTRY_URI, where models are registered; None: where trainings are recorded
    stuck_minutes: int = 60  # ALERTING_STUCK_MINUTES, how long a run may wait, or record nothing, before that is told
    heartbeat_minutes: int = 5  # ALERTING_HEARTBEAT_MINUTES, between two heartbeats

    @property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Name of a channel → e-mail addresses, and ids of notification destinations."""
        pairs = (item.partition("=") for item in self.channels)
        return {name: tuple(addresses.split(";")) for name, _, addresses in pairs}

    @property
    def reopen(self) -> timedelta:
        """How soon after its recovery an alert that fires again goes on with its incident."""
        return timedelta(minutes=self.reopen_minutes)

    @property
    def has_own_lakehouse(self) -> bool:
        """Whether the tables lie in folders of this home, rather than in a metastore that others use, too."""
        return self.lakehouse == "embedded" or (self.lakehouse == "spark" and not self.spark_remote)

    @property
    def lakehouse_root(self) -> Path:
        return self.home / "lakehouse"

    @property
    def workspace_root(self) -> Path:
        """State of the local workspace server: its SQLite file and the file that tells clients its address."""
        return self.home / "workspace"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environ is None else environ
        settings = cls(
            lakehouse=_choice(env, "ALERTING_LAKEHOUSE", LAKEHOUSES),
            workspace=_choice(env, "ALERTING_WORKSPACE", WORKSPACES),
            home=Path(env.get("ALERTING_HOME") or ".alerting").expanduser().absolute(),
            definitions=Path(env.get("ALERTING_DEFINITIONS") or "alerts").expanduser(),
            catalog=_matching(
                env,
                "ALERTING_CATALOG",
                "health_monitor",
                IDENTIFIER,
                "letters, digits and _, not starting with a digit",
            ),
            schema=_matching(
                env, "ALERTING_SCHEMA", "gold", IDENTIFIER, "letters, digits and _, not starting with a digit"
            ),
            spark_remote=_spark_remote(env.get("ALERTING_SPARK_REMOTE")),
            environment=_matching(env, "ALERTING_ENVIRONMENT", "dev", ENVIRONMENT, "1 to 64 letters, digits, _ and -"),
            warehouse_id=env.get("DATABRICKS_WAREHOUSE_ID") or LOCAL_WAREHOUSE_ID,
            parent_path=_parent_path(env.get("ALERTING_PARENT_PATH")),
            max_concurrency=_whole(env, "ALERTING_MAX_CONCURRENCY", 16),
            requests_per_minute=_whole(env, "ALERTING_REQUESTS_PER_MINUTE", 900),
            request_burst=_whole(env, "ALERTING_REQUEST_BURST", 100),
            lease_wait_seconds=_whole(env, "ALERTING_LEASE_WAIT_SECONDS", 60, least=0),
            delete_disabled=_switch(env, "ALERTING_DELETE_DISABLED"),
            max_delete_percent=_whole(env, "ALERTING_MAX_DELETE_PERCENT", 20, least=0, most=100),
            sensor_seconds=_whole(env, "ALERTING_SENSOR_SECONDS", 5),
            strict=_switch(env, "ALERTING_STRICT"),
            deploy_unsupported=_switch(env, "ALERTING_DEPLOY_UNSUPPORTED"),
            allowed_schemas=_patterns(env, "ALERTING_ALLOWED_SCHEMAS", SCHEMA_PATTERN, "main, main.gold, system.*"),
            allowed_functions=_patterns(
                env, "ALERTING_ALLOWED_FUNCTIONS", FUNCTION_PATTERN, "my_function, main.gold.*"
            ),
            retention_days=_whole(env, "ALERTING_RETENTION_DAYS", 30, least=7),
            history_days=_whole(env, "ALERTING_HISTORY_DAYS", 400),
            reopen_minutes=_whole(env, "ALERTING_REOPEN_MINUTES", 10, least=0),
            query_seconds=_whole(env, "ALERTING_QUERY_SECONDS", 120),
            evaluation_seconds=_whole(env, "ALERTING_EVALUATION_SECONDS", 1800),
            evaluation_history=_view_name(env.get("ALERTING_EVALUATION_HISTORY")),
            evaluation_grace_minutes=_whole(env, "ALERTING_EVALUATION_GRACE_MINUTES", 60, least=1),
            channels=_channels(env),
            notify=env.get("ALERTING_NOTIFY") or None,
            dagster_url=_dagster_url(env.get("ALERTING_DAGSTER_URL")),
            mlflow_tracking_uri=env.get("ALERTING_MLFLOW_TRACKING_URI") or None,
            mlflow_registry_uri=env.get("ALERTING_MLFLOW_REGISTRY_URI") or None,
            stuck_minutes=_whole(env, "ALERTING_STUCK_MINUTES", 60),
            heartbeat_minutes=_whole(env, "ALERTING_HEARTBEAT_MINUTES", 5),
        )
        if settings.workspace == "databricks" and not env.get("DATABRICKS_WAREHOUSE_ID"):
            raise SettingsError(
                "DATABRICKS_WAREHOUSE_ID is not set: with ALERTING_WORKSPACE=databricks it names the warehouse of the alerts"
            )
        if settings.spark_remote and settings.lakehouse != "spark":
            raise SettingsError(
                f"ALERTING_SPARK_REMOTE is set, but ALERTING_LAKEHOUSE={settings.lakehouse} does not use it; "
                "unset it or set ALERTING_LAKEHOUSE=spark"
            )
        return settings


def _choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise SettingsError(f"{name}={value!r} is not allowed; use one of: {', '.join(allowed)}")
    return value


def _matching(env: Mapping[str, str], name: str, default: str, pattern: re.Pattern[str], words: str) -> str:
    value = env.get(name) or default
    if not pattern.fullmatch(value):
        raise SettingsError(f"{name}={value!r} is not allowed; use {words}")
    return value


def _whole(env: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int | None = None) -> int:
    text = env.get(name) or str(default)
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least or (most is not None and number > most):
        words = f"from {least}" if most is None else f"from {least} to {most}"
        raise SettingsError(f"{name}={text!r} is not allowed; use a whole number {words}")
    return number


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = (env.get(name) or "false").lower()
    if value not in ("true", "false"):
        raise SettingsError(f"{name}={env[name]!r} is not allowed; use true or false")
    return value == "true"


def _patterns(env: Mapping[str, str], name: str, pattern: re.Pattern[str], examples: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in (env.get(name) or "").split(",") if item.strip())
    for item in items:
        if not pattern.fullmatch(item):
            raise SettingsError(
                f"{name}: {item!r} is not allowed; use names with dots, separated by commas, as {examples}"
            )
    return items


def _channels(env: Mapping[str, str]) -> tuple[str, ...]:
    items = []
    for text in (env.get("ALERTING_CHANNELS") or "").split(","):
        if not text.strip():
            continue
        name, _, given = text.partition("=")
        addresses = [address.strip() for address in given.split(";") if address.strip()]
        wrong = [address for address in addresses if not is_address(address)]
        if not CHANNEL_NAME.fullmatch(name.strip()) or not addresses or wrong:
            raise SettingsError(
                f"ALERTING_CHANNELS: {text.strip()!r} is not allowed; use name=address;address, separated by commas, as "
                "cost_alerts=finops@example.com,security_alerts=sec@example.com;soc@example.com (e-mail addresses, or ids of notification "
                "destinations)"
            )
        items.append(f"{name.strip()}={';'.join(addresses)}")
    return tuple(items)


def _parent_path(value: str | None) -> str | None:
    if value and not value.startswith("/"):
        raise SettingsError(
            f"ALERTING_PARENT_PATH={value!r} is not allowed; use an absolute workspace path like /Workspace/Shared/alerts"
        )
    return value or None


def _view_name(value: str | None) -> str | None:
    if value and value != NO_IMPORT and not VIEW_NAME.fullmatch(value):
        raise SettingsError(
            f"ALERTING_EVALUATION_HISTORY={value!r} is not allowed; use the name of a view as catalog.schema.view, or {NO_IMPORT}, which "
            "imports nothing"
        )
    return value or None


def _dagster_url(value: str | None) -> str | None:
    if value and not re.match(r"https?://[^\s/]", value):
        raise SettingsError(
            "ALERTING_DAGSTER_URL is not allowed; use the address of the Dagster UI: https://dagster.example.com"
        )
    return value or None


def _spark_remote(value: str | None) -> str | None:
    if value and not value.startswith("sc://"):
        raise SettingsError(
            "ALERTING_SPARK_REMOTE is not allowed; use the address of a Spark Connect server: sc://host:15002"
        )
    return value or None
