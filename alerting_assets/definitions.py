"""The code location on one screen."""

import dagster as dg

from alerting_assets.assets.anomaly_model import anomaly_model
from alerting_assets.assets.checks import alert_tests_pass, notification_texts_are_valid
from alerting_assets.assets.configurations import alert_configurations
from alerting_assets.assets.deployment import deployed_alerts
from alerting_assets.assets.destinations import deployed_destinations, notification_destinations
from alerting_assets.assets.drift import no_drift
from alerting_assets.assets.expected_ranges import expected_ranges
from alerting_assets.assets.history import alert_history
from alerting_assets.assets.incidents import alert_incidents
from alerting_assets.assets.last_evaluations import last_evaluations
from alerting_assets.assets.metrics import alert_sync_metrics
from alerting_assets.assets.review import models_fit
from alerting_assets.assets.routes import notification_routes
from alerting_assets.assets.silences import alert_silences
from alerting_assets.assets.validation import validated_queries
from alerting_assets.automation.evaluation import evaluate, evaluation_schedule
from alerting_assets.automation.heartbeat import heartbeat_sensor
from alerting_assets.automation.maintenance import maintain, maintenance_schedule
from alerting_assets.automation.own_failures import own_failure_alerts
from alerting_assets.automation.review import drift_sensor, review_models, review_schedule
from alerting_assets.automation.schedules import (
    check_drift,
    drift_schedule,
    everything,
    reconcile,
    reconciliation_schedule,
    revalidate,
    revalidation_schedule,
    sync,
    sync_changed,
)
from alerting_assets.automation.sensors import change_sensor
from alerting_assets.automation.suppression import learn, refresh_ranges, refresh_schedule, train, training_schedule
from alerting_assets.resource import AlertingResource


def code_location(alerting: AlertingResource) -> dg.Definitions:
    return dg.Definitions(
        assets=[
            alert_configurations,
            validated_queries,
            notification_destinations,
            deployed_destinations,
            notification_routes,
            alert_silences,
            deployed_alerts,
            alert_sync_metrics,
            alert_history,
            alert_incidents,
            anomaly_model,
            expected_ranges,
        ],
        asset_checks=[alert_tests_pass, notification_texts_are_valid, no_drift, last_evaluations, models_fit],
        jobs=[
            sync,
            sync_changed,
            reconcile,
            maintain,
            check_drift,
            evaluate,
            train,
            learn,
            refresh_ranges,
            review_models,
            revalidate,
            everything,
        ],
        schedules=[
            evaluation_schedule(running=alerting.lakehouse != "warehouse"),
            revalidation_schedule,
            reconciliation_schedule,
            drift_schedule,
            maintenance_schedule,
            training_schedule,
            refresh_schedule,
            review_schedule,
        ],
        # On a SQL warehouse each look is a statement, which keeps the warehouse running.
        sensors=[
            change_sensor(seconds=alerting.sensor_seconds, running=alerting.lakehouse != "warehouse"),
            own_failure_alerts(alerting.settings),
            drift_sensor(running=alerting.lakehouse != "warehouse"),
            heartbeat_sensor(minutes=alerting.heartbeat_minutes),
        ],
        resources={"alerting": alerting},
        executor=dg.in_process_executor,  # steps share one engine; a process a step costs five seconds and gains nothing
    )


defs = code_location(AlertingResource.from_environment())
