"""What each function of Spark takes: as measured by alerting_assets_tests/spark/measure_signatures.py, which writes signatures.txt.

One line for each number of arguments, `name argument, argument`: what an argument may be, with `|` between kinds and `-` before those
that `any` leaves out; NULL is one of them unless it says `-null`. `constant` before: no column. `?`: not known. `()`: no arguments.
`...`: any more of them, of any kind. A function that is not here may be called with anything."""

from __future__ import annotations

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
GROUPS = {"number": NUMBERS, "maps": MAPS}


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


def signature_of(line: str) -> Signature:
    name, _, rest = line.partition(" ")
    if rest == "...":
        return Signature(name, None)
    return Signature(name, tuple(map(_argument_of, rest.split(", "))) if rest != "()" else ())


def _argument_of(text: str) -> Argument | None:
    if text == "?":
        return None
    constant = text.startswith("constant ")
    first, *left_out = text.removeprefix("constant ").split("-")
    kinds = set(Kind) if first == "any" else {Kind.NULL}
    for word in first.split("|"):
        if word in GROUPS:
            kinds |= GROUPS[word]
        elif word not in ("any", ""):
            kinds.add(Kind(word))
    return Argument(frozenset(kinds - {Kind(word) for word in left_out}), constant)
