"""Which fields of a deployed alert differ from what is wanted; everything that the service adds or omits by itself is no difference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATHS = (
    "display_name",
    "query_text",
    "warehouse_id",
    "custom_summary",
    "custom_description",
    "evaluation.source",
    "evaluation.comparison_operator",
    "evaluation.threshold",
    "evaluation.empty_result_state",
    "evaluation.notification.notify_on_ok",
    "evaluation.notification.retrigger_seconds",
    "evaluation.notification.subscriptions",
    "schedule.quartz_cron_schedule",
    "schedule.timezone_id",
    "schedule.pause_status",
)
"""Everything that we send, but `parent_path`, which only a creation takes. An update_mask is a subset of these."""

UPDATABLE = tuple(dict.fromkeys(path.split(".")[0] for path in PATHS))
"""Members of a body that an update sends."""


@dataclass(frozen=True)
class FieldDifference:
    path: str
    old: Any
    new: Any


def differences(
    wanted: Mapping[str, Any], remote: Mapping[str, Any], alert_id: str, *, given_name: str | None = None
) -> list[FieldDifference]:
    """The fields in which a deployed alert differs from what is wanted.

    wanted: a body as it would be created.
    remote: a body as the workspace answers it.
    given_name: the display name that the workspace answered when exactly this was applied; asking again would get the same."""
    found = []
    for path in PATHS:
        new, old = _at(wanted, path), _at(remote, path)
        if path == "display_name" and old and (old == given_name or is_renamed(str(new), str(old), alert_id)):
            continue
        if _normal(path, new) != _normal(path, old):
            found.append(FieldDifference(path, old, new))
    return found


def is_renamed(wanted: str, remote: str, alert_id: str) -> bool:
    """Whether the names differ only because the plain one was taken: the service appended ` (1)`, or we appended the alert_id."""
    return (
        remote == distinct_name(wanted, alert_id) or re.fullmatch(re.escape(wanted) + r" \(\d+\)", remote) is not None
    )


def distinct_name(wanted: str, alert_id: str) -> str:
    """The display name that is tried when the plain one is refused as taken."""
    return f"{wanted} [{alert_id}]"


def _at(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _normal(path: str, value: Any) -> Any:
    match path:
        case "query_text":
            return str(value or "").rstrip()
        case "evaluation.source":
            # `display` beside `name` rewrites the query so that the alert never fires, and the API's own aggregation changes the value:
            # both are differences; what is absent, empty or null is the same.
            return {name: item for name, item in (value or {}).items() if item}
        case "evaluation.threshold":
            return _threshold(value)
        case "evaluation.notification.subscriptions":
            return {(name, item) for entry in value or [] for name, item in entry.items() if item}
        case "evaluation.notification.notify_on_ok":
            return bool(value)
        case "evaluation.notification.retrigger_seconds":
            return value or 0
        case "schedule.pause_status":
            return value or "UNPAUSED"
        case _:
            return value or None


def _threshold(value: Any) -> Any:
    """{kind: value}; numbers compare as numbers, and True is no 1."""
    if not value:
        return None
    plain = {name: item for name, item in (value.get("value") or {}).items() if item is not None}
    return (sorted(plain.items()), value.get("column") or None)
