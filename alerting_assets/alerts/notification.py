"""Custom texts of notifications: what their placeholders become, what is wrong with them, and what a person will read."""

from __future__ import annotations

import html as html_text
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from alerting_assets.alerts.notification_html import Finding, html_problems
from alerting_assets.errors import nearest

Field = Literal["custom_subject_template", "custom_body_template"]

# Our guesses. Neither the API reference of Alerts v2 nor the SDK nor the Terraform and bundle schemas state a length for custom_summary or
# custom_description. 255 is the length of a display name, and many mail programs show less; 10,000 keeps a body below what the common
# chat destinations cut off or refuse.
MAX_LENGTH: Mapping[Field, int] = MappingProxyType({"custom_subject_template": 255, "custom_body_template": 10_000})


class Kind(StrEnum):
    STATIC = "static"
    """Its value is written into the text when the alert is compiled."""
    DYNAMIC = "dynamic"
    """It is left in the text: Databricks puts the value in when it notifies."""
    WORDS = "words"
    """Databricks has no such value: it becomes fixed words."""


@dataclass(frozen=True)
class Placeholder:
    """A placeholder.

    words: for the kind WORDS, what it becomes.
    gated: for the kind DYNAMIC, the static value that takes its place where the condition is compiled into the SQL and the native
        value would only tell of IS_NOT_NULL; CONDITION is the condition in words."""

    kind: Kind
    description: str
    test_value: str
    words: str = ""
    gated: str | None = None


PLACEHOLDERS: dict[str, Placeholder] = {
    "ALERT_ID": Placeholder(Kind.STATIC, "the alert's id", "TEST-001"),
    "ALERT_NAME": Placeholder(Kind.STATIC, "the alert's name, without the severity", "Test Alert"),
    "SEVERITY": Placeholder(Kind.STATIC, "CRITICAL, WARNING or INFO", "WARNING"),
    "QUERY_RESULT_VALUE": Placeholder(Kind.DYNAMIC, "the measured value", "42.5"),
    "THRESHOLD_VALUE": Placeholder(Kind.STATIC, "the threshold as the definition says it", "40.0"),
    "OPERATOR": Placeholder(Kind.STATIC, "the operator as the definition says it", "GREATER_THAN"),
    "TIMESTAMP": Placeholder(
        Kind.WORDS,
        "Databricks has no time to put in: the words that point to when the message came",
        "2025-12-30 12:00:00",
        words="the time of this message",
    ),
    "ALERT_STATUS": Placeholder(Kind.DYNAMIC, "the state: TRIGGERED, OK or ERROR", "TRIGGERED"),
    "ALERT_CONDITION": Placeholder(
        Kind.DYNAMIC,
        "the operator; for a condition compiled into the SQL, that condition in words",
        ">",
        gated="CONDITION",
    ),
    "ALERT_THRESHOLD": Placeholder(
        Kind.DYNAMIC,
        "the threshold; for a condition compiled into the SQL, what THRESHOLD_VALUE is",
        "40.0",
        gated="THRESHOLD_VALUE",
    ),
    "ALERT_URL": Placeholder(
        Kind.DYNAMIC,
        "the address of the alert in Databricks",
        "https://example.cloud.databricks.com/sql/alerts/test-001",
    ),
    "QUERY_RESULT_ROWS": Placeholder(Kind.DYNAMIC, "the rows of the deployed query's result, at most one", "[[42.5]]"),
    "QUERY_RESULT_COLS": Placeholder(Kind.DYNAMIC, "the columns of the deployed query's result", "[value]"),
}
"""What each placeholder becomes. This is the only place that knows."""

TEST_VALUES: Mapping[str, str] = MappingProxyType(
    {name: placeholder.test_value for name, placeholder in PLACEHOLDERS.items()}
)

_PLACEHOLDER = re.compile(r"(?<!\{)\{\{([A-Z_]+)\}\}(?!\})")
_BRACES = re.compile(r"(?P<open>\{+)(?P<name>[^{}]*)(?P<close>\}*)|(?P<stray>\}{2,})")
_SAME_BRACE_FOLLOWS = re.compile(r"(?<=\{)(?=\{)|(?<=\})(?=\})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROLS_AND_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_SUPPORTED = {
    "#": "Mustache sections are not supported",
    "^": "Mustache sections are not supported",
    "/": "Mustache sections are not supported",
    "!": "Mustache comments are not supported",
    ">": "Mustache partials are not supported",
    "=": "Mustache delimiters cannot be changed",
    "&": "unescaped values are not supported",
}


def compile_text(text: str, static: Mapping[str, str], *, condition: str | None = None, html: bool = False) -> str:
    """The text as Databricks gets it. static: a value for every name of kind STATIC. condition: in words, for alerts in the gated form.

    A value is text and nothing else: line breaks in it become spaces, and braces in it that would open or close a placeholder are set
    apart by a space, `{ {ALERT_URL} }`. People see what stands there, it serves a subject as well as a body, and nothing on the way
    turns it back, as happens to entities.
    """
    given = dict(static) if condition is None else {**static, "CONDITION": condition}
    compiled = ""
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        value = _compiled_value(match[1], given, gated=condition is not None)
        if value is None:
            continue
        value = _SAME_BRACE_FOLLOWS.sub(" ", _CONTROLS_AND_BREAKS.sub(" ", value))
        compiled = _join(compiled, text[end : match.start()])
        compiled = _join(compiled, html_text.escape(value) if html else value)
        end = match.end()
    return _join(compiled, text[end:]) if end else text


def problems(text: str, *, field: Field) -> list[str]:
    """What is wrong with a text: one sentence each, in order of appearance. In a text of several lines each names its line and
    column."""
    is_subject = field == "custom_subject_template"
    what, limit = "a subject" if is_subject else "a body", MAX_LENGTH[field]
    if not text.strip():
        return [f"The text is empty; write {what} or leave the field out"]
    if len(text) > limit:
        return [f"The text has {len(text):,} characters; {what} may have {limit:,}"]
    found = [(position, f"Invalid placeholder: {problem}") for position, problem in _placeholder_problems(text)]
    for match in _CONTROL.finditer(text):
        found.append((match.start(), f"The character U+{ord(match[0]):04X} is not allowed; remove it"))
    if is_subject:
        line_break = re.search(r"[\r\n]", text)
        if line_break:
            found.append((line_break.start(), "A subject has one line; in YAML, write |- or >- in place of | or >"))
    else:
        found += html_problems(text)
    return [_where(text, position) + sentence for position, sentence in sorted(found)]


def render(text: str, values: Mapping[str, str]) -> str:
    """What a person will read, from a text that compile_text made. Values are put in as they are; a name that is not in `values` stays."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def validate_template_syntax(template: str) -> tuple[bool, str | None]:
    """Whether all placeholders are known and well written, and if not, what is wrong with the first that is not."""
    for _, problem in _placeholder_problems(template):
        return False, f"Invalid placeholder: {problem}"
    return True, None


def render_test_template(template: str) -> str:
    """The text with a test value in place of every placeholder."""
    return render(template, TEST_VALUES)


def _compiled_value(name: str, given: Mapping[str, str], *, gated: bool) -> str | None:
    """What a placeholder becomes when the alert is compiled; None where it is left as it is."""
    placeholder = PLACEHOLDERS.get(name)
    if placeholder is None:
        return None
    if placeholder.kind is Kind.DYNAMIC:
        return given[placeholder.gated] if gated and placeholder.gated else None
    return placeholder.words or given[name]


def _join(before: str, after: str) -> str:
    """Put two parts together. Two braces that meet only because a value was put in must not open or close a placeholder."""
    meet = before[-1:] == after[:1] and before[-1:] in ("{", "}")
    return f"{before} {after}" if meet else before + after


def _placeholder_problems(text: str) -> Iterator[Finding]:
    position = 0
    while match := _BRACES.search(text, position):
        position = match.end()
        if match["stray"]:
            yield match.start(), f"{match['stray']} closes nothing; a placeholder is written {{{{ALERT_NAME}}}}"
            continue
        opening, name, closing = len(match["open"]), match["name"], len(match["close"])
        if opening == closing == 2 and name in PLACEHOLDERS:
            continue
        if opening == 1 and closing < 2 and not (closing and name.strip().upper() in PLACEHOLDERS):
            continue
        shown = match[0]
        if closing == 0:
            position = match.start() + opening
            shown = match["open"] + "".join(name.split()[:1])[:40]
            name = shown[opening:]
        shown = " ".join(shown.split())
        if len(shown) > 60:
            shown = f"{shown[:60]}…"
        yield match.start(), f"{shown}; {_reason(opening, name, closing)}{_nearest(name)}"


def _reason(opening: int, name: str, closing: int) -> str:
    if opening > 2 or closing > 2:
        return "it has too many braces; "
    if closing == 0:
        return "its }} is missing; "
    if opening < 2 or closing < 2:
        return "two braces stand on each side; "
    reason = _NOT_SUPPORTED.get(name.strip()[:1])
    return f"{reason}; " if reason else ""


def _nearest(name: str) -> str:
    word = re.sub(r"[^A-Z]+", "_", name.upper()).strip("_")
    if not word:
        return "write a name between the braces, such as {{ALERT_NAME}}"
    if alike := nearest(word, PLACEHOLDERS):
        return f"did you mean {{{{{alike}}}}}?"
    return f"the nearest is {{{{{nearest(word, PLACEHOLDERS, likeness=0)}}}}}"


def _where(text: str, position: int) -> str:
    if "\n" not in text.rstrip("\n"):
        return ""
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}: "
