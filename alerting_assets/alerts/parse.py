"""sqlglot's trees of a text, within bounds: neither depth nor length of what people write may stop the process that reads it."""

from __future__ import annotations

import logging
import sys
import time
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
"""In the meta data of what stands as an argument in the text: (offset of the function's name, position, number of arguments). sqlglot's
own classes of functions rename and reorder them. Not where `*` or a named argument is among them."""
KEPT_LENGTH = 20_000
"""Characters up to which the trees and tokens of 64 texts are kept: a text is asked for several times on its way. Of longer ones, of
which one takes seconds and up to 200 MB, only the tokens of the last two."""

sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_FRAMES))
# It warns on stderr about statements that it reads as plain commands; what is no query is a finding of ours, not a warning.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class NotReadable(SqlglotError):
    """Valid or not: our parser cannot say, and an engine may crash on it."""


def _plus(parser: _Parser) -> exp.Expr | None:
    """`+x`, of which sqlglot keeps x."""
    start = parser._prev.start
    operand: exp.Expr | None = parser._parse_unary()
    if operand is not None:
        operand.meta[ARGUMENT] = (start, 0, 1)
    return operand


class _Parser(DatabricksParser):
    UNARY_PARSERS = {**DatabricksParser.UNARY_PARSERS, TokenType.PLUS: _plus}  # noqa: RUF012
    deadline = float("inf")
    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps % 1_000 == 0 and time.monotonic() > self.deadline:
            raise NotReadable("is too long or too involved to be read in time; make it shorter")
        super()._advance(times)

    def _parse_function_args(self, alias: bool = False) -> list[exp.Expr]:
        name = self._tokens[self._index - 2]
        args: list[exp.Expr] = super()._parse_function_args(alias)
        if not any(isinstance(arg, exp.Star | exp.Kwarg | exp.PropertyEQ) for arg in args):
            for position, arg in enumerate(args):
                arg.meta[ARGUMENT] = (name.start, position, len(args))
        return args


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
        trees = parser.parse(list(tokenize(text)), text)
    except SqlglotError:
        raise
    except RecursionError:
        raise NotReadable("is nested too deeply to be read; write it with fewer levels of parentheses") from None
    except (
        Exception
    ) as error:  # sqlglot's own on texts that it does not expect, as map('a'): no text may stop its reader
        raise SqlglotError(f"our parser cannot read it ({type(error).__name__})") from error
    return [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
