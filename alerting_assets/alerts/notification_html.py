"""Which HTML a notification's body may hold: tags in one strict form that every parser reads alike, nothing that could be another."""

from __future__ import annotations

import re

# html.parser does not decide: it raises AssertionError on `<![x[`, and releases of Python differ in where comments and tags end.

# Said to be the list of Databricks' documentation of alert templates; no copy of that page could be found to check it.
TAGS = frozenset(
    {"a", "abbr", "acronym", "b", "blockquote", "body", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"head", "hr", "html", "i", "li", "ol", "p", "span", "strong", "table", "tbody", "td", "th", "tr", "ul"}
)
ATTRIBUTES = {"a": frozenset({"href", "title"}), "abbr": frozenset({"title"}), "acronym": frozenset({"title"})}

_WITHOUT_END = frozenset({"br", "hr"})
_END_MAY_BE_LEFT_OUT = frozenset({"p", "li", "td", "th", "tr", "tbody", "html", "head", "body"})
_CHANGES_HOW_THE_REST_IS_READ = frozenset(
    {"applet", "form", "frameset", "iframe", "math", "noembed", "noframes", "noscript", "object", "plaintext"}
    | {"script", "select", "style", "svg", "template", "textarea", "title", "xmp"}
)

_SPACE = r"[ \t\r\n]"
_ATTRIBUTE = rf"(?P<key>[A-Za-z][\w:.-]*)(?:{_SPACE}*=(?P<quoted>{_SPACE}*(?:\"[^\"<>]*\"|'[^'<>]*')))?"
_ATTRIBUTES = re.compile(_ATTRIBUTE, re.ASCII)
_TAG = re.compile(
    rf"<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)"
    rf"(?P<attributes>(?:{_SPACE}+{re.sub('[?]P<[a-z]+>', '?:', _ATTRIBUTE)})*){_SPACE}*/?>",
    re.ASCII,
)
_NAME = re.compile(r"</?([A-Za-z][^\s/>]*)")
_FROM_DATA = re.compile(r"\{\{QUERY_RESULT_")
_SAFE_URL = re.compile(r"(?:https?://|mailto:)[^\x00-\x20\x7f]+", re.IGNORECASE)

Finding = tuple[int, str]
"""A position in the text, and a sentence about what is wrong there."""


def html_problems(text: str) -> list[Finding]:
    """What is wrong with the HTML of a text, in no particular order."""
    findings: list[Finding] = []
    opened: list[Finding] = []
    refused: set[str] = set()
    last_markup = max(text.rfind(character) for character in ">=\"'`/{")
    position = text.find("<")
    while position >= 0:
        tag = _TAG.match(text, position)
        if tag is None:
            if problem := _not_a_tag(text, position, last_markup):
                findings.append((position, problem))
        else:
            name = tag["name"].lower()
            if name not in TAGS:
                if not (tag["slash"] and name in refused):
                    findings.append((position, _not_allowed(tag["name"])))
                refused.add(name)
            elif tag["slash"]:
                findings += _close(opened, position, name, tag["attributes"])
            else:
                findings += [(position, problem) for problem in _attribute_problems(name, tag["attributes"])]
                if name not in _WITHOUT_END:
                    opened.append((position, name))
        position = text.find("<", position + 1 if tag is None else tag.end())
    return findings + _never_closed(opened, "")


def _not_a_tag(text: str, position: int, last_markup: int) -> str | None:
    """Why a `<` is not allowed. None where it is text to every parser, as where it compares two words with nothing behind it that
    could make a tag of it."""
    after = text[position + 1 : position + 2]
    if after == "{":
        return "A placeholder directly after < could become a tag; put a space between them"
    if after and after in "!?":
        what = "Comments" if text.startswith("<!--", position) else "Declarations"
        return f"{what} such as {_excerpt(text, position)} are not allowed: they can hide tags; remove it"
    if after and after != "/" and not (after.isascii() and after.isalpha()):
        return None
    name = _NAME.match(text, position)
    if name is not None and position > last_markup and re.match(r"[\w)\]]", text[position - 1 : position]):
        return _not_allowed(name[1]) if name[1].lower() in _CHANGES_HOW_THE_REST_IS_READ else None
    if name is not None and name[1].lower() not in TAGS:
        return _not_allowed(name[1])
    if ">" not in text[position + 1 :].partition("<")[0]:
        return f"{_excerpt(text, position)} begins a tag that no > ends; write &lt; if a less-than sign is meant"
    return (
        f'{_excerpt(text, position)} is not written as a tag must be, <name> or <name attribute="value">; '
        "write &lt; if a less-than sign is meant"
    )


def _attribute_problems(tag: str, attributes: str) -> list[str]:
    problems = []
    for attribute in _ATTRIBUTES.finditer(attributes):
        key, value = attribute["key"].lower(), (attribute["quoted"] or "").strip()[1:-1]
        allowed = ATTRIBUTES.get(tag, frozenset())
        if key.startswith("on"):
            problems.append(f"The event handler {key} of <{tag}> is not allowed; remove it")
        elif key not in allowed:
            names = f"; <{tag}> takes {' and '.join(sorted(allowed))} only" if allowed else f"; <{tag}> takes none"
            problems.append(f"The attribute {key} of <{tag}> is not allowed{names}")
        elif _FROM_DATA.search(value):
            problems.append(
                f"The attribute {key} of <{tag}> holds a value from the data, which could end the attribute; put it into the text"
            )
        elif key == "href" and not value.startswith("{{ALERT_URL}}") and not _SAFE_URL.fullmatch(value):
            problems.append(
                "The link of <a> must begin with https://, http://, mailto: or {{ALERT_URL}} and hold no spaces"
            )
    return problems


def _close(opened: list[Finding], position: int, name: str, attributes: str) -> list[Finding]:
    if attributes:
        return [(position, f"</{name}> takes no attributes")]
    index = next((index for index in reversed(range(len(opened))) if opened[index][1] == name), None)
    if index is None:
        return [(position, f"</{name}> closes nothing; remove it")]
    inside = opened[index + 1 :]
    del opened[index:]
    return _never_closed(inside, f" before </{name}>")


def _never_closed(opened: list[Finding], where: str) -> list[Finding]:
    return [
        (position, f"<{name}> is not closed{where}; add </{name}>")
        for position, name in opened
        if name not in _END_MAY_BE_LEFT_OUT
    ]


def _not_allowed(name: str) -> str:
    return f"The tag <{name[:20]}> is not allowed; write &lt; if a less-than sign is meant"


def _excerpt(text: str, position: int) -> str:
    return text[position : position + 20].split()[0]
