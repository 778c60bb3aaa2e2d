"""Is this alert fit to be deployed? Rules for queries, one class a rule, and the verdicts that the other rooms look up."""

from alerting_assets.validation.rules import RULES, Analysis, Finding, Verdict
from alerting_assets.validation.validate import ValidationReport, alert_verdicts, evaluable, validate_alerts
from alerting_assets.validation.verdicts import AlertVerdict

__all__ = [
    "RULES",
    "AlertVerdict",
    "Analysis",
    "Finding",
    "ValidationReport",
    "Verdict",
    "alert_verdicts",
    "evaluable",
    "validate_alerts",
]
