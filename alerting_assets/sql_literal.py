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


def timestamp_literal(moment: datetime) -> str:
    """A moment with a time zone, to the microsecond, whatever time zone a session is in."""
    return f"CAST('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}Z' AS TIMESTAMP)"
