"""When models are trained."""

import dagster as dg

TRAINING_CRON = "5 0 * * *"
"""Daily: what people labelled yesterday counts today. In UTC, as the days of the replay."""

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets("anomaly_model"),
    description="Learn what is expected of every alert with a model, judge it by a replay, and let it serve where it passes.",
)

training_schedule = dg.ScheduleDefinition(
    name="train_daily",
    job=train,
    cron_schedule=TRAINING_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
