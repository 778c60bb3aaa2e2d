"""The SQL warehouses of the local workspace: which run, which start, which stand still."""

from __future__ import annotations

import math
import time
from typing import Any

from alerting_assets.workspace.local.rules import Rules


class Warehouses:
    """The warehouses and their states. Used on the event loop only. At first all run."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._ready_at: dict[str, float] = dict.fromkeys(rules.warehouse_ids, 0.0)
        """When each runs, in seconds of the monotonic clock; infinity while it is stopped."""

    def __contains__(self, warehouse_id: str) -> bool:
        return warehouse_id in self._ready_at

    def start(self, warehouse_id: str) -> bool:
        """Start a warehouse, and return whether it runs, or will."""
        if math.isinf(self._ready_at[warehouse_id]):
            if self._rules.warehouse_start_seconds is None:
                return False
            self._ready_at[warehouse_id] = time.monotonic() + self._rules.warehouse_start_seconds
        return True

    def stop(self, warehouse_id: str) -> None:
        self._ready_at[warehouse_id] = math.inf

    def seconds_to_start(self, warehouse_id: str) -> float:
        """The seconds until a warehouse runs: 0 for one that runs, infinity for one that is stopped."""
        return max(0.0, self._ready_at[warehouse_id] - time.monotonic())

    def all(self) -> list[dict[str, Any]]:
        return [self.describe(warehouse_id) for warehouse_id in sorted(self._ready_at)]

    def describe(self, warehouse_id: str) -> dict[str, Any]:
        left = self.seconds_to_start(warehouse_id)
        stopped = math.isinf(left)
        return {
            "id": warehouse_id,
            "name": f"Embedded lakehouse ({warehouse_id})",
            "state": "STOPPED" if stopped else "STARTING" if left > 0 else "RUNNING",
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "num_clusters": 0 if stopped else 1,
            "auto_stop_mins": 0,
            "warehouse_type": "PRO",
            "enable_serverless_compute": False,
            "creator_name": self._rules.user_name,
        }
