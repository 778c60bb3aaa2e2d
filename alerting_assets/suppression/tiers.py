"""What an alert's model can be: a season, or nothing; and why."""

from __future__ import annotations

import numpy as np

from alerting_assets.anomaly import METHOD, Model, Series
from alerting_assets.anomaly.hours import DAY
from alerting_assets.anomaly.series import HOUR

NONE, SEASONAL = "NONE", "SEASONAL"


def tier_of(series: Series, model: Model) -> tuple[str, str]:
    """NONE or SEASONAL, and the reason in words. model: that was learned from the series."""
    if not len(series.at):
        return NONE, "it was never evaluated, nor backfilled"
    days = (model.trained_at - int(series.at[0]) // HOUR) / DAY
    if days < METHOD.min_history_days:
        return NONE, f"{days:.0f} days of history, of {METHOD.min_history_days} that are needed"
    seasons = [season for season in model.seasons.values() if season is not None]
    hours = min((int(np.isfinite(season.expected).sum()) for season in seasons), default=0)
    if not hours:
        return NONE, f"no hour of the day has the {METHOD.min_values} numbers that are needed"
    return SEASONAL, f"{days:.0f} days are known, which say what is usual at {hours} of {DAY} hours of the day"
