"""The functions that Apache Spark and Databricks document and that only compute: from `SHOW FUNCTIONS` of Spark 4.2 and Databricks'
alphabetical list, without those that call services or code, or read files, streams and secrets."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def documented() -> frozenset[str]:
    """The names of these functions in lower case."""
    return frozenset(Path(__file__).with_name("functions.txt").read_text(encoding="ascii").split())
