"""What the tables tell, as views that dashboards read."""

from alerting_assets.analytics.metric_views import SYNC_PERFORMANCE, MetricView, create_metric_view, load_metric_view

__all__ = ["SYNC_PERFORMANCE", "MetricView", "create_metric_view", "load_metric_view"]
