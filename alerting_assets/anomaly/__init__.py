"""What is expected of an alert's value, from its own history, and which evaluations are held back for it. Pure: no input or output, no
Dagster, no clock."""

from alerting_assets.alerts.hold import ML_THRESHOLD
from alerting_assets.alerts.sides import Side, watched_sides
from alerting_assets.anomaly.backtest import Judgement, Span, Summary, episodes, judge, summary_of
from alerting_assets.anomaly.declared import NOTHING_DECLARED, Declared, ExpectedEvent, FalseAlarm, false_alarm
from alerting_assets.anomaly.drift import Drift, drift_of
from alerting_assets.anomaly.holding import Holding
from alerting_assets.anomaly.method import METHOD, Method
from alerting_assets.anomaly.ranges import Range, ml_score, ranges_ahead
from alerting_assets.anomaly.series import NotLearned, Series
from alerting_assets.anomaly.training import Model, Season, train
from alerting_assets.anomaly.walk import Decisions, nothing_held, walk_forward

__all__ = [
    "METHOD",
    "ML_THRESHOLD",
    "NOTHING_DECLARED",
    "Decisions",
    "Declared",
    "Drift",
    "ExpectedEvent",
    "FalseAlarm",
    "Holding",
    "Judgement",
    "Method",
    "Model",
    "NotLearned",
    "Range",
    "Season",
    "Series",
    "Side",
    "Span",
    "Summary",
    "drift_of",
    "episodes",
    "false_alarm",
    "judge",
    "ml_score",
    "nothing_held",
    "ranges_ahead",
    "summary_of",
    "train",
    "walk_forward",
    "watched_sides",
]
