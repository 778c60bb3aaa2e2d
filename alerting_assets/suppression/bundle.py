"""What was learned about all alerts in one training, as one text: the artifact of a registered model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from alerting_assets.anomaly import Model, Season, Side
from alerting_assets.anomaly.series import Floats
from alerting_assets.errors import AlertingError

FORMAT = 1


class BundleError(AlertingError):
    """A text that is no bundle, or one of a format that this version does not know."""


@dataclass(frozen=True)
class LearnedAlert:
    """What was learned about one alert. measured_hash: of what the alert measured then; with another one it is of no use."""

    measured_hash: str
    model: Model


@dataclass(frozen=True)
class Bundle:
    """What was learned about many alerts. trained_at: what came later is not in it. learned: by alert_id."""

    trained_at: datetime
    learned: Mapping[str, LearnedAlert]

    def model_of(self, alert_id: str, measured_hash: str) -> Model | None:
        """What is learned about an alert that measures this; None where nothing is."""
        found = self.learned.get(alert_id)
        return found.model if found is not None and found.measured_hash == measured_hash else None

    def text(self) -> str:
        """As JSON; `read_bundle` reads exactly what was written. What is not known is null."""
        return json.dumps(
            {
                "format": FORMAT,
                "trained_at": self.trained_at.isoformat(),
                "alerts": {
                    alert_id: {"measured_hash": one.measured_hash, **_model_values(one.model)}
                    for alert_id, one in sorted(self.learned.items())
                },
            },
            allow_nan=False,
        )


def read_bundle(text: str) -> Bundle:
    """Raises BundleError."""
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise BundleError(
                f"it has the format {values['format']}, and this version of alerting_assets knows {FORMAT}"
            )
        learned = {
            alert_id: LearnedAlert(one["measured_hash"], _model(one)) for alert_id, one in values["alerts"].items()
        }
        return Bundle(datetime.fromisoformat(values["trained_at"]), learned)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"it is no bundle of models ({type(error).__name__}: {error})") from None


def _model_values(model: Model) -> dict[str, Any]:
    zone = model.zone.key if isinstance(model.zone, ZoneInfo) else "UTC"
    return {
        "zone": zone,
        "trained_at": model.trained_at,
        "seasons": {side.value: None if one is None else _season_values(one) for side, one in model.seasons.items()},
    }


def _season_values(season: Season) -> dict[str, Any]:
    return {
        "expected": _numbers(season.expected),
        "scale": _numbers(season.scale),
        "margin": _number(season.margin),
        "recurrence": [_numbers(row) for row in season.recurrence],
        "rise": _numbers(season.rise),
        "episodes": season.episodes,
    }


def _model(values: Mapping[str, Any]) -> Model:
    zone = UTC if values["zone"] == "UTC" else ZoneInfo(values["zone"])
    seasons = {Side(side): None if one is None else _season(one) for side, one in values["seasons"].items()}
    return Model(int(values["trained_at"]), zone, seasons)


def _season(values: Mapping[str, Any]) -> Season:
    return Season(
        expected=_floats(values["expected"]),
        scale=_floats(values["scale"]),
        margin=math.nan if values["margin"] is None else float(values["margin"]),
        recurrence=np.stack([_floats(row) for row in values["recurrence"]]),
        rise=_floats(values["rise"]),
        episodes=int(values["episodes"]),
    )


def _numbers(values: Floats) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _floats(values: list[float | None]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
