"""Which functions a query may call.

An allow list: every function that Apache Spark and Databricks document and that only computes. A deny list would let through whatever
Databricks adds next, and functions of one's own, whose body may do anything that their owner may. Those that a project trusts are
named in ALERTING_ALLOWED_FUNCTIONS.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from alerting_assets.lakehouse.functions import documented

OUTSIDE = frozenset(
    {
        "http_request", "remote_query", "vector_search", "secret", "try_secret", "list_secrets", "reflect", "try_reflect", "java_method",
        "read_files", "read_kafka", "read_kinesis", "read_pubsub", "read_pulsar", "read_statestore", "read_state_metadata", "cloud_files",
        "cloud_files_state", "list_files", "event_log", "read_csv", "read_parquet", "read_json", "read_excel", "python_worker_logs",
        "pg_read_file", "load_file", "xp_cmdshell", "dblink",
    }
)  # fmt: skip
"""Functions of Databricks that call services or code, or read files, streams or secrets, and a few of other databases that
injections try. They are listed only for the message: none of them is allowed anyway."""

FILE_FORMATS = frozenset(
    {
        "csv", "json", "parquet", "orc", "avro", "text", "xml", "binaryfile", "image", "libsvm", "delta", "iceberg", "hudi", "arrow",
        "excel", "jdbc", "kafka"
    }
)  # fmt: skip
"""Formats that Spark reads as `format.path` where a schema of this name has no such table."""

_BUILTIN = (("system", "builtin"), ("builtin",))


def reaches_outside(name: str) -> bool:
    lowered = name.lower()
    return lowered in OUTSIDE or lowered.startswith("ai_")


def is_allowed(parts: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    """Whether a query may call a function. parts: of its name as it is called, `("main", "gold", "f")`. allowed: a project's
    patterns, such as `main.gold.*`."""
    lowered = tuple(part.lower() for part in parts)
    if lowered[:-1] in ((), *_BUILTIN) and lowered[-1] in documented():
        return True
    return any(fnmatchcase(".".join(lowered), pattern.lower()) for pattern in allowed)
