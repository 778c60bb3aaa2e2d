"""What an alert's model had to do with an evaluation, in sentences; pure."""

from __future__ import annotations

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.reasons import Reason
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.explanation.facts import Evaluated

_HELD: dict[str, str] = {
    Reason.EVENT: "a planned event expects so much",
    Reason.LABELLED: "the like of it at that hour was labelled a false alarm",
    Reason.TOLD: "as much was told in the last days",
    Reason.USUAL: "so much is usual at that hour",
    Reason.RECURRENCE: "as much was there at that hour on two days of the last eight weeks",
}
_TOLD: dict[str, str] = {
    Reason.OUTSIDE: "It lies outside of what is expected",
    Reason.NO_RANGE: "No range of its model was valid at that moment, so nothing was held back",
    Reason.NO_HISTORY: "Its model knows too little of that hour yet: it takes two weeks of history",
    Reason.PERSISTENCE: "The threshold was exceeded for more hours than in any 24 hours of the last four weeks, so it is told",
    Reason.HOLD_OVER: "As much had been held back for so long that it is told again",
    Reason.BUDGET: "More was held back lately than its budget allows (ml_suppression_budget), so everything is told",
    Reason.STALE_MODEL: "Its model is older than two weeks, so everything is told",
    Reason.FAILED: "Its range could not be made, so everything is told; `alerting anomaly status` says why",
}


def model_sentences(alert: CompiledAlert | None, one: Evaluated) -> list[str]:
    """None for an evaluation that no model was asked about, or that would not have been told anyway."""
    if one.ml_reason is None:
        return []
    facts = _facts(one)
    if one.ml_suppressed or one.ml_shadow:
        because = _HELD.get(one.ml_reason, f"its range says {one.ml_reason}")
        if one.ml_suppressed:
            return [f"It would fire, and is held back since {because}; nobody is told.{facts}"]
        shadow = "is in shadow (ml_shadow)"
        if alert is not None and alert.severity == "CRITICAL":
            shadow = "holds no critical alert back, unless ml_allow_critical is set"
        return [f"Its model would hold it back, since {because}; but it {shadow}, so it is told.{facts}"]
    return [f"{_TOLD.get(one.ml_reason, f'Its range is closed: {one.ml_reason}')}.{facts}"]


def _facts(one: Evaluated) -> str:
    """As ` Expected is about 41, and told is what is above 460 (ml_score -0.25, model version 3).`"""
    if one.model_version is None:
        return ""
    parts = []
    if one.expected is not None:
        parts.append(f"expected is about {number_text(one.expected, 4)}")
    bounds = [
        f"{word} {number_text(bound, 4)}"
        for word, bound in (("below", one.lower), ("above", one.upper))
        if bound is not None
    ]
    if bounds:
        parts.append(f"told is what is {' or '.join(bounds)}")
    score = "" if one.ml_score is None else f"ml_score {one.ml_score:.2f}, "
    words = " and ".join(parts)
    return f" {words[:1].upper()}{words[1:]} ({score}model version {one.model_version})." if words else ""
