"""Values and names as they are written in SQL, for Databricks, Spark and the embedded engine alike."""

from __future__ import annotations

from datetime import UTC, datetime


def text_literal(text: str) -> str:
    return f"'{escaped(text)}'"


def escaped(text: str) -> str:
    """What stands for the text between quotes of either kind. By backslash: doubled quotes are concatenation on Spark and get lost on the
    embedded engine."""
    return text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"').replace("\n", "\\n").replace("\0", "\\0")


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def qualified(*names: str) -> str:
    """A name of several parts, as in `catalog`.`schema`.`table`."""
    return ".".join(map(identifier, names))


def timestamp_literal(moment: datetime) -> str:
    """A moment with a time zone, to the microsecond, for SQL of every engine; it is of the type TIMESTAMP."""
    return f"CAST({moment_literal(moment)} AS TIMESTAMP)"


def moment_literal(moment: datetime) -> str:
    """The same as text, for the conditions that the port `Lakehouse` takes: it becomes what the column is that it is compared with,
    where delta-rs compares no TIMESTAMP with the timestamps of a table that it deletes from."""
    return f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z'"
