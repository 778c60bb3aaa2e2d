"""Regular expressions of MATCHES and NOT_MATCHES: the subset that means the same to Databricks, Spark and the embedded engine.

Java's and Rust's expressions differ in what `.`, `$`, `\\d`, `\\w` and `\\s` stand for, and each has syntax of its own. So a pattern is
parsed, and written anew from what both understand alike. It means what Python's `re.search` means with the ASCII flag, but that `$`
is the very end of the text.
"""

from __future__ import annotations

import re

# Not public, and the only parser of these expressions in the standard library; hypothesis relies on it in the same way.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MAX_LENGTH = 1_000
MAX_REPEAT = 1_000
"""The most repetitions, those of nested ones multiplied. Rust refuses programs that grow far beyond this."""

_CLASSES = {
    op.CATEGORY_DIGIT: "0-9",
    op.CATEGORY_WORD: "0-9A-Z_a-z",
    op.CATEGORY_SPACE: r"\x{9}-\x{D}\x{20}",
    op.CATEGORY_NOT_DIGIT: r"\x{0}-/:-\x{10FFFF}",
    op.CATEGORY_NOT_WORD: r"\x{0}-/:-@\[-\^`\{-\x{10FFFF}",
    op.CATEGORY_NOT_SPACE: r"\x{0}-\x{8}\x{E}-\x{1F}!-\x{10FFFF}",
}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ @%,;:=/!\"'#")


class PatternError(ValueError):
    """What in the pattern is not allowed."""


def canonical_pattern(pattern: str) -> str:
    """The same pattern in the syntax that all engines share. Raises PatternError."""
    if not pattern or len(pattern) > MAX_LENGTH:
        raise PatternError(f"a pattern has 1 to {MAX_LENGTH} characters, this one {len(pattern)}")
    try:
        tree = _parser.parse(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}") from None
    if tree.state.flags & ~re.ASCII:
        raise PatternError("flags such as (?i) differ between the engines; write [aA], or compare UPPER(column)")
    return _sequence(tree, MAX_REPEAT)


def _sequence(items: Any, budget: int) -> str:
    return "".join(_item(kind, value, budget) for kind, value in items)


def _item(kind: Any, value: Any, budget: int) -> str:
    match kind:
        case op.LITERAL:
            return _literal(value)
        case op.NOT_LITERAL:
            return f"[^{_literal(value)}]"
        case op.ANY:
            return r"[^\x{A}]"
        case op.IN:
            return _character_class(value)
        case op.BRANCH:
            return f"(?:{'|'.join(_sequence(branch, budget) for branch in value[1])})"
        case op.SUBPATTERN:
            _group, added, removed, inner = value
            if added or removed:
                raise PatternError("flags such as (?i:…) differ between the engines; write [aA]")
            return f"(?:{_sequence(inner, budget)})"
        case op.MAX_REPEAT | op.MIN_REPEAT:
            low, high, inner = value
            return _repeat(kind is op.MIN_REPEAT, low, high, inner, budget)
        case op.AT:
            return _anchor(value)
        case op.ASSERT | op.ASSERT_NOT:
            raise PatternError("look-ahead and look-behind, (?=…) and the like, are not known to every engine")
        case op.GROUPREF | op.GROUPREF_EXISTS:
            raise PatternError(r"references to groups, such as \1, are not known to every engine")
        case _:
            raise PatternError(f"{str(kind).lower().replace('_', ' ')} is not known to every engine")


def _repeat(lazy: bool, low: Any, high: Any, inner: Any, budget: int) -> str:
    most = int(low) if high is op.MAXREPEAT else int(high)
    if most > budget:
        raise PatternError(f"repetitions, nested ones multiplied, go up to {MAX_REPEAT}")
    times = {(0, op.MAXREPEAT): "*", (1, op.MAXREPEAT): "+", (0, 1): "?"}.get(
        (low, high), f"{{{low},{'' if high is op.MAXREPEAT else high}}}"
    )
    return f"(?:{_sequence(inner, budget // max(most, 1))}){times}{'?' if lazy else ''}"


def _anchor(where: Any) -> str:
    if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return r"\A"
    if where in (op.AT_END, op.AT_END_STRING):
        return r"\z"
    raise PatternError(r"\b and \B mean different words to different engines; write (^|[^A-Za-z]) instead")


def _character_class(items: Any) -> str:
    negated = items[0][0] is op.NEGATE
    pieces = []
    for kind, value in items[1:] if negated else items:
        match kind:
            case op.LITERAL:
                pieces.append(_literal(value))
            case op.RANGE:
                pieces.append(f"{_literal(value[0])}-{_literal(value[1])}")
            case _:
                pieces.append(_CLASSES[value])
    return f"[{'^' if negated else ''}{''.join(pieces)}]"


def _literal(code: int) -> str:
    """A character as itself where it means itself everywhere, inside brackets too; otherwise by its number, which needs no rules of
    escaping."""
    if 0xD800 <= code <= 0xDFFF:
        raise PatternError("half of a surrogate pair is no text")
    return chr(code) if chr(code) in _PLAIN else f"\\x{{{code:X}}}"
