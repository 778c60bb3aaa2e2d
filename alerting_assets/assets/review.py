"""Are the models still of use? A look at every alert that has one, which changes nothing."""

import dagster as dg

from alerting_assets.assets.anomaly_model import ANOMALY_MODEL_KEY
from alerting_assets.assets.tables import listed, table
from alerting_assets.configuration import read_rows, to_alerts
from alerting_assets.resource import AlertingResource
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.review import review_alerts, review_rows
from alerting_assets.suppression.tiers import SEASONAL


@dg.asset_check(
    asset=ANOMALY_MODEL_KEY,
    name="models_fit",
    description=(
        "No alert with a model measures other values in the last week than those that its model is learned from. The table reviews all "
        "of them: tier and why, drift, what was held, and what to do about it; `alerting anomaly review` shows the same."
    ),
)
def models_fit(alerting: AlertingResource) -> dg.AssetCheckResult:
    lakehouse = alerting.get_lakehouse()
    found = review_alerts(lakehouse, modelled_alerts(to_alerts(read_rows(lakehouse), alerting.target)), alerting.now())
    drifted = [one.alert.alert_id for one in found if one.has_drifted]
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(drifted)} of {len(found)} alerts with a model drift{listed(drifted)}",
        metadata={
            "alerts": len(found),
            "seasonal": sum(one.tier == SEASONAL for one in found),
            "need_somebody": sum(one.advice is not None for one in found),
            "review": table(review_rows(found)),
        },
    )
