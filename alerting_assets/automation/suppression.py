"""When models are trained, and when ranges are written from them."""

import dagster as dg

REFRESH_CRON = "55 * * * *"
"""Late enough to know the hour that ends, and early enough to be done before the next one begins."""

refresh_ranges = dg.define_asset_job(
    "refresh_ranges",
    selection=dg.AssetSelection.assets("expected_ranges"),
    description="Write the ranges of the next three hours for every alert with a model. Without it for that long, everything is told.",
)

refresh_schedule = dg.ScheduleDefinition(
    name="refresh_ranges_hourly",
    job=refresh_ranges,
    cron_schedule=REFRESH_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

MODELS_FIT = dg.AssetCheckKey(dg.AssetKey("anomaly_model"), "models_fit")
"""The review, which has a job of its own."""

TRAINING_CRON = "5 0 * * *"
"""Daily: what people labelled yesterday counts today. In UTC, as the days of the replay."""

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets("anomaly_model") - dg.AssetSelection.checks(MODELS_FIT),
    description="Learn what is expected of every alert with a model, judge it by a replay, and let it serve where it passes.",
)

learn = dg.define_asset_job(
    "learn",
    selection=dg.AssetSelection.assets("alert_configurations", "anomaly_model", "expected_ranges"),
    description="Load the definitions, train, and write ranges: for alerts that just got a model, before they are evaluated.",
)

training_schedule = dg.ScheduleDefinition(
    name="train_daily",
    job=train,
    cron_schedule=TRAINING_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
