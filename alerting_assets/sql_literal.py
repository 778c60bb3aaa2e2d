"""Values and names as they are written in SQL, for Databricks, Spark and the embedded engine alike."""

from __future__ import annotations


def text_literal(text: str) -> str:
    return f"'{escaped(text)}'"


def escaped(text: str) -> str:
    """What stands for the text between quotes of either kind. By backslash: doubled quotes are concatenation on Spark and get lost on the
    embedded engine."""
    return text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"').replace("\n", "\\n").replace("\0", "\\0")


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
