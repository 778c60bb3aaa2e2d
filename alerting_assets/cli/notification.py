"""`alerting notification`: what people will read, before they do."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.panel import Panel
from rich.text import Text

from alerting_assets.alerts import notification
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.cli.context import FINDINGS, Json, console, lakehouse, now, print_json, print_table, settings
from alerting_assets.configuration import defined_alerts, plan_load, read_rows, target_of
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.evaluation import Decision, latest_decision
from alerting_assets.evaluation.notification import rendered
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Custom texts of notifications.")

FIELDS: tuple[tuple[str, notification.Field], ...] = (
    ("subject", "custom_subject_template"),
    ("body", "custom_body_template"),
)


@app.command()
def preview(
    alert_id: Annotated[str | None, typer.Argument(metavar="[ALERT_ID]", show_default=False)] = None,
    subject: Annotated[str | None, typer.Option(help="Try this subject.")] = None,
    body: Annotated[str | None, typer.Option(help="Try this body.")] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="With the alert's latest evaluation, not test values.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show an alert's texts as people will read them, or say what is wrong with them (exit code 1)."""
    if alert_id is None and subject is None and body is None:
        raise SettingsError("nothing to show: give an ALERT_ID, --subject or --body")
    if alert_id is None and latest:
        raise SettingsError("--latest needs an ALERT_ID: test values have no evaluation")
    tried = {name: text for name, text in (("subject", subject), ("body", body)) if text is not None}
    shown: dict[str, str | None]
    if alert_id is None:
        texts: dict[str, str | None] = {"subject": subject, "body": body}
        shown = {name: notification.render_test_template(text) for name, text in tried.items()}
    else:
        chosen = settings()
        with lakehouse(chosen) as tables:
            alert = _alert(tables, chosen, alert_id)
            texts = {name: tried.get(name, getattr(alert, field)) for name, field in FIELDS}
            if _problems(texts):
                shown = {}
            else:
                changed = alert.model_copy(update={field: texts[name] for name, field in FIELDS})
                shown = _shown(changed, chosen, latest_decision(tables, alert_id, now()) if latest else None, latest)
    problems = _problems(texts)
    if as_json:
        print_json({"alert_id": alert_id, "problems": problems, **{name: shown.get(name) for name, _ in FIELDS}})
    else:
        _print(texts, shown, problems)
    if problems:
        raise typer.Exit(FINDINGS)


@app.command()
def placeholders(as_json: Json = False) -> None:
    """Every placeholder, and what it becomes."""
    found = [
        {
            "placeholder": f"{{{{{name}}}}}",
            "kind": item.kind.value,
            "description": item.description,
            "test_value": item.test_value,
        }
        for name, item in notification.PLACEHOLDERS.items()
    ]
    if as_json:
        print_json(found)
        return
    rows = [tuple(item.values()) for item in found]
    print_table("Placeholders", ("placeholder", "filled in", "meaning", "for example"), rows)
    console.print("static: when the alert is deployed; dynamic: by Databricks, when it notifies; words: fixed words.")


def _alert(tables: Lakehouse, chosen: Settings, alert_id: str) -> AlertConfiguration:
    rows = read_rows(tables)
    alerts = defined_alerts(rows, plan_load(chosen.definitions, rows), target_of(chosen))
    found = next((alert for alert in alerts if alert.alert_id == alert_id), None)
    if found is None:
        near = did_you_mean(alert_id, [alert.alert_id for alert in alerts])
        raise SettingsError(f"there is no alert {alert_id!r}{near}")
    if found.configuration is None:
        raise SettingsError("; ".join(str(problem) for problem in found.problems))
    return found.configuration


def _shown(
    alert: AlertConfiguration, chosen: Settings, decision: Decision | None, latest: bool
) -> dict[str, str | None]:
    if latest and decision is None:
        raise SettingsError(f"alert {alert.alert_id} was never evaluated; run `alerting evaluate {alert.alert_id}`")
    compiled = compile_alert(alert, target_of(chosen))
    texts = (("subject", compiled.custom_summary), ("body", compiled.custom_description))
    return {
        name: None
        if text is None
        else notification.render_test_template(text)
        if decision is None
        else rendered(text, compiled, decision)
        for name, text in texts
    }


def _problems(texts: dict[str, str | None]) -> list[dict[str, Any]]:
    return [
        {"text": name, "problem": problem}
        for name, field in FIELDS
        if (text := texts[name]) is not None
        for problem in notification.problems(text, field=field)
    ]


def _print(texts: dict[str, str | None], shown: dict[str, str | None], problems: list[dict[str, Any]]) -> None:
    for item in problems:
        console.print(f"{item['text']}: {item['problem']}", markup=False, soft_wrap=True, style="red")
    for name, _ in FIELDS:
        if problems:
            continue
        if texts[name] is None:
            console.print(f"{name}: none of its own; Databricks uses its default", style="dim")
        else:
            console.print(Panel(Text(shown[name] or ""), title=name, title_align="left"))
