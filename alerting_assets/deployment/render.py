"""Plans and results for people (rich) and machines (JSON)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from alerting_assets.deployment.actions import HELD_BACK, Action, Outcome, PlannedAction, Status
from alerting_assets.deployment.apply import SyncResult
from alerting_assets.deployment.plan import Plan

SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.ADOPT: (">", "cyan"),
    Action.DELETE: ("-", "red"),
    Action.HELD: ("!", "magenta"),
    Action.KEPT: ("*", "cyan"),
    Action.UNCHANGED: ("=", "dim"),
}
MAX_VALUE = 120
MAX_LINES = 40


def plan_text(plan: Plan) -> RenderableType:
    """What a plan would do, one line for each action. Unchanged alerts are only counted."""
    lines = [line for action in plan.actions if action.action is not Action.UNCHANGED for line in _lines(action)]
    lines += [Text(f"  i {note}", style="dim") for note in plan.notes]
    return Group(*lines, plan_summary(plan))


def plan_summary(plan: Plan) -> Text:
    words = {
        Action.CREATE: "to create",
        Action.UPDATE: "to update",
        Action.ADOPT: "to adopt",
        Action.DELETE: "to delete",
        Action.UNCHANGED: "unchanged",
        Action.HELD: "held back",
        Action.KEPT: "left as changed in the workspace",
    }
    return Text("Plan: " + ", ".join(_counted(plan, words)), style="bold")


def _counted(plan: Plan, words: Mapping[Action, str]) -> Iterator[str]:
    for action, word in words.items():
        number = len(plan.of(action))
        if number or action is not Action.KEPT:
            yield f"{number} {word}"


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "environment": plan.environment,
        "host": plan.host,
        "actions": [_action_json(action) for action in plan.actions],
        "notes": list(plan.notes),
        "summary": {action.value.lower(): len(plan.of(action)) for action in Action},
    }


def result_text(result: SyncResult) -> RenderableType:
    lines = [
        line
        for outcome in result.outcomes
        if outcome.status is not Status.UNCHANGED or outcome.planned.action is Action.KEPT
        for line in (_error_lines(outcome) if outcome.status is Status.ERROR else _lines(outcome.planned))
    ]
    lines += [Text(f"  i {note}", style="dim") for note in result.plan.notes]
    return Group(*lines, result_summary(result))


def result_summary(result: SyncResult) -> Text:
    words = {
        "created": (Status.CREATED,),
        "updated": (Status.UPDATED,),
        "deleted": (Status.DELETED,),
        "unchanged": (Status.UNCHANGED,),
        "held back": HELD_BACK,
        "failed": (Status.ERROR,),
    }
    return Text(
        "Applied: " + ", ".join(f"{result.count(*statuses)} {word}" for word, statuses in words.items()), style="bold"
    )


def result_json(result: SyncResult) -> dict[str, Any]:
    """A result for machines. `summary` counts by status; `adopted` there counts the alerts that were found by their marker,
    whatever else was done to them."""
    return {
        "environment": result.plan.environment,
        "host": result.plan.host,
        "actions": [
            {
                **_action_json(outcome.planned),
                "status": outcome.status.value,
                "databricks_alert_id": outcome.remote_id,
                "error": outcome.error,
            }
            for outcome in result.outcomes
        ],
        "notes": list(result.plan.notes),
        "summary": {
            **{status.value.lower(): result.count(status) for status in Status},
            "adopted": sum(outcome.planned.action is Action.ADOPT for outcome in result.outcomes),
        },
    }


def _action_json(action: PlannedAction) -> dict[str, Any]:
    return {
        "alert_id": action.alert_id,
        "action": action.action.value,
        "reason": action.reason,
        "databricks_alert_id": action.remote_id,
        "is_drift": action.is_drift,
        "told": {"added": list(action.told.added), "removed": list(action.told.removed)},
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in action.fields],
    }


def _lines(action: PlannedAction) -> Iterator[Text]:
    sign, style = SIGNS[action.action]
    line = Text(f"  {sign} {action.alert_id}", style=style)
    line.append(f"  {action.name}" if action.name else "", style="default")
    line.append(f"  {action.reason}", style="dim")
    yield line
    for field in action.fields:
        if isinstance(field.old, str) and isinstance(field.new, str) and "\n" in field.old + field.new:
            yield Text(f"      {field.path}:")
            yield from _changed_lines(field.old, field.new)
        else:
            yield Text(f"      {field.path}: {short(field.old)} → {short(field.new)}")


def _changed_lines(old: str, new: str) -> Iterator[Text]:
    """The lines in which two texts differ, with one line around them."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm=""))[2:]
    for line in lines[:MAX_LINES]:
        yield Text(
            f"        {line[: MAX_VALUE + 1]}", style={"+": "green", "-": "red", "@": "dim"}.get(line[:1], "default")
        )
    if len(lines) > MAX_LINES:
        yield Text(f"        … {len(lines) - MAX_LINES} more lines", style="dim")


def _error_lines(outcome: Outcome) -> Iterator[Text]:
    yield Text(f"  x {outcome.alert_id}  {outcome.planned.action.value} failed: {outcome.error}", style="bold red")


def short(value: Any) -> str:
    """A value as JSON, cut where people stop reading."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
