"""Quartz expressions that people write, and every kind that the grammar allows."""

from __future__ import annotations

from hypothesis import strategies as st

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata"]


def _item(low: int, high: int, names: list[str], longest: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    ranges = st.tuples(number, number).map("-".join)
    steps = st.integers(1, longest).map(str)
    kinds = [number, ranges, st.tuples(number | ranges | st.just("*"), steps).map("/".join)]
    if names:
        name = st.sampled_from([*names, *map(str.lower, names)])
        kinds += [name, st.tuples(name, name).map("-".join)]
    return st.one_of(kinds)


def _field(low: int, high: int, names: list[str], longest: int) -> st.SearchStrategy[str]:
    items = st.lists(_item(low, high, names, longest), min_size=1, max_size=3).map(",".join)
    return st.just("*") | items | st.integers(low, high).map(str)


_NUMBERED_DAY = st.sampled_from(WEEKDAYS) | st.integers(1, 7).map(str)
_DAY_OF_MONTH = st.one_of(
    _field(1, 31, [], 31),
    st.sampled_from(["L", "LW", "L-1", "L-3", "L-30", "L-3W"]),
    st.integers(1, 31).map("{}W".format),
)
_DAY_OF_WEEK = st.one_of(
    _field(1, 7, WEEKDAYS, 7),
    st.just("L"),
    _NUMBERED_DAY.map("{}L".format),
    st.tuples(_NUMBERED_DAY, st.integers(1, 5).map(str)).map("#".join),
)
_DAYS = _DAY_OF_MONTH.map(lambda day: (day, "?")) | _DAY_OF_WEEK.map(lambda day: ("?", day))
_YEARS = st.sampled_from(["", "", "", "*", "2026", "2026-2028", "2026/2", "2020,2027"])


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """A valid expression."""
    day, weekday = draw(_DAYS)
    fields = [
        draw(st.sampled_from(["0", "0", "0"]) | _field(0, 59, [], 59)),
        draw(_field(0, 59, [], 59)),
        draw(_field(0, 23, [], 23)),
        day,
        draw(st.just("*") | _field(1, 12, MONTHS, 12)),
        weekday,
    ]
    if years := draw(_YEARS):
        fields.append(years)
    return draw(st.sampled_from([" ", " ", "  ", "\t"])).join(fields)


REFUSED = [
    "", "0 0 8 * *", "0 8 * * *", "0 0 8 * * *", "0 0 8 ? * ?", "60 0 8 * * ?", "0 60 8 * * ?", "0 0 24 * * ?", "0 0 8 32 * ?",
    "0 0 8 0 * ?", "0 0 8 * 13 ?", "0 0 8 ? * 8", "0 0 8 ? * 0", "0 0 8 * FOO ?", "0 0 8 ? * FOO", "0 0 8 ? * MON#6", "0 0 8 ? * MON#0",
    "0 0 8 L-31 * ?", "0 0 8 32W * ?", "0 0 8 ? * MON,FRIL", "0 0/60 8 * * ?", "0 0 0/24 * * ?", "0 0 8 ? * 2-FRI", "? 0 8 * * ?",
    "0 0 8 * * ? 2030-2025", "0 0 8 * L ?", "0 0 8 ? * MON-", "0 -5 8 * * ?", "a b c d e f", "0 0 8 ? * MON#1#2", "@daily",
]  # fmt: skip
"""By Quartz as well as by us."""

STRICTER = [
    "5x 0 8 * * ?", "0 5x 8 * * ?", "0 0 8 ? * MONDAY", "0 0 8 15W,20 * ?", "0 0 8 ? * MON#1,WED", "0 0/0 * * * ?", "0 0 8 * * ? 1999 5",
    "0 0 8,,9 * * ?", "0 0 8 ? JANUARY MON",
]  # fmt: skip
"""By us; Quartz takes them, or some version of it, and reads less, or something else, than is written."""
