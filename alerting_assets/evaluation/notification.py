"""What a person reads when an alert notifies: the deployed texts, with what Databricks fills in."""

from __future__ import annotations

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.notification import render
from alerting_assets.alerts.thresholds import shown
from alerting_assets.evaluation.decide import Decision


def rendered(text: str, alert: CompiledAlert, decision: Decision, url: str = "") -> str:
    """A text of a notification as a person reads it. Numbers are shown as the query gives them.

    text: of a compiled alert.
    url: the address of the deployed alert."""
    value = decision.text if decision.text is not None or decision.number is None else f"{decision.number:.12g}"
    row = f"{alert.value_column}: {value}" if decision.row_count else ""
    return render(
        text,
        {
            "ALERT_NAME": alert.display_name,
            "ALERT_STATUS": decision.state.value,
            "ALERT_CONDITION": alert.operator.value,
            "ALERT_THRESHOLD": "" if alert.threshold is None else shown(alert.threshold).strip("'"),
            "ALERT_URL": url,
            "QUERY_RESULT_VALUE": value or "",
            "QUERY_RESULT_ROWS": row,
            "QUERY_RESULT_COLS": alert.value_column,
        },
    )
