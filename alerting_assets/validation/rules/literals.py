"""Literals that the embedded engine and our parser read, and Spark and Databricks do not."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule

_DAY = r"[+-]?\d{4,7}(?:-\d{1,2}(?:-\d{1,2}(?:[T ].*)?)?)?"
_TIME = r"T?\d{1,2}:.*"
_NAMED = r"(?:today|tomorrow|yesterday|now|epoch)(?:\s+[\w/+:-]+)?"
_TEXTS = {
    "date": re.compile(rf"\s*(?:{_DAY}|{_NAMED})\s*", re.I | re.S),
    "timestamp": re.compile(rf"\s*(?:{_DAY}|{_TIME}|{_NAMED})\s*", re.I | re.S),
}
_TAKES_A_UNIT = frozenset({"dateadd", "date_add", "datediff", "date_diff", "timestampadd", "timestampdiff", "timediff"})
_UNIT = re.compile(
    r"\s*(?:year|quarter|month|week|day|dayofyear|hour|minute|second|millisecond|microsecond)s?\s*", re.I
)


class LiteralsCanBeRead(Rule):
    """`DATE '…'` and `TIMESTAMP '…'` hold a date as year-month-day; the unit of `dateadd(MONTH, …)` and its like is a plain word."""

    group = Group.SYNTAX

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        tokens = query.tokens
        for before, word, text in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if text.token_type is not TokenType.STRING:
                continue
            if (
                word.token_type is TokenType.L_PAREN
                and before.text.lower() in _TAKES_A_UNIT
                and _UNIT.fullmatch(text.text)
            ):
                yield self.finding(
                    query,
                    f"{before.text}('{text.text}', …): the unit is a word, not a text",
                    at=text.start,
                    suggestion=f"write {before.text}({text.text.strip().upper()}, …)",
                )
            elif (allowed := _allowed(before, word)) and not allowed.fullmatch(text.text):
                yield self.finding(
                    query,
                    f"'{text.text[:40]}' is no {word.text.lower()}",
                    at=text.start,
                    suggestion="write year-month-day, as 2024-01-31",
                )


def _allowed(before: Token, word: Token) -> re.Pattern[str] | None:
    """None for a word behind a dot or AS, which is a name."""
    if before.token_type in (TokenType.DOT, TokenType.ALIAS):
        return None
    return _TEXTS.get(word.text.lower()) if word.token_type is not TokenType.IDENTIFIER else None
