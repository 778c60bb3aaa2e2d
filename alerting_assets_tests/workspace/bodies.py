"""A complete alert body, and ways to vary it."""

from __future__ import annotations

import copy
from typing import Any

_BODY: dict[str, Any] = {
    "display_name": "Daily cost",
    "query_text": "SELECT 120.5 AS cost",
    "warehouse_id": "local",
    "evaluation": {
        "source": {"name": "cost"},
        "comparison_operator": "GREATER_THAN",
        "threshold": {"value": {"double_value": 100.0}},
        "empty_result_state": "OK",
        "notification": {"notify_on_ok": True, "subscriptions": [{"user_email": "a@example.com"}]},
    },
    "schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"},
}


def alert_body(**changes: Any) -> dict[str, Any]:
    """Keys with `__` reach into the body: evaluation__threshold={…}; None removes."""
    body = copy.deepcopy(_BODY)
    for path, value in changes.items():
        *parents, name = path.split("__")
        target = body
        for parent in parents:
            target = target[parent]
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    return body
