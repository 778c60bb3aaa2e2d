"""Windows of time in which an alert is silent: which they are, and as SQL of the deployed query. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from alerting_assets.sql_literal import text_literal


class Window(NamedTuple):
    """From `start` up to, and without, `end`; both with a time zone. silence_id: of the silence that it comes from."""

    start: datetime
    end: datetime
    silence_id: str


Windows = tuple[Window, ...]
"""In order, and no two at the same time."""


def disjoint(windows: Iterable[Window]) -> Windows:
    """The same moments, each once: where several are there, it is the one that began first. Windows of one silence that touch are
    one.

    Which silence has a moment depends on the windows around that moment only, so leaving out those that are over changes nothing of
    what is to come."""
    found: list[Window] = []
    for window in sorted(windows, key=lambda one: (one.start, one.silence_id)):
        last = found[-1] if found else None
        start = window.start if last is None else max(window.start, last.end)
        if start >= window.end:
            continue
        if last is not None and (last.end, last.silence_id) == (start, window.silence_id):
            found[-1] = last._replace(end=window.end)
        else:
            found.append(Window(start, window.end, window.silence_id))
    return tuple(found)


def to_come(windows: Iterable[Window], now: datetime) -> Windows:
    """The part of them that is not over."""
    return tuple(window._replace(start=max(window.start, now)) for window in windows if window.end > now)


def silence_at(windows: Iterable[Window], moment: datetime) -> str | None:
    """The silence_id of the window that the moment lies in; None where there is none."""
    return next((window.silence_id for window in windows if window.start <= moment < window.end), None)


def windows_text(windows: Windows) -> str | None:
    """Windows as one text, by which they are remembered; None for none."""
    if not windows:
        return None
    return json.dumps([[_iso(window.start), _iso(window.end), window.silence_id] for window in windows])


def read_windows(text: str | None) -> Windows:
    """What `windows_text` wrote. A text that is none of those says nothing: the sync then deploys what is configured."""
    try:
        return tuple(
            Window(datetime.fromisoformat(start), datetime.fromisoformat(end), str(silence_id))
            for start, end, silence_id in json.loads(text or "[]")
        )
    except (ValueError, TypeError):
        return ()


def silence_sql(windows: Sequence[Window]) -> str:
    """SQL of the silence_id at the moment at which the query runs; NULL where there is none."""
    cases = "".join(
        f"\n    WHEN CURRENT_TIMESTAMP() >= TIMESTAMP'{_iso(window.start)}' AND CURRENT_TIMESTAMP() < TIMESTAMP'{_iso(window.end)}'"
        f" THEN {text_literal(window.silence_id)}"
        for window in windows
    )
    return f"CASE{cases}\n  END"


def windows_in_words(windows: Sequence[Window]) -> str:
    """As `2026-12-06 02:00 to 04:00 UTC by weekly, and 8 more`."""
    first, *others = windows
    start, end = first.start.astimezone(UTC), first.end.astimezone(UTC)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    more = f", and {len(others)} more" if others else ""
    return f"{start:%Y-%m-%d %H:%M} to {until} UTC by {first.silence_id}{more}"


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z"
