"""How far apart the evaluations of a Quartz schedule are."""

from __future__ import annotations

import re
from functools import cache

_DAY = 86_400


@cache
def schedule_interval(cron: str) -> int | None:
    """The seconds between two evaluations. None where they are not evenly apart (`0 0 8 ? * MON-FRI`), or where the expression goes
    beyond lists, ranges and steps.

    cron: a Quartz expression that is already proven to be valid."""
    seconds, minutes, hours, day, month, weekday, *year = cron.split()
    if month != "*" or year not in ([], ["*"]):
        return None
    expanded = [_expand(field, size) for field, size in ((hours, 24), (minutes, 60), (seconds, 60))]
    if None in expanded:
        return None
    times = sorted(
        hour * 3600 + minute * 60 + second
        for hour in expanded[0] or ()
        for minute in expanded[1] or ()
        for second in expanded[2] or ()
    )
    if day in ("*", "?", "1/1", "*/1") and weekday in ("*", "?"):
        gaps = {after - before for before, after in zip(times, [*times[1:], times[0] + _DAY], strict=True)}
        return gaps.pop() if len(gaps) == 1 else None
    if day == "?" and len(times) == 1 and re.fullmatch(r"[1-7]|[A-Za-z]{3}", weekday):
        return 7 * _DAY
    return None


def _expand(field: str, size: int) -> list[int] | None:
    values: set[int] = set()
    for part in field.split(","):
        found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if found is None:
            return None
        low, high, step = found.groups()
        first = int(low or 0)
        last = int(high) if high else size - 1 if step or low is None else first
        values.update(range(first, last + 1, int(step or 1)))
    return sorted(values)


def in_words(seconds: float) -> str:
    """A number of seconds in words: `1 hour`, `90 minutes`, `2 days`."""
    for name, size in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
