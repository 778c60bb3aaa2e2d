"""What the pure room `anomaly` makes of an alert's history, in tables and in MLflow: backfill, training, ranges written ahead, and
registered models."""
