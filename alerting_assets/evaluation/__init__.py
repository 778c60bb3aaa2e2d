"""Run compiled alerts, decide as the workspace would, record."""

from alerting_assets.evaluation.decide import Decision, decide
from alerting_assets.evaluation.history import latest_decision
from alerting_assets.evaluation.run import Evaluation, EvaluationRun, evaluate_alerts, run_evaluations

__all__ = [
    "Decision",
    "Evaluation",
    "EvaluationRun",
    "decide",
    "evaluate_alerts",
    "latest_decision",
    "run_evaluations",
]
