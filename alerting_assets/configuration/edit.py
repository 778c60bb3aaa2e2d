"""`alerting config set|delete`: edits of single rows, for tables that take no UPDATE by SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import pyarrow as pa
from ruamel.yaml import YAML as YamlReader
from ruamel.yaml.error import YAMLError

from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration, parse_configuration
from alerting_assets.alerts.definitions import list_texts
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.configuration.load import YAML
from alerting_assets.configuration.rows import as_table, owned, read_rows
from alerting_assets.errors import DefinitionError, Problem, did_you_mean
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS


def set_fields(lakehouse: Lakehouse, alert_id: str, fields: Mapping[str, str], now: datetime) -> AlertConfiguration:
    """Change fields of a row, or add the row when there is none. Values are YAML scalars and flow lists; `null` empties a field.
    Enabling a model puts it in shadow, too, and disabling it takes it out, unless `ml_shadow` is given.

    Raises DefinitionError, and has then written nothing."""
    row = next((row for row in read_rows(lakehouse) if row["alert_id"] == alert_id), None)
    _refuse_yaml(alert_id, row)
    values: dict[str, Any] = {} if row is None else owned(row)
    for name, text in fields.items():
        if name not in OWNED_COLUMNS or name in ("alert_id", "managed_by"):
            settable = [column for column in OWNED_COLUMNS if column not in ("alert_id", "managed_by")]
            raise DefinitionError(
                [Problem(f"is no field that can be set{did_you_mean(name, settable)}", name, alert_id)]
            )
        values[name] = _value(alert_id, name, text)
    was_enabled = row is not None and row["ml_model_enabled"]
    decides_shadow = set[str]()
    if "ml_model_enabled" in fields and values["ml_model_enabled"] != was_enabled and "ml_shadow" not in fields:
        values["ml_shadow"] = None  # a model that is newly enabled is only tried out
        decides_shadow = {"ml_shadow"}
    configuration = parse_configuration({**values, "alert_id": alert_id, "managed_by": "sql"})
    if row is None or owned(row) != configuration.row():
        lakehouse.merge(
            ALERT_CONFIGURATIONS.name,
            as_table([configuration], now),
            on=["alert_id"],
            update=[*(name for name in OWNED_COLUMNS if name in fields.keys() | decides_shadow), "updated_at"],
        )
    return configuration


def delete_alert(lakehouse: Lakehouse, alert_id: str) -> None:
    """Delete a row. Raises DefinitionError when there is no such row, or when a file defines it."""
    rows = read_rows(lakehouse)
    row = next((row for row in rows if row["alert_id"] == alert_id), None)
    if row is None:
        near = did_you_mean(alert_id, [row["alert_id"] for row in rows])
        raise DefinitionError([Problem(f"there is no such alert{near}", "alert_id", alert_id)])
    _refuse_yaml(alert_id, row)
    lakehouse.delete(ALERT_CONFIGURATIONS.name, pa.table({"alert_id": [alert_id]}))


def _refuse_yaml(alert_id: str, row: Mapping[str, Any] | None) -> None:
    if row is not None and row["managed_by"].startswith(YAML):
        file = row["managed_by"].removeprefix(YAML)
        raise DefinitionError(
            [Problem(f"is defined in {file}, which would undo this; change it there", None, alert_id)]
        )


def _value(alert_id: str, name: str, text: str) -> Any:
    annotation = AlertConfiguration.model_fields[name].annotation
    kinds = get_args(annotation) or (annotation,)
    if text == "null":
        return None
    if not {bool, float, int}.intersection(kinds) and not any(
        hasattr(kind, "__origin__") for kind in (annotation, *kinds)
    ):
        return text  # strings and names stay as they are written
    try:
        value = YamlReader(typ="safe", pure=True).load(text)
        return list_texts(value) if name == "threshold_value_list" and isinstance(value, list) else value
    except YAMLError:
        raise DefinitionError([Problem(f"{text!r} cannot be read as YAML", name, alert_id)]) from None
    except FieldError as error:
        raise DefinitionError([Problem(error.message, error.field, alert_id)]) from None
