"""Signatures as the lines of signatures.txt that say them."""

from __future__ import annotations

from collections.abc import Iterator

from alerting_assets.validation.signatures import GROUPS, Argument, Kind, Signature


def text_of(signature: Signature) -> str:
    if signature.arguments is None:
        return f"{signature.name} ..."
    texts = ["?" if argument is None else _text_of(argument) for argument in signature.arguments]
    return f"{signature.name} {', '.join(texts) or '()'}"


def _text_of(argument: Argument) -> str:
    left_out = [kind for kind in Kind if kind not in argument.kinds]
    if len(left_out) < len(Kind) / 2:
        text = "any" + "".join(f"-{kind}" for kind in left_out)
    else:
        text = ("|".join(_words(argument.kinds)) or "null") + ("-null" if Kind.NULL in left_out else "")
    return f"constant {text}" if argument.constant else text


def _words(kinds: frozenset[Kind]) -> Iterator[str]:
    for name, group in GROUPS.items():
        if group <= kinds:
            yield name
            kinds -= group
    yield from (kind for kind in Kind if kind in kinds and kind is not Kind.NULL)
