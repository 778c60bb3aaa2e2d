"""Moments as people write them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from alerting_assets.errors import SettingsError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})\s*(s|min|m|h|d|w)(?:\s+ago)?", re.IGNORECASE)


def moment_of(option: str, text: str, now: datetime) -> datetime:
    """The moment that a text names: ISO 8601, in UTC unless it says otherwise, or how long before `now`.

    option: what the text was given for, as in `--at`. Raises SettingsError for any other text."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2].lower()])
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{option} {text!r} is no moment; write it as 2026-01-31, 2026-01-31T08:00, 2026-01-31T08:00+01:00, or as how long ago: "
            "45min, 2h, 3d"
        ) from None
