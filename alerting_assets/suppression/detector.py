"""The registered model as MLflow serves it: what is usual at a moment, for people and for other programs.

MLflow copies this file into the model and runs it there ("models from code"), so it imports nothing of alerting_assets. Our own refresh
reads the same artifact, and adds what only an alert's last days tell."""

import json
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import mlflow
import pandas as pd  # type: ignore[import-untyped]

COLUMNS = ["expected", "lower", "upper", "scale"]


class AlertAnomalyDetector(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Input: alert_id, timestamp (UTC where it names no zone). Output, in order: expected, lower, upper and scale; empty where nothing
    is known. Values beyond a bound are more than usual, and higher or lower than what recurs at that hour."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        with open(context.artifacts["bundle"], encoding="utf-8") as file:
            self.alerts = json.load(file)["alerts"]

    def predict(  # MLflow reads the annotations, and warns where there are none
        self,
        context: mlflow.pyfunc.PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        rows = [
            self._range(alert_id, at)
            for alert_id, at in zip(model_input["alert_id"], model_input["timestamp"], strict=True)
        ]
        return pd.DataFrame(rows, columns=COLUMNS, index=model_input.index, dtype="float64")

    def _range(self, alert_id: str, at: Any) -> list[float | None]:
        model = self.alerts.get(alert_id)
        known = {} if model is None else {side: one for side, one in model["seasons"].items() if one is not None}
        if not known:
            return [None] * 4
        moment = pd.Timestamp(at).to_pydatetime()
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        local = moment.astimezone(ZoneInfo(model["zone"]))
        hour, weekend = local.hour, int(local.weekday() >= 5)
        expected: list[float] = []
        scales: list[float] = []
        bounds: dict[str, float | None] = {"ABOVE": None, "BELOW": None}
        for side, season in known.items():
            if season["expected"][hour] is None:
                return [None] * 4
            sign = 1 if side == "ABOVE" else -1
            level, scale = season["expected"][hour], season["scale"][hour]
            reached = [season["recurrence"][weekend][hour]]
            if season["margin"] is not None:
                reached.append(level + season["margin"] * scale)
            reached = [one for one in reached if one is not None]
            expected.append(sign * level)
            scales.append(scale)
            bounds[side] = sign * max(reached) if reached else None
        return [sum(expected) / len(expected), bounds["BELOW"], bounds["ABOVE"], max(scales)]


mlflow.models.set_model(AlertAnomalyDetector())
