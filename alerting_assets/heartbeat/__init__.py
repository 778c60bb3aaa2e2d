"""Who watches the watcher: while evaluation and sync are healthy, a message goes to a service outside, which tells people when none
comes."""

from alerting_assets.heartbeat.beat import Beat, beat, heartbeat_url
from alerting_assets.heartbeat.health import Facts, why_not_healthy
from alerting_assets.heartbeat.look import look

__all__ = ["Beat", "Facts", "beat", "heartbeat_url", "look", "why_not_healthy"]
