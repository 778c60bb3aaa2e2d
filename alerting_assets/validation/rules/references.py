"""Is everything there that the query names?"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.errors import QueryError, did_you_mean
from alerting_assets.lakehouse.port import TableName
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule


class TablesExist(Rule):
    """Every table and view that the query names exists and can be read."""

    group = Group.REFERENCES

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        try:
            references = query.tables
        except QueryTextError:
            return  # the engine will tell
        common = {node.alias.lower() for node in query.nodes if isinstance(node, exp.CTE)}
        seen: set[tuple[str, ...]] = set()
        for reference in references:
            if reference.parts in seen:
                continue
            seen.add(reference.parts)
            written = ".".join(reference.parts)
            if written.lower() in common:
                continue  # in other letters; the parser takes the two for different names
            name = query.catalog.full_name(reference.parts)
            if name is None:
                message = f"table {written}: a table name has at most three parts"
                yield self.finding(query, message, at=reference.start)
                continue
            try:
                if query.catalog.columns(name) is not None:
                    continue
            except QueryError as error:
                yield self.rejected(query, error, at=reference.start)
                continue
            if name.schema.lower() == "information_schema":
                continue  # of the catalog's own; what has none says so
            yield self.finding(
                query,
                f"table {written} does not exist",
                at=reference.start,
                suggestion=_nearest(name, query.catalog.names),
            )


def _nearest(name: TableName, known: Iterable[str]) -> str | None:
    """Of the same schema by its last part; else by the whole name, another schema with the same table first."""
    known = tuple(known)
    for other in known:
        if other.rsplit(".", 1)[1].lower() == name.table.lower():
            return f"there is {other}"
    schema = f"{name.catalog}.{name.schema}."
    tables = [other.removeprefix(schema) for other in known if other.startswith(schema)]
    return (did_you_mean(name.table, tables) or did_you_mean(str(name), known)).removeprefix("; ") or None
