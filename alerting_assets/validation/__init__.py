"""Is this alert fit to be deployed? Rules for queries, one class a rule, and the verdicts that the other rooms look up."""

from alerting_assets.settings import Settings
from alerting_assets.validation.finding import Finding, Group, Severity, Verdict
from alerting_assets.validation.policy import Policy, read_policy
from alerting_assets.validation.rules import RULES
from alerting_assets.validation.texts import (
    QueryVerdict,
    input_finding,
    read_only_problem,
    validate_alert_query,
    validate_lines,
    validate_query_references,
    validate_query_security,
    validate_query_syntax,
)
from alerting_assets.validation.validate import (
    CONFIGURATION,
    ValidationReport,
    alert_verdicts,
    evaluable,
    validate_all_alert_queries,
    verdicts_of_rows,
)
from alerting_assets.validation.verdicts import AlertVerdict

__all__ = [
    "CONFIGURATION",
    "RULES",
    "AlertVerdict",
    "Finding",
    "Group",
    "Policy",
    "QueryVerdict",
    "Severity",
    "ValidationReport",
    "Verdict",
    "alert_verdicts",
    "evaluable",
    "input_finding",
    "policy_of",
    "read_only_problem",
    "validate_alert_query",
    "validate_all_alert_queries",
    "validate_lines",
    "validate_query_references",
    "validate_query_security",
    "validate_query_syntax",
    "verdicts_of_rows",
]


def policy_of(settings: Settings) -> Policy:
    """Raises DefinitionError, with file and line, for a validation.yml that cannot be used."""
    return read_policy(settings, {rule.name: rule.fixed for rule in RULES})
