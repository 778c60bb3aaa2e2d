"""Plans and results of notification destinations for people (rich) and machines (JSON)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.destination_plan import PlannedDestination
from alerting_assets.deployment.destination_sync import DestinationResult
from alerting_assets.deployment.render import SIGNS, short


def destination_plan_text(planned: Sequence[PlannedDestination]) -> RenderableType | None:
    """One line for each action; None where there is nothing to do and nothing to tell."""
    lines = [line for one in planned if one.sends or one.action is Action.HELD for line in _lines(one)]
    if not lines:
        return None
    return Group(Text("Destinations", style="bold"), *lines)


def destination_result_text(result: DestinationResult) -> RenderableType | None:
    lines: list[Text] = []
    for one in result.outcomes:
        if one.status is Status.ERROR:
            lines.append(
                Text(f"  x {one.destination_id}  {one.planned.action.value} failed: {one.error}", style="bold red")
            )
        elif one.planned.sends or one.planned.action is Action.HELD:
            lines += _lines(one.planned)
    return Group(Text("Destinations", style="bold"), *lines) if lines else None


def destination_plan_json(planned: Sequence[PlannedDestination]) -> list[dict[str, Any]]:
    return [_json(one) for one in planned]


def destination_result_json(result: DestinationResult) -> list[dict[str, Any]]:
    return [
        {
            **_json(one.planned),
            "status": one.status.value,
            "databricks_destination_id": one.remote_id,
            "error": one.error,
        }
        for one in result.outcomes
    ]


def _json(planned: PlannedDestination) -> dict[str, Any]:
    return {
        "destination_id": planned.destination_id,
        "action": planned.action.value,
        "reason": planned.reason,
        "databricks_destination_id": planned.remote_id,
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in planned.fields],
        "error": planned.error,
    }


def _lines(planned: PlannedDestination) -> Iterator[Text]:
    sign, style = SIGNS[planned.action]
    line = Text(f"  {sign} {planned.destination_id}", style=style)
    line.append(f"  {planned.name}" if planned.name else "", style="default")
    line.append(f"  {planned.reason}", style="dim")
    yield line
    for field in planned.fields:
        yield Text(f"      {field.path}: {short(field.old)} → {short(field.new)}")
