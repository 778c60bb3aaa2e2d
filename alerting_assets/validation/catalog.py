"""Tables and their columns as one batch sees them: each is looked up once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from alerting_assets.errors import TableNotFound
from alerting_assets.lakehouse.port import Column, Lakehouse, TableName


class Catalog:
    """The tables that queries name. Thread-safe; a table may then be looked up twice."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.lakehouse = lakehouse
        self._columns: dict[TableName, tuple[Column, ...] | None] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.lakehouse.tables())

    def full_name(self, parts: Sequence[str]) -> TableName | None:
        """The full name of a table; None where the parts are no table name."""
        missing = self.lakehouse.namespace[: max(0, 3 - len(parts))]
        return TableName(*missing, *parts) if len(parts) <= 3 else None

    def columns(self, name: TableName) -> tuple[Column, ...] | None:
        """The columns of a table, or None where there is no such table. Upper and lower case of a name are the same, as everywhere
        but on the embedded engine."""
        if name not in self._columns:
            try:
                self._columns[name] = self.lakehouse.table_columns(name)
            except TableNotFound:
                alike = self._by_lower_case.get(str(name).lower(), name)
                self._columns[name] = None if alike == name else self.columns(alike)
        return self._columns[name]

    @cached_property
    def _by_lower_case(self) -> dict[str, TableName]:
        return {str(name).lower(): name for name in self.lakehouse.tables()}
