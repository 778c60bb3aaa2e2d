"""`alerting config`: rows of alert_configurations, looked at and edited one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO
from ruamel.yaml.scalarstring import LiteralScalarString

from alerting_assets.cli.context import (
    Json,
    console,
    existing_lakehouse,
    lakehouse,
    now,
    print_json,
    print_table,
    settings,
)
from alerting_assets.configuration import delete_alert, read_rows, set_fields
from alerting_assets.errors import SettingsError, did_you_mean

app = typer.Typer(no_args_is_help=True, help="Look at and edit rows of alert_configurations.")

AlertId = Annotated[str, typer.Argument(metavar="ALERT_ID")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All configured alerts."""
    with existing_lakehouse(settings()) as tables:
        rows = read_rows(tables)
    if as_json:
        print_json(rows)
        return
    columns = (
        "alert_id",
        "alert_name",
        "agent_domain",
        "severity",
        "operator",
        "is_enabled",
        "managed_by",
        "last_sync_status",
    )
    print_table(f"{len(rows)} alerts", columns, [[row[column] for column in columns] for row in rows])


@app.command()
def show(alert_id: AlertId, as_json: Json = False) -> None:
    """Every field of one alert."""
    with existing_lakehouse(settings()) as tables:
        rows = read_rows(tables)
    row = next((row for row in rows if row["alert_id"] == alert_id), None)
    if row is None:
        raise SettingsError(
            f"there is no alert {alert_id!r}{did_you_mean(alert_id, [row['alert_id'] for row in rows])}"
        )
    if as_json:
        print_json(row)
        return
    console.print(as_yaml(row), markup=False, end="")


@app.command("set")
def set_(
    alert_id: AlertId,
    fields: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE…", help="Values as YAML; null empties a field.")],
    as_json: Json = False,
) -> None:
    """Change fields of an alert, or add the alert. Rows that a YAML file defines are changed there."""
    values = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise SettingsError(f"{field!r} is not FIELD=VALUE")
        values[name] = value
    with lakehouse(settings()) as tables:
        alert = set_fields(tables, alert_id, values, now())
    if as_json:
        print_json(alert.row())
    else:
        console.print(f"{alert_id} is set. `alerting apply` deploys it.")
        if alert.ml_shadow and "ml_model_enabled" in values:
            shadow = "Its model is in shadow: history says what would be held back, and everything is told."
            console.print(f"{shadow} `alerting config set {alert_id} ml_shadow=false` holds it back.")


@app.command()
def delete(alert_id: AlertId, as_json: Json = False) -> None:
    """Remove an alert's row; the next sync removes the deployed alert."""
    with lakehouse(settings()) as tables:
        delete_alert(tables, alert_id)
    if as_json:
        print_json({"deleted": alert_id})
    else:
        console.print(f"{alert_id} is deleted. `alerting apply` removes it from the workspace.")


def as_yaml(values: Mapping[str, Any]) -> str:
    """What is not None, for people; a query is a block, so that it is read as a query."""
    text = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 10_000
    writer.dump({name: _block(value) for name, value in values.items() if value is not None}, text)
    return str(text.getvalue())


def _block(value: Any) -> Any:
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
