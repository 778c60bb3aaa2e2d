"""What Spark and Databricks can read and Sail cannot."""

from __future__ import annotations

import re

UNSUPPORTED_SYNTAX = (
    (re.compile(r"\bQUALIFY\b", re.I), "QUALIFY"),
    (re.compile(r"\bGROUP\s+BY\s+ALL\b", re.I), "GROUP BY ALL"),
    (re.compile(r"\bORDER\s+BY\s+ALL\b", re.I), "ORDER BY ALL"),
    (re.compile(r"\bGROUPING\s+SETS\b", re.I), "this form of GROUPING SETS"),
    (re.compile(r"\*\s*EXCEPT\s*\(", re.I), "* EXCEPT (…)"),
    (re.compile(r"\b(?:UN)?PIVOT\b", re.I), "PIVOT"),
    (re.compile(r"\bI?LIKE\s+(?:ALL|ANY|SOME)\b", re.I), "LIKE ALL/ANY"),
    (re.compile(r"\bWITH\s+RECURSIVE\b", re.I), "WITH RECURSIVE"),
    (re.compile(r"\|\s*>"), "the pipe |>"),
    (re.compile(r"\bCOLLATE\b", re.I), "COLLATE"),
    (re.compile(r"\A\s*FROM\b", re.I), "FROM before SELECT"),
    (re.compile(r"\bWINDOW\s+\w+\s+AS\b", re.I), "several named windows"),
    (re.compile(r"@"), "table@version"),
    (re.compile(r"\)\s*(?:AS\s*)?\(\s*\w+\s*[,)]", re.I), "column names without a table's name"),
    (re.compile(r">>>|<<<"), "shift operators"),
    (re.compile(r"\bMAX\s+RECURSION\b", re.I), "MAX RECURSION LEVEL"),
    (re.compile(r"[\w)\]]\s*:(?!:)\s*[A-Za-z_]"), "JSON paths with a colon"),
)
"""Constructs of Databricks SQL that Sail's parser lacks. Looked for only in a text that Sail refused."""

LITERAL_OF_SPARK = re.compile(
    r"\b(?:DATE|TIMESTAMP\w*)\s*'\s*(?:today|tomorrow|yesterday|now|epoch)\b|\bTIME\s*'", re.I
)
"""Literals that Sail does not know."""
