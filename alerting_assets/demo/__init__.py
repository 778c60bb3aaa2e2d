"""A demo lakehouse: tables shaped like Databricks' system tables, filled by a seeded simulator. docs/demo.md describes it."""

from alerting_assets.demo.build import build_demo, demo_ends_at, refresh_demo
from alerting_assets.demo.incidents import Incident
from alerting_assets.demo.tables import DEMO_TABLES

__all__ = ["DEMO_TABLES", "Incident", "build_demo", "demo_ends_at", "refresh_demo"]
