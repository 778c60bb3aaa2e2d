"""What a session knows whose catalog is in memory (Sail, a local Spark): tables and views are registered in every new one.

Tables are registered by location. Files of views are compared before every query, so a view that another process made or
replaced is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alerting_assets.lakehouse.delta import DeltaStore
from alerting_assets.lakehouse.port import TableName
from alerting_assets.lakehouse.sql_text import quoted
from alerting_assets.lakehouse.views import ViewFiles, ViewStore
from alerting_assets.sql_literal import text_literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


class SessionCatalog:
    """The tables and views that are registered in one session. Not thread-safe: whoever calls it holds the server's lock."""

    def __init__(
        self,
        session: SparkSession,
        root: Path,
        store: DeltaStore,
        views: ViewStore,
        *,
        unusable: Callable[[TableName], str | None],
    ) -> None:
        """root: the path of the store as the session sees it.
        unusable: says why a table of this name cannot be registered, or None if it can."""
        self._session, self._root, self._store, self._views = session, root, store, views
        self._unusable = unusable
        self._schemas: set[tuple[str, str]] = set()
        self._tables: set[TableName] = set()
        self._failed: set[TableName] = set()
        self._view_files: ViewFiles = {}
        self._unusable_views: ViewFiles = {}
        self.generation = 0
        """Grows with everything that is registered, so that threads can tell whether another try is worth it."""

    def refresh(self) -> None:
        """Register what is new on disk, forget what is gone, and try views again that could not work before."""
        found = self._store.tables()
        for name in self._tables.difference(found):
            self._session.sql(f"DROP TABLE IF EXISTS {quoted(name)}")
            self._tables.discard(name)
        for name in found:
            if name not in self._tables:
                self._register(name)
        self._unusable_views.clear()
        self.refresh_views()

    def refresh_views(self) -> None:
        """Create views again whose files changed, in any order that works: one view may read another."""
        files = self._views.files()
        for name in self._view_files.keys() - files.keys():
            self._session.sql(f"DROP VIEW IF EXISTS {quoted(name)}")
            del self._view_files[name]
        known = self._view_files | self._unusable_views
        waiting = [name for name, state in files.items() if known.get(name) != state]
        while waiting:
            created = [name for name in waiting if self._try_view(name)]
            self._view_files.update((name, files[name]) for name in created)
            self.generation += len(created)
            waiting = [name for name in waiting if name not in created]
            if not created:
                self._unusable_views.update((name, files[name]) for name in waiting)
                return

    def define_view(self, name: TableName, sql: str) -> None:
        """Define the view in the session. Raises what Spark raises; the old definition then stays."""
        self._ensure_schema(name)
        self._session.sql(f"CREATE OR REPLACE VIEW {quoted(name)} AS {sql}")

    def forget_view(self, name: TableName) -> None:
        """Take away a definition that is not on disk, and bring back the one that is."""
        self._session.sql(f"DROP VIEW IF EXISTS {quoted(name)}")
        self._view_files.pop(name, None)
        self.refresh_views()

    def _register(self, name: TableName) -> None:
        from pyspark.errors import PySparkException

        if reason := self._unusable(name):
            self._report(name, reason)
            return
        location = self._root / name.catalog / name.schema / name.table
        try:
            self._ensure_schema(name)
            self._session.sql(
                f"CREATE TABLE IF NOT EXISTS {quoted(name)} USING DELTA LOCATION {text_literal(str(location))}"
            )
        except PySparkException as error:
            if "StatusCode." in str(error):  # the server itself is gone
                raise
            self._report(name, str(error).splitlines()[0])
            return
        self._tables.add(name)
        self.generation += 1
        self._failed.discard(name)

    def _report(self, name: TableName, reason: str) -> None:
        if name not in self._failed:
            self._failed.add(name)
            log.warning("table %s cannot be queried: %s (%s)", name, reason, self._store.path(name))

    def _try_view(self, name: TableName) -> bool:
        from pyspark.errors import PySparkException

        try:
            self.define_view(name, self._views.read(name))
        except FileNotFoundError:
            return False  # removed by another process this very moment
        except PySparkException as error:
            if "StatusCode." in str(error):
                raise
            log.debug("view %s is not usable yet: %s", name, error)
            return False
        return True

    def _ensure_schema(self, name: TableName) -> None:
        if (name.catalog, name.schema) not in self._schemas:
            self._session.sql(f"CREATE SCHEMA IF NOT EXISTS `{name.catalog}`.`{name.schema}`")
            self._schemas.add((name.catalog, name.schema))
