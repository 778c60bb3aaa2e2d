"""Training, judging and registering, with a real MLflow store."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly import Model
from alerting_assets.errors import ModelStoreError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS, create_tables
from alerting_assets.settings import Settings
from alerting_assets.suppression.bundle import Bundle, LearnedAlert
from alerting_assets.suppression.gate import GateRow, decide_gate
from alerting_assets.suppression.registry import ModelRegistry, uris
from alerting_assets.suppression.train import train_models
from alerting_assets_tests.suppression.worlds import NOW, append_history, evaluation, modelled

pytestmark = pytest.mark.integration

PEAK_HOUR, PEAK, USUAL = 3, 150.0, 40.0
NAME = "health_monitor.gold.alert_anomaly_detector@serving"


@pytest.fixture
def registry(tmp_path: Path, empty_store: Path) -> ModelRegistry:
    shutil.copytree(empty_store, tmp_path, dirs_exist_ok=True)
    return ModelRegistry(Settings(home=tmp_path))


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[Lakehouse]:
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as engine:
        create_tables(engine)
        yield engine


def bundle(trained_at: datetime = NOW) -> Bundle:
    return Bundle(trained_at, {"A": LearnedAlert("m", Model(1, UTC, {Side.ABOVE: None}))})


def record(registry: ModelRegistry, trained_at: datetime = NOW, *, passed: bool = True) -> str:
    found = registry.record(bundle(trained_at), passed=passed, parameters={}, metrics={}, pictures={}, tables={})
    return found.version


def fill(lakehouse: Lakehouse, alert_id: str, days: int = 50, **peaks: float) -> None:
    """Hourly values with a peak over the threshold in the same hour of every Sunday; peaks: by `d<days ago>_h<hour>`."""
    random = np.random.default_rng(7)
    start = (NOW - timedelta(days=days)).replace(hour=0, minute=7)
    rows = []
    for hour in range(days * 24 + NOW.hour + 1):
        at = start + timedelta(hours=hour)
        value = PEAK if at.weekday() == 6 and at.hour == PEAK_HOUR else USUAL
        value = peaks.get(f"d{(NOW.date() - at.date()).days}_h{at.hour}", value)
        rows.append(evaluation(at, value + float(random.normal(0, 2)), alert_id))
    append_history(lakehouse, rows)


def label(lakehouse: Lakehouse, alert_id: str, opened_at: datetime) -> None:
    row = {
        "incident_id": f"{alert_id}-{opened_at.isoformat()}",
        "alert_id": alert_id,
        "opened_at": opened_at,
        "resolved_at": opened_at + timedelta(hours=1),
        "last_evaluated_at": opened_at,
        "evaluations": 1,
        "reopened": 0,
        "label": "TRUE_POSITIVE",
        "labelled_at": NOW - timedelta(hours=1),
        "history_table_id": "t",
        "history_version": 1,
    }
    lakehouse.append(ALERT_INCIDENTS.name, pa.Table.from_pylist([row], schema=arrow_schema(ALERT_INCIDENTS)))


def test_a_version_serves_once_the_alias_names_it_and_can_be_rolled_back(registry: ModelRegistry) -> None:
    assert registry.load(NAME) is None
    first = record(registry, NOW - timedelta(days=1))
    assert registry.load(NAME) is None
    registry.serve(first)
    second = record(registry)
    registry.serve(second)
    served = registry.load(NAME)
    assert served is not None
    assert (served.version, served.trained_at) == (second, NOW)
    assert served.model_of("A", "m") is not None
    assert [(one.version, one.serves, one.passed) for one in registry.versions()] == [
        (second, True, True),
        (first, False, True),
    ]
    registry.serve(first)
    served = registry.load(NAME)
    assert served is not None
    assert served.trained_at == NOW - timedelta(days=1)


def test_a_store_that_cannot_be_used_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(home=tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(ModelStoreError, match="ALERTING_MLFLOW_TRACKING_URI"):
        ModelRegistry(settings).load(NAME)
    away = Settings(home=tmp_path, mlflow_tracking_uri="postgresql://me:hunter2@127.0.0.1:1/mlflow")
    with pytest.raises(ModelStoreError) as caught:
        ModelRegistry(away).load(NAME)
    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("registry")
def test_mlflow_tells_nobody_of_our_use_and_leaves_nothing_where_we_work(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    script = (
        "from pathlib import Path; from alerting_assets.settings import Settings; "
        "from alerting_assets.suppression.registry import ModelRegistry; "
        f"print(ModelRegistry(Settings(home=Path({str(tmp_path)!r}))).versions()); "
        "from mlflow.telemetry.client import get_telemetry_client; print(get_telemetry_client())"
    )
    # MLflow is silent by itself where it sees signs of tests or of continuous integration.
    environment = {"PATH": os.environ["PATH"], "HOME": str(work), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["[]", "None"], done.stderr
    assert [*work.iterdir()] == []


def test_models_are_where_the_tables_are(tmp_path: Path) -> None:
    home = Settings(home=tmp_path)
    assert uris(home) == (f"sqlite:///{tmp_path}/mlflow.db",) * 2
    assert uris(replace(home, workspace="databricks")) == (f"sqlite:///{tmp_path}/mlflow.db",) * 2
    databricks = replace(home, workspace="databricks", lakehouse="warehouse")
    assert uris(databricks) == ("databricks", "databricks-uc")
    assert uris(replace(databricks, mlflow_tracking_uri="http://mlflow:5000")) == ("http://mlflow:5000",) * 2


def test_training_registers_what_passes_the_replay_and_leaves_the_rest_out(
    lakehouse: Lakehouse, registry: ModelRegistry
) -> None:
    fill(lakehouse, "WEEKLY")
    fill(lakehouse, "YOUNG", days=10)
    fill(lakehouse, "MISSED", d8_h4=PEAK)  # a Sunday, beside the usual hour: as high as what is usual there
    label(lakehouse, "MISSED", datetime(2026, 3, 22, 4, 0, tzinfo=UTC))
    alerts = [modelled(name) for name in ("WEEKLY", "YOUNG", "MISSED")]
    training = train_models(lakehouse, registry, alerts, NOW)
    rows = {row.alert_id: row for row in training.gate.rows}
    assert (rows["WEEKLY"].tier, rows["WEEKLY"].failure) == ("SEASONAL", None)
    assert rows["WEEKLY"].met == 4
    assert rows["WEEKLY"].held > 0
    assert rows["YOUNG"].tier == "NONE"
    assert "incidents that people labelled" in str(rows["MISSED"].failure)
    assert training.is_serving
    served = registry.load(NAME)
    assert served is not None
    assert served.model_of("WEEKLY", "m") is not None
    assert served.model_of("MISSED", "m") is None
    assert served.model_of("YOUNG", "m") is None
    assert training.pictures["WEEKLY"].startswith(b"\x89PNG")


def test_the_registered_model_answers_other_programs(lakehouse: Lakehouse, registry: ModelRegistry) -> None:
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]

    fill(lakehouse, "WEEKLY")
    train_models(lakehouse, registry, [modelled("WEEKLY")], NOW)
    mlflow.set_tracking_uri(registry.tracking_uri)
    mlflow.set_registry_uri(registry.registry_uri)
    model = mlflow.pyfunc.load_model(f"models:/{NAME}")
    moments = ["2026-04-05 03:30", "2026-04-06 03:30", "2026-04-05 12:00"]
    rows = model.predict(pd.DataFrame({"alert_id": ["WEEKLY"] * 3, "timestamp": pd.to_datetime(moments)}))
    sunday, monday, noon = rows.to_dict("records")
    assert sunday["upper"] > PEAK - 10
    assert max(monday["upper"], noon["upper"]) < 100
    assert abs(noon["expected"] - USUAL) < 5
    assert sunday["scale"] > 0
    (unknown,) = model.predict(pd.DataFrame({"alert_id": ["?"], "timestamp": pd.to_datetime(moments[:1])})).to_dict(
        "records"
    )
    assert all(math.isnan(value) for value in unknown.values())


def row(alert_id: str, **changes: Any) -> GateRow:
    return replace(GateRow(alert_id, "SEASONAL", 10, 5, 0, 0, None), **changes)


def test_nothing_is_promoted_where_many_fail() -> None:
    passing = [row(f"A{number}") for number in range(8)]
    one = [*passing, row("B", failure="lost")]
    assert decide_gate(one).refusal is None
    many = [*passing, *(row(f"B{number}", failure="lost") for number in range(3))]
    assert "3 of 11" in str(decide_gate(many).refusal)
