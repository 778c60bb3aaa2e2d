"""A picture of a history: what was expected, what was told and what was held."""

from __future__ import annotations

import io

import numpy as np

from alerting_assets.anomaly.series import Booleans, Floats, Series
from alerting_assets.anomaly.walk import Decisions


def chart_png(title: str, series: Series, threshold: Floats, decisions: Decisions, *, inches: float = 14.0) -> bytes:
    """A PNG image: values, their range, the threshold, and each evaluation over it, told or held. inches: its width."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(inches, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    at = series.at.astype("datetime64[s]")
    lower, upper, frame = _shown(series.value, decisions, threshold)
    has_range = np.isfinite(decisions.score)
    axes.fill_between(
        at,
        lower,
        upper,
        where=has_range.tolist(),
        color="#9ecae1",
        alpha=0.5,
        linewidth=0,
        step="mid",
        label="expected range",
    )
    axes.plot(at, series.value, color="#525252", linewidth=0.7, label="value")
    axes.plot(at, threshold, color="#e6550d", linewidth=0.9, linestyle="--", label="threshold")
    marks: tuple[tuple[Booleans, str, str, str], ...] = (
        (decisions.suppressed, "held back", "none", "#3182bd"),
        (decisions.notified, "told", "#cb181d", "#cb181d"),
    )
    for flags, label, face, edge in marks:
        words = f"{label} ({int(flags.sum()):,})"
        axes.scatter(
            at[flags],
            series.value[flags],
            s=16,
            facecolors=face,
            edgecolors=edge,
            linewidths=0.9,
            zorder=3,
            label=words,
        )
    if frame is not None:
        axes.set_ylim(*frame)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_title(title, loc="left", fontsize=11)
    axes.margins(x=0.005)
    axes.legend(loc="upper left", fontsize=8, ncols=5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, metadata={"Software": None})
    return out.getvalue()


def _shown(value: Floats, decisions: Decisions, threshold: Floats) -> tuple[Floats, Floats, tuple[float, float] | None]:
    """The range as it is drawn, and the frame: wide enough for all values, and no wider for the sake of a range that is open on a side."""
    seen = np.concatenate([value[np.isfinite(value)], threshold[np.isfinite(threshold)]])
    if not len(seen):
        return decisions.lower, decisions.upper, None
    low, high = float(seen.min()), float(seen.max())
    room = 0.08 * (high - low) or 1.0
    frame = (low - room, high + 2 * room)
    lower = np.where(np.isfinite(decisions.lower), decisions.lower, frame[0])
    upper = np.where(np.isfinite(decisions.upper), decisions.upper, frame[1])
    return np.maximum(lower, frame[0]), np.minimum(upper, frame[1]), frame
