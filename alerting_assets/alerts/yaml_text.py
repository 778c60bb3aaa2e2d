"""YAML that people write: lists of mappings under one key, with the line of every field for messages.

What a text means is what ruamel.yaml (YAML 1.2) makes of it, which takes a millisecond a definition. libyaml (by PyYAML) is
twenty-five times as fast, and its events are enough for the texts that both understand alike; where they may not, ruamel is asked:
errors, anchors, tags, directives, several documents, odd characters, odd blocks, keys that are no texts or that occur twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import yaml

from alerting_assets.errors import DefinitionError, Problem

_UNSURE = re.compile(
    r"[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"  # tabs, other ends of lines, controls
    r"|^\.\.\."  # the end of a document
    r"|[|>][-+0-9]* *(?:#|\n(?: *\n)*? +\n)",  # a block that begins with a comment, or with an empty line of spaces
    re.MULTILINE,
)
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")

_FAILURES = (ValueError, IndexError, AssertionError, NotImplementedError)
"""Of ruamel itself: on values such as 2026-99-99 and `-_`, and on some comments."""


class YamlMap(dict[str, Any]):
    """A mapping. line: where it begins; lines: of its keys; both counted from 1."""

    def __init__(self, line: int) -> None:
        self.line, self.lines = line, dict[str, int]()


class YamlList(list[Any]):
    """A sequence. lines: of its items, counted from 1."""

    def __init__(self) -> None:
        self.lines: list[int] = []


class _Unsure(Exception):
    """Only ruamel can say what the text means."""


def read_document(file: str, text: str) -> Any:
    """Plain values in YamlMap and YamlList; keys as they are written, timestamps without a zone stay without.

    Raises DefinitionError with the line."""
    try:
        try:
            return _read_fast(text)
        except _Unsure:
            return _undecorated(read_round_trip(file, text))
    except RecursionError:
        raise DefinitionError([Problem("YAML: is nested too deeply", file=file, line=1)]) from None


def read_round_trip(file: str, text: str) -> Any:
    """ruamel's own nodes, which can be written again with their comments. Raises DefinitionError with the line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DefinitionError(
            [Problem(f"YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else 1)]
        ) from None
    except YAMLError as error:
        raise DefinitionError([Problem(f"YAML: {str(error).splitlines()[0]}", file=file, line=1)]) from None
    except _FAILURES as error:
        raise DefinitionError([Problem(f"YAML: cannot be read ({error})", file=file, line=1)]) from None


def read_entries(file: str, text: str, *, key: str, what: str) -> Iterator[YamlMap]:
    """The mappings under `key`; a mapping without it, or a list, stands for itself. what: `alert`, `test`, in messages."""
    document = read_document(file, text)
    if document is None:
        raise DefinitionError(
            [Problem(f"holds no {what}; write a list under `{key}:`, or delete the file", file=file, line=1)]
        )
    if isinstance(document, YamlMap) and key in document:
        unknown = [name for name in document if name != key]
        if unknown:
            raise DefinitionError(
                [
                    Problem(f"{name!r} is not known beside `{key}`", file=file, line=line_of(document, name))
                    for name in unknown
                ]
            )
        document = document[key]
    elif isinstance(document, YamlMap):
        document = [document]
    if not isinstance(document, list) or not document:
        raise DefinitionError([Problem(f"expected a list of {what}s under `{key}:`", file=file, line=1)])
    article = "an" if what[0] in "aeiou" else "a"
    for index, entry in enumerate(document):
        if not isinstance(entry, YamlMap):
            line = document.lines[index] if isinstance(document, YamlList) else 1
            raise DefinitionError([Problem(f"{article} {what} is a mapping of fields to values", file=file, line=line)])
        yield entry


def line_of(entry: YamlMap, field: str | None = None) -> int:
    """Of a field's first line, or of the entry itself; counted from 1."""
    return entry.line if field is None else entry.lines.get(field, entry.line)


def _read_fast(text: str) -> Any:
    if _UNSURE.search(text):
        raise _Unsure
    events = yaml.parse(text, Loader=yaml.CSafeLoader)
    try:
        next(events)  # the stream's start
        start = next(events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            raise _Unsure
        event = next(events)
        if isinstance(event, yaml.ScalarEvent):
            raise _Unsure
        value = _value(events, event)
        next(events)  # the document's end
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise _Unsure
    except yaml.YAMLError:
        raise _Unsure from None
    return value


def _value(events: Iterator[Any], event: Any) -> Any:
    kind = type(event)
    if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
        raise _Unsure
    if kind is yaml.ScalarEvent:
        return event.value if event.style else _plain(event.value)
    if kind is yaml.SequenceStartEvent:
        items = YamlList()
        while type(event := next(events)) is not yaml.SequenceEndEvent:
            items.lines.append(event.start_mark.line + 1)
            items.append(_value(events, event))
        return items
    found = YamlMap(event.start_mark.line + 1)
    while type(event := next(events)) is not yaml.MappingEndEvent:
        key = _value(events, event)
        if type(key) is not str or key in found:
            raise _Unsure
        found.lines[key] = event.start_mark.line + 1
        found[key] = _value(events, next(events))
    return found


def _plain(text: str) -> Any:
    """The value of a scalar without quotes."""
    if text[:1] not in _first_characters():
        return text
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else _by_ruamel(text)


@cache
def _first_characters() -> frozenset[str]:
    """With which something begins that may be no text."""
    return frozenset(character for _, first in _resolvers() for character in first)


@cache
def _resolvers() -> list[tuple[Any, list[str]]]:
    from ruamel.yaml.resolver import implicit_resolvers

    return [(pattern, first) for versions, _, pattern, first in implicit_resolvers if (1, 2) in versions]


@lru_cache(maxsize=4_096)
def _by_ruamel(text: str) -> Any:
    if not any(text[:1] in first and pattern.match(text) for pattern, first in _resolvers()):
        return text
    if text == "<<":
        raise _Unsure
    try:
        return _undecorated(read_round_trip("", text))
    except DefinitionError:
        raise _Unsure from None


def _undecorated(value: Any) -> Any:
    """ruamel's nodes as ours."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarbool import ScalarBoolean
    from ruamel.yaml.scalarfloat import ScalarFloat
    from ruamel.yaml.scalarint import ScalarInt
    from ruamel.yaml.scalarstring import ScalarString
    from ruamel.yaml.timestamp import TimeStamp

    def line(place: Any) -> int:
        return int(place[0] or 0) + 1

    if isinstance(value, Mapping):
        found = YamlMap(line([value.lc.line]) if isinstance(value, CommentedMap) else 1)
        for key, item in value.items():
            found[str(key)] = _undecorated(item)
            if isinstance(value, CommentedMap) and key in (value.lc.data or ()):  # what is merged in has no line
                found.lines[str(key)] = line(value.lc.key(key))
        return found
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = YamlList()
        for index, item in enumerate(value):
            items.append(_undecorated(item))
            items.lines.append(line(value.lc.item(index)) if isinstance(value, CommentedSeq) else 1)
        return items
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
