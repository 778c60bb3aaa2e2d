"""The monthly review of models, and the training that a drift starts."""

import json

import dagster as dg

from alerting_assets.automation.looks import lakehouse_of_looks, run_under_way
from alerting_assets.automation.suppression import MODELS_FIT, train
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.resource import AlertingResource
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.review import drifted

REVIEW_CRON = "15 6 1 * *"
"""On the first of each month, when people come to work in Europe."""
DRIFT_SECONDS = 6 * 3600
"""Between two looks for drift, which reads weeks of history of all alerts with a model."""


review_models = dg.define_asset_job(
    "review_models",
    selection=dg.AssetSelection.checks(MODELS_FIT),
    description="What somebody should know of every alert with a model: its tier and why, drift, what was held. Changes nothing.",
)

review_schedule = dg.ScheduleDefinition(
    name="review_monthly",
    job=review_models,
    cron_schedule=REVIEW_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def drift_sensor(*, running: bool) -> dg.SensorDefinition:
    """running: whether it is on from the start; people can switch it in the UI."""

    @dg.sensor(
        name="train_on_drift",
        job=train,
        minimum_interval_seconds=DRIFT_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Looks every six hours for alerts whose values of the last week are others than before, and starts a training at once when "
            "one has begun to drift. Its cursor names those that drift."
        ),
    )
    def train_on_drift(
        context: dg.SensorEvaluationContext, alerting: AlertingResource
    ) -> dg.SensorResult | dg.SkipReason:
        now, settings = alerting.now(), alerting.settings
        if run := run_under_way(context.instance, now, job=train.name):
            return dg.SkipReason(f"training {run} is under way")
        with lakehouse_of_looks(settings) as lakehouse:
            alerts = modelled_alerts(to_alerts(read_rows(lakehouse), target_of(settings)))
            found = drifted(lakehouse, alerts, now) if alerts else []
        # A training that fails is not started again for the same drift: the daily one is.
        known = json.loads(context.cursor or "[]")
        begun = [alert_id for alert_id in found if alert_id not in known]
        cursor = json.dumps(found)
        if not begun:
            skip = f"of {len(alerts)} alerts with a model none has begun to drift"
            return dg.SensorResult(skip_reason=skip, cursor=cursor)
        tags = {"alerting/reason": f"{len(begun)} alerts drift"}
        return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)], cursor=cursor)

    return train_on_drift
