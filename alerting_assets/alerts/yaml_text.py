"""YAML that people write: lists of mappings under one key, with the line of every field for messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import ScalarString
from ruamel.yaml.timestamp import TimeStamp

from alerting_assets.errors import DefinitionError, Problem


def read_document(file: str, text: str) -> Any:
    """Round-trip nodes. Raises DefinitionError with the line."""
    try:
        return YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DefinitionError(
            [Problem(f"YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else 1)]
        ) from None
    except YAMLError as error:
        raise DefinitionError([Problem(f"YAML: {str(error).splitlines()[0]}", file=file, line=1)]) from None


def read_entries(file: str, text: str, *, key: str, what: str) -> Iterator[CommentedMap]:
    """The mappings under `key`; a mapping without it, or a list, stands for itself. what: `alert`, `test`, in messages."""
    document = read_document(file, text)
    if document is None:
        raise DefinitionError(
            [Problem(f"holds no {what}; write a list under `{key}:`, or delete the file", file=file, line=1)]
        )
    if isinstance(document, CommentedMap) and key in document:
        unknown = [str(name) for name in document if name != key]
        if unknown:
            raise DefinitionError(
                [
                    Problem(f"{name!r} is not known beside `{key}`", file=file, line=line_of(document, name))
                    for name in unknown
                ]
            )
        document = document[key]
    elif isinstance(document, CommentedMap):
        document = [document]
    if not isinstance(document, list) or not document:
        raise DefinitionError([Problem(f"expected a list of {what}s under `{key}:`", file=file, line=1)])
    article = "an" if what[0] in "aeiou" else "a"
    for index, entry in enumerate(document):
        if not isinstance(entry, CommentedMap):
            line = document.lc.item(index)[0] + 1 if isinstance(document, CommentedSeq) else 1
            raise DefinitionError([Problem(f"{article} {what} is a mapping of fields to values", file=file, line=line)])
        yield entry


def line_of(entry: CommentedMap, field: str | None = None) -> int:
    """Of a field's value's first line, or of the entry itself; counted from 1."""
    if field is not None and field in entry:
        return int(entry.lc.key(field)[0]) + 1
    return int(entry.lc.line) + 1


def plain(value: Any) -> Any:
    """ruamel's decorated values as plain ones; keys as they are written. Timestamps without a zone stay without."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, TimeStamp):
        return _moment(value)
    for decorated, kind in ((ScalarString, str), (ScalarBoolean, bool), (ScalarFloat, float), (ScalarInt, int)):
        if isinstance(value, decorated):
            return kind(value)
    return value


def _moment(value: Any) -> datetime:
    """As written, with its zone if there is one."""
    day, time = (value.year, value.month, value.day), (value.hour, value.minute, value.second, value.microsecond)
    return datetime(*day, *time, tzinfo=value.tzinfo)
