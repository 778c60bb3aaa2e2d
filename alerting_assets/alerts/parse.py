"""sqlglot's trees of a text, within bounds: neither depth nor length of what people write may stop the process that reads it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError
from sqlglot.parsers.databricks import DatabricksParser
from sqlglot.tokenizer_core import Token, TokenType

DIALECT = "databricks"
READING_SECONDS = 20.0
"""A megabyte of SQL takes about five."""
MAX_FRAMES = 4_000
"""Python's default of 1,000 is used up by 50 levels of parentheses."""
ARGUMENT = "argument"
"""In the meta data of what stands as an argument in the text: {its offset: (offset of the function's name, position)}. sqlglot's own
classes of functions rename and reorder arguments, and leave some out."""
KEPT_LENGTH = 20_000
"""Characters up to which the trees and tokens of 64 texts are kept: a text is asked for several times on its way. Of longer ones, of
which one takes seconds and up to 200 MB, only the tokens of the last two."""

sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_FRAMES))
# It warns on stderr about statements that it reads as plain commands; what is no query is a finding of ours, not a warning.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class NotReadable(SqlglotError):
    """Valid or not: our parser cannot say, and an engine may crash on it."""


@dataclass(frozen=True)
class Call:
    """`name(argument, …)` as it stands in a text. arguments: the first and the last token of each, without DISTINCT in front."""

    name: Token
    arguments: tuple[tuple[Token, Token], ...]


_ENDS = frozenset({TokenType.COMMA, TokenType.R_PAREN})
_SEPARATORS = frozenset({TokenType.COMMA, TokenType.FROM, TokenType.FOR, TokenType.ORDER_BY})
_QUERIES = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.FROM, TokenType.TABLE})
_BEFORE_VALUES = frozenset({TokenType.DISTINCT, TokenType.ALL, TokenType.FROM})
_TRIMS = frozenset({"BOTH", "LEADING", "TRAILING"})
_NESTED = frozenset({TokenType.ARRAY, TokenType.MAP, TokenType.STRUCT})
_BEFORE_OTHER_NAMES = frozenset({TokenType.DOT, TokenType.LIKE, TokenType.ILIKE})
"""`schema.name(…)` is another function, `LIKE ANY (…)` none."""


@dataclass
class _List:
    """What stands in parentheses. name: the word before them; None where it takes no arguments. first: token of the argument at hand.
    angles: of a type, as in `map<string, int>`. ordered: whether ORDER BY came."""

    name: Token | None
    arguments: list[tuple[Token, Token]] = field(default_factory=list)
    first: Token | None = None
    angles: int = 0
    ordered: bool = False

    def end_argument(self, last: Token) -> None:
        if self.first is not None and not self.ordered:
            self.arguments.append((self.first, last))
        self.first = None


def calls_of(tokens: Sequence[Token]) -> list[Call]:
    """Every word with arguments in parentheses behind it: functions, and a few keywords and aliases. Not those with a subquery, `*` or
    a named argument inside."""
    found: list[Call] = []
    lists = [_List(None)]
    for index, token in enumerate(tokens):
        inside, kind = lists[-1], token.token_type
        before = tokens[index - 1] if index else token
        word = token.text.upper() if kind is TokenType.VAR else ""
        if kind is TokenType.R_PAREN:
            inside.end_argument(before)
            if len(lists) > 1:
                lists.pop()
            if inside.name is not None and not inside.angles:
                found.append(Call(inside.name, tuple(inside.arguments)))
        elif before.token_type is TokenType.DOT:
            inside.name = None if kind is TokenType.STAR else inside.name
        elif inside.first is not None and not inside.angles and (kind in _SEPARATORS or word == "PLACING"):
            inside.end_argument(before)
            inside.ordered = inside.ordered or kind is TokenType.ORDER_BY
        else:
            is_query = kind in _QUERIES and before.token_type is TokenType.L_PAREN
            if is_query or kind is TokenType.FARROW or (kind is TokenType.STAR and inside.first is None):
                inside.name = None
            if before.token_type in _NESTED and kind is TokenType.LT:
                inside.angles += 1
            elif kind is TokenType.GT and inside.angles:
                inside.angles -= 1
            is_trim = word in _TRIMS and index + 1 < len(tokens) and tokens[index + 1].token_type not in _ENDS
            if inside.first is None and kind not in _BEFORE_VALUES and not is_trim:
                inside.first = token
            if kind is TokenType.L_PAREN:
                is_other = index > 1 and tokens[index - 2].token_type in _BEFORE_OTHER_NAMES
                lists.append(_List(before if before.text.isidentifier() and not is_other else None))
    return found


def _plus(parser: _Parser) -> exp.Expr | None:
    """`+x`, of which sqlglot keeps x."""
    start = parser._prev.start
    operand: exp.Expr | None = parser._parse_unary()
    if operand is not None:
        operand.meta.setdefault(ARGUMENT, {})[start] = (start, 0)
    return operand


class _Parser(DatabricksParser):
    UNARY_PARSERS = {**DatabricksParser.UNARY_PARSERS, TokenType.PLUS: _plus}  # noqa: RUF012
    deadline = float("inf")
    steps = 0
    places: dict[int, tuple[int, int]]
    """Of the arguments, by where they begin: offset of the function's name, position."""
    marked: dict[int, exp.Expr]

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps % 1_000 == 0 and time.monotonic() > self.deadline:
            raise NotReadable("is too long or too involved to be read in time; make it shorter")
        super()._advance(times)

    def _parse_atom(self) -> exp.Expr | None:
        return self._marked(self._curr.start, super()._parse_atom())

    def _parse_bitwise(self) -> exp.Expr | None:
        return self._marked(self._curr.start, super()._parse_bitwise())

    def _parse_disjunction(self) -> exp.Expr | None:
        return self._marked(self._curr.start, super()._parse_disjunction())

    def _marked(self, start: int, node: exp.Expr | None) -> exp.Expr | None:
        """Of what begins where an argument does, the whole is it: what is read last."""
        if node is not None and (place := self.places.get(start)) is not None:
            if (part := self.marked.get(start)) is not None:
                part.meta.get(ARGUMENT, {}).pop(start, None)
            node.meta.setdefault(ARGUMENT, {})[start] = place
            self.marked[start] = node
        return node


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens are shared: nobody changes them. Raises SqlglotError."""
    return _short_tokens(text) if len(text) <= KEPT_LENGTH else _long_tokens(text)


def _tokenize(text: str) -> tuple[Token, ...]:
    return tuple(Databricks().tokenize(text))


_short_tokens = lru_cache(maxsize=64)(_tokenize)
_long_tokens = lru_cache(maxsize=2)(_tokenize)


def parse_statements(text: str, seconds: float = READING_SECONDS) -> list[exp.Expr]:
    """The trees are shared: nobody changes them. Raises SqlglotError, NotReadable after these seconds."""
    return list(_kept(text)) if len(text) <= KEPT_LENGTH and seconds == READING_SECONDS else _parse(text, seconds)


@lru_cache(maxsize=64)
def _kept(text: str) -> tuple[exp.Expr, ...]:
    return tuple(_parse(text, READING_SECONDS))


def _parse(text: str, seconds: float) -> list[exp.Expr]:
    dialect = Databricks()
    parser = _Parser(dialect=dialect)
    parser.deadline = time.monotonic() + seconds
    try:
        tokens = list(tokenize(text))
        parser.places, parser.marked = {}, {}
        for call in calls_of(tokens):
            parser.places |= {first.start: (call.name.start, at) for at, (first, _) in enumerate(call.arguments)}
        trees = parser.parse(tokens, text)
    except SqlglotError:
        raise
    except RecursionError:
        raise NotReadable("is nested too deeply to be read; write it with fewer levels of parentheses") from None
    # sqlglot raises all kinds on texts that it does not expect, as map('a'), and no text may stop its reader.
    except Exception as error:
        raise SqlglotError(f"our parser cannot read it ({type(error).__name__})") from error
    return [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]


def start_of(node: exp.Expr) -> int | None:
    """The offset of the first part of a node whose place is known."""
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(starts, default=None)
