"""`alerting routes list | show`: whom alerts tell that name no channels themselves, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.fields import one_of
from alerting_assets.alerts.operators import Domain, Severity
from alerting_assets.alerts.routes import Routed, RouteSubject
from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    existing_lakehouse,
    print_json,
    print_problems,
    print_table,
    settings,
)
from alerting_assets.configuration import (
    DESTINATION,
    ROUTE,
    Load,
    Row,
    destinations_in_words,
    plan_listed,
    plan_load,
    read_listed,
    read_rows,
    route_notes,
    routed_alerts,
    rows_after_load,
    target_in,
)
from alerting_assets.configuration.rows import unreachable
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.settings import Settings, is_address

app = typer.Typer(
    no_args_is_help=True,
    help="Routes: whom alerts tell that name no channels themselves, and why.",
    rich_markup_mode=None,
)


@dataclass(frozen=True)
class _Configured:
    """As files and rows are now, loaded or not. destinations: their ids in words."""

    rows: Sequence[Row]
    target: Target
    routes: Sequence[Row]
    loaded: Load[Any]
    destinations: dict[str, str]


def _configured(chosen: Settings) -> _Configured:
    with existing_lakehouse(chosen) as tables:
        rows = read_rows(tables)
        destinations, routes = read_listed(tables, DESTINATION), read_listed(tables, ROUTE)
        destinations = plan_listed(DESTINATION, chosen.definitions, destinations).rows_after(destinations)
        loaded = plan_listed(ROUTE, chosen.definitions, routes)
        routes = loaded.rows_after(routes)
        target = target_in(tables, chosen, rows=destinations, routes=routes)
        words = destinations_in_words(destinations)
    return _Configured(rows_after_load(rows, plan_load(chosen.definitions, rows)), target, routes, loaded, words)


@app.command("list")
def list_routes(as_json: Json = False) -> None:
    """Every route, in the order in which they are asked: which alerts it means, whom it tells, and how many alerts it decides for.

    Exit code 1: a route cannot be used, or reaches somebody who is not there."""
    found = _configured(settings())
    users: dict[str, list[str]] = {route.route_id: [] for route in found.target.routing.routes}
    for alert_id, routed in sorted(routed_alerts(found.rows, found.target.routing).items()):
        if routed.route is not None:
            users[routed.route.route_id].append(alert_id)
    by_id = {row["route_id"]: row for row in found.routes}
    shown = [
        {
            "route_id": route.route_id,
            "position": by_id[route.route_id]["position"],
            "means": route.matcher.in_words() if route.matcher else None,
            "channels": by_id[route.route_id]["channels"],
            "alerts": users[route.route_id],
            "owner": by_id[route.route_id]["owner"],
            "managed_by": by_id[route.route_id]["managed_by"],
            "problem": route.problem or by_id[route.route_id]["definition_error"] or None,
        }
        for route in found.target.routing.routes
    ]
    notes = route_notes(found.target)
    problems = found.loaded.problems
    if as_json:
        print_json({"routes": shown, "notes": notes, "problems": [str(problem) for problem in problems]})
    else:
        print_table(
            f"{len(shown)} routes",
            ("position", "route", "means", "tells", "alerts", "managed by"),
            [
                (
                    one["position"],
                    one["route_id"],
                    one["means"] or "nobody can tell",
                    ", ".join(one["channels"] or ()) or "nobody",
                    len(one["alerts"]),
                    one["managed_by"],
                )
                for one in shown
            ],
        )
        print_problems(problems)
        for text in [f"route {one['route_id']}: {one['problem']}" for one in shown if one["problem"]] + notes:
            console.print(text, markup=False, soft_wrap=True)
    if problems or notes or any(one["problem"] for one in shown):
        raise typer.Exit(FINDINGS)


@app.command("show")
def show(
    alert_id: Annotated[
        str | None, typer.Argument(metavar="[ALERT_ID]", help="None: an alert as the options say.", show_default=False)
    ] = None,
    domain: Annotated[str | None, typer.Option(help="As if the alert was of this domain.")] = None,
    severity: Annotated[str | None, typer.Option(help="As if it was of this severity.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="As if it had this tag, too.")] = None,
    owner: Annotated[str | None, typer.Option(help="As if it was owned by them.")] = None,
    as_json: Json = False,
) -> None:
    """Whom an alert tells, and why: its own channels, or the first route that means it; and why those before do not.

    It is as files and rows say now, also where they are not deployed yet. Exit code 1: somebody cannot be told."""
    found = _configured(settings())
    subject = _subject(found, alert_id, domain, severity, tag or [], owner)
    routed = found.target.routing.decide(subject)
    missing = [name for name in routed.channels if not (is_address(name) or name in found.target.addresses)]
    problems = [routed.problem] if routed.problem else unreachable(missing, found.target)
    if as_json:
        print_json(_json(alert_id, found, subject, routed, problems))
    else:
        _print(alert_id, found, subject, routed, problems)
    if problems:
        raise typer.Exit(FINDINGS)


def _subject(
    found: _Configured,
    alert_id: str | None,
    domain: str | None,
    severity: str | None,
    tags: Sequence[str],
    owner: str | None,
) -> RouteSubject:
    given: dict[str, Any] = {}
    if domain is not None:
        given["agent_domain"] = _of("--domain", Domain, domain)
    if severity is not None:
        given["severity"] = _of("--severity", Severity, severity)
    if owner is not None:
        given["owner"] = owner
    if wrong := next((text for text in tags if not text.partition("=")[0] or "=" not in text), None):
        raise SettingsError(f"--tag {wrong!r} is not allowed; use name=value")
    added = {name: value for name, _, value in (text.partition("=") for text in tags)}
    if alert_id is None:
        if lacking := [name for name, value in (("--domain", domain), ("--severity", severity)) if value is None]:
            raise SettingsError(f"give an ALERT_ID, or {' and '.join(lacking)}, which every alert has")
        return RouteSubject(alert_id="", tags=added, **{"owner": "", **given})
    row = next((row for row in found.rows if row["alert_id"] == alert_id), None)
    if row is None:
        near = did_you_mean(alert_id, [row["alert_id"] for row in found.rows])
        raise SettingsError(f"there is no alert {alert_id!r}{near}")
    subject = RouteSubject.of_row(row)
    return replace(subject, tags={**(subject.tags or {}), **added}, **given)


def _of(option: str, kind: type[Domain] | type[Severity], value: str) -> str:
    try:
        return str(one_of(kind)(value))
    except ValueError as error:
        raise SettingsError(f"{option} {error}") from None


def _json(
    alert_id: str | None, found: _Configured, subject: RouteSubject, routed: Routed, problems: Sequence[str]
) -> dict[str, Any]:
    return {
        "alert_id": alert_id,
        "domain": subject.agent_domain,
        "severity": subject.severity,
        "tags": dict(subject.tags or {}),
        "owner": subject.owner,
        "channels": [{"name": name, "leads_to": _leads_to(found, name)} for name in routed.channels],
        "route_id": routed.route.route_id if routed.route else None,
        "because": routed.because,
        "passed": [
            {"route_id": route.route_id, "position": route.position, "why_not": route.why_not(subject)}
            for route in routed.passed
        ],
        "problems": list(problems),
    }


def _print(
    alert_id: str | None, found: _Configured, subject: RouteSubject, routed: Routed, problems: Sequence[str]
) -> None:
    tags = "".join(f", {name}={value}" for name, value in sorted((subject.tags or {}).items()))
    lines = [
        f"{alert_id or 'such an alert'} ({subject.agent_domain}, {subject.severity}{tags}) tells "
        f"{', '.join(routed.channels) or 'nobody'}",
        f"  because: {routed.because}",
    ]
    for name in routed.channels:
        if leads_to := _leads_to(found, name):
            lines.append(f"  {name}: {leads_to}")
    lines += [f"  not {route}: {route.why_not(subject)}" for route in routed.passed]
    lines += [f"  wrong: {problem}" for problem in problems]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _leads_to(found: _Configured, name: str) -> str | None:
    """None for an address, and for what leads nowhere."""
    addresses = found.target.addresses.get(name, ())
    return found.destinations.get(name) or ", ".join(one for one in addresses if not one.startswith("new:")) or None
