"""The code location on one screen."""

import dagster as dg

from alerting_assets.assets.checks import alert_tests_pass, notification_texts_are_valid
from alerting_assets.assets.configurations import alert_configurations
from alerting_assets.assets.deployment import deployed_alerts
from alerting_assets.assets.history import alert_history
from alerting_assets.assets.metrics import alert_sync_metrics
from alerting_assets.assets.resource import AlertingResource
from alerting_assets.assets.validation import validated_queries
from alerting_assets.automation.schedules import (
    evaluate,
    evaluation_schedule,
    everything,
    revalidate,
    revalidation_schedule,
    sync,
)

alerting = AlertingResource.from_environment()

defs = dg.Definitions(
    assets=[alert_configurations, validated_queries, deployed_alerts, alert_sync_metrics, alert_history],
    asset_checks=[alert_tests_pass, notification_texts_are_valid],
    jobs=[sync, evaluate, revalidate, everything],
    schedules=[evaluation_schedule(running=alerting.workspace == "local"), revalidation_schedule],
    resources={"alerting": alerting},
    executor=dg.in_process_executor,  # steps share one engine; a process a step costs five seconds and gains nothing
)
