"""Which columns of a query are compared with the clock from below only, as in `event_time > NOW() - INTERVAL 1 HOUR`.

Now there is nothing after now, so people leave out the end. With the clock set back there is: the query would count it."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError

from alerting_assets.alerts.parse import parse_statements

_CLOCKS = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentDatetime, exp.Localtimestamp)
_CLOCK_NAMES = ("NOW", "CURDATE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "UNIX_TIMESTAMP", "LOCALTIMESTAMP")
_LOWER, _UPPER = (exp.GT, exp.GTE), (exp.LT, exp.LTE)


def open_windows(sql: str) -> list[str]:
    """The columns, in order of appearance, as they are written. None of a query that cannot be parsed; validation judges that."""
    try:
        (tree,) = parse_statements(sql)
    except (SqlglotError, ValueError):
        return []
    found: list[str] = []
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        if where is None:
            continue
        begun, ended = dict[str, str](), set[str]()
        for one in where.find_all(*_LOWER, *_UPPER, exp.Between, exp.EQ):
            if one.find_ancestor(exp.Select) is not select:
                continue
            for name, shown, begins, ends in _bounds(one):
                if begins:
                    begun.setdefault(name, shown)
                if ends:
                    ended.add(name)
        found += [shown for name, shown in begun.items() if name not in ended and shown not in found]
    return found


def _bounds(one: exp.Expression) -> list[tuple[str, str, bool, bool]]:
    """(column, as it is written, whether its window begins here, whether it ends here)."""
    if isinstance(one, exp.Between):
        column = one.this.find(exp.Column)
        low, high = one.args["low"], one.args["high"]
        return [] if column is None or not (_has_clock(low) or _has_clock(high)) else [(*_named(column), True, True)]
    left, right = one.left, one.right  # type: ignore[attr-defined]  # a comparison has them
    for value, other, is_swapped in ((left, right, False), (right, left, True)):
        column = value.find(exp.Column)
        if column is None or _has_clock(value) or not _has_clock(other):
            continue
        if isinstance(one, exp.EQ):  # as `usage_date = CURRENT_DATE()`: a day is its own end
            return [(*_named(column), True, True)]
        begins = isinstance(one, _LOWER) is not is_swapped
        return [(*_named(column), begins, not begins)]
    return []


def _named(column: exp.Column) -> tuple[str, str]:
    return column.name.lower(), column.sql(dialect="databricks")


def _has_clock(tree: exp.Expression) -> bool:
    return any(
        isinstance(node, _CLOCKS) or (isinstance(node, exp.Anonymous) and node.name.upper() in _CLOCK_NAMES)
        for node in tree.walk()
    )
