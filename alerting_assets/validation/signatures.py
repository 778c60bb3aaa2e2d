"""What each function of Spark takes: as measured by alerting_assets_tests/spark/measure_signatures.py, which writes signatures.txt.

One line for each number of arguments, `name argument, argument`: what an argument may be, with `|` between kinds and `-` before those
that `any` leaves out; NULL is one of them unless it says `-null`. `constant` before: no column. `?`: not known. `()`: no arguments.
`...`: any more of them, of any kind. A function that is not here may be called with anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

PATH = Path(__file__).with_name("signatures.txt")


class Kind(StrEnum):
    """As families, and finer where a function may take one and not the other."""

    INT = "int"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    TEXT = "text"
    BOOLEAN = "boolean"
    BINARY = "binary"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    MONTHS = "months"
    SECONDS = "seconds"
    ARRAY = "array"
    MAP_OF_TEXTS = "map_of_texts"
    MAP = "map"
    STRUCT = "struct"
    NULL = "null"


NUMBERS = frozenset({Kind.INT, Kind.BIGINT, Kind.DECIMAL, Kind.DOUBLE})
MAPS = frozenset({Kind.MAP_OF_TEXTS, Kind.MAP})
_GROUPS = {"number": NUMBERS, "maps": MAPS}


@dataclass(frozen=True)
class Argument:
    kinds: frozenset[Kind]
    constant: bool = False


@dataclass(frozen=True)
class Signature:
    """What a function takes with one number of arguments. arguments: None for any number of any arguments; one of them is None
    where it is not known."""

    name: str
    arguments: tuple[Argument | None, ...] | None


@cache
def signatures() -> dict[str, dict[int | None, Signature]]:
    """The signatures of functions by name, in lower case, and by number of arguments."""
    found: dict[str, dict[int | None, Signature]] = {}
    for line in PATH.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            one = signature_of(line)
            found.setdefault(one.name, {})[None if one.arguments is None else len(one.arguments)] = one
    return found


def text_of(signature: Signature) -> str:
    if signature.arguments is None:
        return f"{signature.name} ..."
    texts = ["?" if argument is None else _text_of(argument) for argument in signature.arguments]
    return f"{signature.name} {', '.join(texts) or '()'}"


def signature_of(line: str) -> Signature:
    name, _, rest = line.partition(" ")
    if rest == "...":
        return Signature(name, None)
    return Signature(name, tuple(map(_argument_of, rest.split(", "))) if rest != "()" else ())


def _text_of(argument: Argument) -> str:
    left_out = [kind for kind in Kind if kind not in argument.kinds]
    if len(left_out) < len(Kind) / 2:
        text = "any" + "".join(f"-{kind}" for kind in left_out)
    else:
        text = ("|".join(_words(argument.kinds)) or "null") + ("-null" if Kind.NULL in left_out else "")
    return f"constant {text}" if argument.constant else text


def _words(kinds: frozenset[Kind]) -> Iterator[str]:
    for name, group in _GROUPS.items():
        if group <= kinds:
            yield name
            kinds -= group
    yield from (kind for kind in Kind if kind in kinds and kind is not Kind.NULL)


def _argument_of(text: str) -> Argument | None:
    if text == "?":
        return None
    constant = text.startswith("constant ")
    first, *left_out = text.removeprefix("constant ").split("-")
    kinds = set(Kind) if first == "any" else {Kind.NULL}
    for word in first.split("|"):
        if word in _GROUPS:
            kinds |= _GROUPS[word]
        elif word not in ("any", ""):
            kinds.add(Kind(word))
    return Argument(frozenset(kinds - {Kind(word) for word in left_out}), constant)
