"""What the pure room `anomaly` makes of an alert's history, in tables and in MLflow: backfill, training, ranges written ahead, and
registered models."""

from pathlib import Path


def detector_path() -> Path:
    """Of the file that MLflow copies into each version of the registered model."""
    return Path(__file__).with_name("detector.py")
