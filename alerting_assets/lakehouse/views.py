"""Views of a lakehouse in folders. A view is a file, `<root>/<catalog>/<schema>/_views/<name>.sql`, that holds its query: the
catalogs of Sail and of a local Spark are in memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from alerting_assets.lakehouse.delta import FOLDER_NAME, DeltaStore, make_folder
from alerting_assets.lakehouse.port import TableName

ViewFiles = dict[TableName, tuple[int, int]]
"""For each view the modification time of its file in nanoseconds, and the file's size in bytes."""


class ViewStore:
    def __init__(self, store: DeltaStore) -> None:
        self._store = store

    def files(self) -> ViewFiles:
        found: ViewFiles = {}
        for schema in self._store.schemas():
            folder = schema / "_views"
            if not folder.is_dir():
                continue
            for file in folder.glob("*.sql"):
                if FOLDER_NAME.fullmatch(file.stem):
                    status = file.stat()
                    found[TableName(schema.parent.name, schema.name, file.stem)] = (status.st_mtime_ns, status.st_size)
        return found

    def read(self, name: TableName) -> str:
        return self._path(name).read_text(encoding="utf-8")

    def holds(self, name: TableName, sql: str) -> bool:
        """Whether the view is there in exactly this form."""
        try:
            return self.read(name) == sql
        except FileNotFoundError:
            return False

    def write(self, name: TableName, sql: str) -> None:
        path = self._path(name)
        make_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(sql)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)

    def _path(self, name: TableName) -> Path:
        return self._store.path(name).parent / "_views" / f"{name.table}.sql"
