"""An explanation as Markdown, for the metadata of a Dagster run, a ticket, a chat; pure."""

from __future__ import annotations

import re

from alerting_assets.explanation.chart import chart_of
from alerting_assets.explanation.facts import Explanation
from alerting_assets.explanation.sections import sections_of
from alerting_assets.explanation.why import moment


def to_markdown(explanation: Explanation) -> str:
    """Text of others stays text: it neither becomes markup nor ends a table."""
    title = f"### {_text(f'{explanation.alert_id} {explanation.name}')}"
    about = ", ".join(part for part in (explanation.severity, explanation.domain) if part)
    when = f" As of {moment(explanation.at)}." if explanation.is_past else ""
    parts = [title, f"{about}.{when}" if about else when.strip(), f"**{_text(explanation.headline)}**"]
    if explanation.reasons:
        parts.append("\n".join(f"- {_text(reason)}" for reason in explanation.reasons))
    chart = chart_of(explanation.evaluations, explanation.lines)
    if chart is not None:
        parts.append(f"```\n{chart.text}\n```")
    for section in sections_of(explanation):
        rows = "\n".join(f"| {_text(label)} | {_text(text)} |" for label, text in section.rows)
        parts.append(f"| {section.title} | |\n|---|---|\n{rows}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(text: str) -> str:
    """With what Markdown and HTML would take for markup escaped; code between backticks stays code."""
    pieces = re.split(r"(`[^`|\n]*`)", " ".join(text.split()))
    return "".join(
        piece if piece.startswith("`") and len(piece) > 1 else re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", piece)
        for piece in pieces
    )
