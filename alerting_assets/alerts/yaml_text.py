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

_HALF = re.compile("[\ud800-\udfff]")

MAX_VALUES = 250_000
"""That a file may hold once its aliases are written out."""

_FAILURES = (ValueError, IndexError, AssertionError, NotImplementedError)
"""Of ruamel itself: on values such as 2026-99-99 and `-_`, and on some comments."""


class YamlMap(dict[str, Any]):
    """A mapping. line: where it begins; lines: of its keys; blocks: of the first line of those values that are blocks (`|`). All
    counted from 1."""

    def __init__(self, line: int) -> None:
        self.line, self.lines, self.blocks = line, dict[str, int](), dict[str, int]()


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
            return _Undecorator(file).value_of(read_round_trip(file, text))
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
        if error.context_mark and mark.line >= len(text.rstrip().splitlines()):
            mark = error.context_mark  # what the end of the file finds open is wrong where it begins
        raise DefinitionError(
            [Problem(f"YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else 1)]
        ) from None
    except YAMLError as error:
        raise DefinitionError([Problem(f"YAML: {str(error).splitlines()[0]}", file=file, line=1)]) from None
    except _FAILURES as error:
        raise DefinitionError([Problem(f"YAML: cannot be read ({error})", file=file, line=1)]) from None


def read_entries(
    file: str, text: str, *, key: str, what: str, beside: frozenset[str] = frozenset(), may_be_empty: bool = False
) -> tuple[list[YamlMap], list[Problem]]:
    """The mappings under `key`, and what is wrong with the rest of the text. A mapping without the key, or a list, stands for
    itself. what: `alert`, `test`, in messages. beside: keys of other lists that the file may hold; one that has only those holds no
    entries and is right. may_be_empty: an empty list under `key` says that there are none."""

    def problem(message: str, line: int) -> Problem:
        return Problem(message, file=file, line=line)

    try:
        document = read_document(file, text)
    except DefinitionError as error:
        return [], list(error.problems)
    if document is None:
        way_out = f"or `{key}: []` where there are none" if may_be_empty else "or delete the file"
        return [], [problem(f"holds no {what}; write a list under `{key}:`, {way_out}", 1)]
    problems = []
    if isinstance(document, YamlMap) and key in document:
        problems = [
            problem(f"{name!r} is not known beside `{key}`", line_of(document, name))
            for name in document
            if name != key and name not in beside
        ]
        document = document[key]
    elif isinstance(document, YamlMap) and document and document.keys() <= beside:
        return [], []
    elif isinstance(document, YamlMap):
        document = [document]
    if not isinstance(document, list) or not (document or may_be_empty):
        return [], [*problems, problem(f"expected a list of {what}s under `{key}:`", 1)]
    article = "an" if what[0] in "aeiou" else "a"
    lines = document.lines if isinstance(document, YamlList) else [1]
    problems += [
        problem(f"{article} {what} is a mapping of fields to values", line)
        for entry, line in zip(document, lines, strict=True)
        if not isinstance(entry, YamlMap)
    ]
    return [entry for entry in document if isinstance(entry, YamlMap)], problems


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
        event = next(events)
        if type(event) is yaml.ScalarEvent and event.style == "|":
            found.blocks[key] = event.start_mark.line + 2
        found[key] = _value(events, event)
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
        return _Undecorator("").value_of(read_round_trip("", text))
    except DefinitionError:
        raise _Unsure from None


class _Undecorator:
    """Makes ruamel's nodes ours. What an alias repeats is repeated; MAX_VALUES of one file are the limit, since few lines of aliases
    of aliases stand for billions. Raises DefinitionError."""

    def __init__(self, file: str) -> None:
        self._file, self._count = file, 0

    def value_of(self, value: Any) -> Any:
        from ruamel.yaml.comments import CommentedMap, CommentedSeq
        from ruamel.yaml.scalarbool import ScalarBoolean
        from ruamel.yaml.scalarfloat import ScalarFloat
        from ruamel.yaml.scalarint import ScalarInt
        from ruamel.yaml.scalarstring import LiteralScalarString
        from ruamel.yaml.timestamp import TimeStamp

        def line(place: Any) -> int:
            return int(place[0] or 0) + 1

        marks: Any
        self._count += 1
        if self._count > MAX_VALUES:
            message = f"YAML: its aliases stand for more than {MAX_VALUES:,} values; write them out, or fewer of them"
            raise DefinitionError([Problem(message, file=self._file, line=1)])
        if isinstance(value, Mapping):
            found = YamlMap(line([value.lc.line]) if isinstance(value, CommentedMap) else 1)
            marks = value.lc if isinstance(value, CommentedMap) else None
            places = marks.data or {} if marks else {}
            for key, item in value.items():
                found[str(key)] = self.value_of(item)
                if key in places:  # what is merged in has no line
                    found.lines[str(key)] = line(marks.key(key))
                    if isinstance(item, LiteralScalarString):
                        found.blocks[str(key)] = line(marks.value(key)) + 1
            return found
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            items = YamlList()
            marks = value.lc if isinstance(value, CommentedSeq) else None
            placed = marks.data or {} if marks else {}  # with a tag a list has no places
            for index, item in enumerate(value):
                items.append(self.value_of(item))
                items.lines.append(line(marks.item(index)) if index in placed else 1)
            return items
        if isinstance(value, TimeStamp):
            return _moment(value)
        if isinstance(value, str):
            return _whole(value)
        for decorated, kind in ((ScalarBoolean, bool), (ScalarFloat, float), (ScalarInt, int)):
            if isinstance(value, decorated):
                return kind(value)
        return value


def _whole(text: str) -> str:
    """A plain string. JSON, which is YAML as well, writes characters beyond U+FFFF as two escapes, halves of one character."""
    if not _HALF.search(text):
        return str(text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _moment(value: Any) -> datetime:
    """As written, with its zone if there is one."""
    day, time = (value.year, value.month, value.day), (value.hour, value.minute, value.second, value.microsecond)
    return datetime(*day, *time, tzinfo=value.tzinfo)
