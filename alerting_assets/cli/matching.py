"""Which alerts, and when, as people write it on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from alerting_assets.alerts.silences import read_moment
from alerting_assets.errors import SettingsError, did_you_mean

Match = Annotated[
    list[str] | None,
    typer.Option(
        "--match",
        metavar="KEY=VALUE",
        help="Which alerts: alert=COST-*, domain=COST, severity=INFO or tag:team=finops. Several of one key are alternatives, of "
        "several keys all hold, and so do tags. All of them: alert=*.",
        show_default=False,
    ),
]
Lasts = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="How long: 45m, 2h, 1d, 1h30m.", show_default=False)
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="ISO 8601 with an offset, or in --timezone; without: now.", show_default=False
    ),
]

_FIELDS = {"alert": "match_alert_ids", "domain": "match_domains", "severity": "match_severities"}
_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})(?:m|min))?", re.IGNORECASE)


def matcher_of(match: Sequence[str] | None) -> dict[str, Any]:
    """The columns of a matcher. match: what `Match` got. Raises SettingsError."""
    if not match:
        raise SettingsError(
            "--match is missing: which alerts? As --match domain=COST; for every alert: --match 'alert=*'"
        )
    found: dict[str, list[str]] = {}
    tags: dict[str, str] = {}
    for text in match:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise SettingsError(f"--match {text!r} is no KEY=VALUE, as domain=COST or tag:team=finops")
        if key.startswith("tag:"):
            tags[key.removeprefix("tag:")] = value
        elif key in _FIELDS:
            found.setdefault(_FIELDS[key], []).append(value)
        else:
            near = did_you_mean(key, [*_FIELDS, "tag:"])
            raise SettingsError(f"--match {text!r}: {key!r} is not one of {', '.join(_FIELDS)}, tag:NAME{near}")
    return {**found, **({"match_tags": tags} if tags else {})}


def times_of(
    moment: datetime, lasts: str | None, start: str | None, until: str | None, every: str | None, timezone: str | None
) -> dict[str, Any]:
    """The fields that say when something is. every: of a silence that recurs; None of what is once. Raises SettingsError."""
    duration = None if lasts is None else _duration(lasts)
    begin, last = _moment("--from", start, timezone), _moment("--until", until, timezone)
    if every is not None:
        if duration is None:
            raise SettingsError("--every needs --for: how long it lasts each time")
        return {
            "schedule_cron": every,
            "schedule_timezone": timezone,
            "duration_minutes": int(duration / timedelta(minutes=1)),
            "starts_at": begin,
            "ends_at": last,
        }
    if (duration is None) == (last is None):
        raise SettingsError("give --for or --until, and not both: when does it end?")
    begin = begin or moment
    return {
        "starts_at": begin,
        "ends_at": last or (begin + duration if duration else None),
        "schedule_timezone": timezone,
    }


def _moment(option: str, text: str | None, timezone: str | None) -> datetime | None:
    try:
        found = read_moment(text, timezone)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None
    if isinstance(found, datetime) and found.tzinfo is None:
        raise SettingsError(
            f"{option} {text!r} has no time zone; write an offset, as in 2026-12-06T02:00+01:00, or --timezone"
        )
    return found if isinstance(found, datetime) else None


def _duration(text: str) -> timedelta:
    matched = _DURATION.fullmatch(text.strip())
    days, hours, minutes = (int(part or 0) for part in matched.groups()) if matched else (0, 0, 0)
    found = timedelta(days=days, hours=hours, minutes=minutes)
    if not found:
        raise SettingsError(f"--for {text!r} is no time; write it as 45m, 2h, 1d or 1h30m")
    return found
