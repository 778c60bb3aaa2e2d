"""Why a check, a run or a tick failed, in words, out of what Dagster recorded of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

NOT_RUN = "alerting/not_run"
"""Metadata of a check result that says that the check was not run. Dagster has no word for that but failed."""
OWNER = "owner"
"""Metadata of a check result that says whose the partition is that it is about."""
_LINES = 20
_LONGEST = 300
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_NOT_THEIRS = ("/site-packages/", "<frozen", "<string>", "/lib/python3")
_CLASS = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[A-Z]\w*: )")
_BORING = ("none", "passed", "OK")


def was_run(evaluation: dg.AssetCheckEvaluation) -> bool:
    return NOT_RUN not in evaluation.metadata


def reason_of(evaluation: dg.AssetCheckEvaluation) -> tuple[str, tuple[str, ...]]:
    """The reason of a failed check, and the lines below it."""
    lines = tuple(_lines(evaluation.metadata))
    more = len(lines) - _LINES
    kept = (*lines[:_LINES], f"and {more} more") if more > 0 else lines
    return evaluation.description or "the check failed", kept


def text_in(metadata: Mapping[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    return str(value.value) if value is not None and value.value not in (None, "") else None


def _lines(metadata: Mapping[str, Any]) -> Iterator[str]:
    for name, value in metadata.items():
        if name == OWNER:
            continue  # shown by itself
        if isinstance(value, dg.TableMetadataValue):
            for record in value.records:
                cells = [(key, str(cell)) for key, cell in record.data.items() if cell not in (None, "")]
                if not any(cell in ("passed", "OK") for _, cell in cells):
                    yield _cut(", ".join(cell if _is_place(key) else f"{key}: {cell}" for key, cell in cells))
        elif isinstance(value, _SHOWN) and str(value.value) not in ("", *_BORING) and not name.startswith("dagster/"):
            yield _cut(str(value.value) if _is_place(name) else f"{name}: {value.value}")


def _is_place(name: str) -> bool:
    return name in ("place", "file")


_SHOWN = (
    dg.TextMetadataValue,
    dg.IntMetadataValue,
    dg.FloatMetadataValue,
    dg.BoolMetadataValue,
    dg.PathMetadataValue,
    dg.UrlMetadataValue,
    dg.MarkdownMetadataValue,
)


def error_in_words(error: Any) -> tuple[str, tuple[str, ...]]:
    """The innermost cause of a SerializableErrorInfo, and where it was raised: the last line that is nobody's library."""
    while error.cause is not None:
        error = error.cause
    message = _CLASS.sub("", " ".join(str(error.message).split()))
    frames = [found for line in error.stack or () for found in _FRAME.findall(line)]
    own = [frame for frame in frames if not any(part in frame[0] for part in _NOT_THEIRS)]
    return _cut(message, 1_000), tuple(f"{_short(path)}:{line}" for path, line in own[-1:])


def _short(path: str) -> str:
    """The end of a path: where a checkout lies says nothing."""
    return "/".join(path.split("/")[-3:])


def _cut(text: str, limit: int = _LONGEST) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
