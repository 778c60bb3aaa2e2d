# ruff: noqa: E501
"""Regular expressions and texts on which engines could differ; the answer is Python's, with `$` as the very end."""

from __future__ import annotations

import re

from alerting_assets.alerts.pattern import canonical_pattern
from alerting_assets.alerts.query_text import text_literal

PATTERNS = (
    "a", "^a", "a$", "^a$", "^$", ".", "^.$", "a.b", r"a\.b", "a|b", "^(a|bc)+$", "a{2}", "^a{1,3}$", "a{2,}", "ab*c", "ab+?c",
    "colou?r",    "[abc]", "[^abc]", "[a-c0-9]+$", r"[\]\\^-]", "[^\n]", r"\d", r"^\d+$", r"\D", r"^\D+$", r"\w", r"^\w+$", r"\W", r"\s", r"^\S+$",
    r"[\d_]", r"[^\d]", r"[^\w\s]", r"[\W]", r"\$\^\.", "é", "[à-ü]", "日|本", "😀", "[😀-😂]", "^.{2}$", "(?:a|b)c", "(?P<n>a)b", " ",
    "#", "'", '"', "`", "&&", "--", "~", "[&~-]", "%", "_", r"\t", r"\n", r"\x41", r"é", "<b>", "a<b>c", r"\Aa\Z",
)  # fmt: skip
TEXTS = (
    "", "a", "A", "b", "ab", "abc", "aab", "aaa", "aaaa", "a.b", "a\nb", "a\n", "\na", "ac", "bc", "abbc", "color", "colour",
    "0", "12", "١٢", "a1_",
    "é", "e\u0301", "É", "日本", "😀", "😀a", "😁😁", " ", "\t", "\u00a0", "\u2028", "\r", "a\r", "a\u0085b", "x y", "[", "]", "\\", "^", "-", "$^.",
    "#", "'", '"', "`", "&&", "--", "~", "%", "_", "FAILED", "a<b>c", "\u1680", "ſ", "K",
)  # fmt: skip
REFUSED = {
    "(?i)a": "flags",
    "(?i:a)": "flags",
    "(?s).": "flags",
    "(?=a)": "look-ahead",
    "(?!a)b": "look-ahead",
    "(?<=a)b": "look-behind",
    r"(a)\1": "references to groups",
    r"\bword": r"\b and \B",
    "a**": "multiple repeat",
    "(a": "no regular expression",
    "[z-a]": "no regular expression",
    "a{1001}": "repetitions",
    "(a{100}){100}": "repetitions",
    "^*": "nothing to repeat",
    "a++": "not known to every engine",
    "(?>a)": "not known to every engine",
    "": "1 to 1000 characters",
    "a" * 1001: "1 to 1000 characters",
    r"\p{L}": "no regular expression",
}


def python_matches(pattern: str, text: str) -> bool:
    return re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), text, re.ASCII) is not None


def matching_sql(pattern: str) -> str:
    """One row: for each of TEXTS, whether the pattern is found in it."""
    regex = text_literal(canonical_pattern(pattern))
    return "SELECT " + ", ".join(f"{text_literal(text)} RLIKE {regex} AS m{n}" for n, text in enumerate(TEXTS))
