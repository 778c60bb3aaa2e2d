"""Evaluates alerts, stores what came out, and tells those who want to know; for the API and for the scheduler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from alerting_assets.workspace.local import SqlRunner
from alerting_assets.workspace.local.alert_body import Body
from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets.workspace.local.rules import Clock
from alerting_assets.workspace.local.store import Evaluation, Store

OnEvaluated = Callable[[Sequence[Evaluation]], None]
"""Called with new evaluations after they were stored, in their order; never by two threads at once."""

_log = logging.getLogger(__name__)


class Evaluator:
    def __init__(self, store: Store, sql_runner: SqlRunner, clock: Clock, on_evaluated: OnEvaluated | None) -> None:
        self._store, self._sql_runner, self._clock = store, sql_runner, clock
        self._on_evaluated = on_evaluated
        self._storing = threading.Lock()

    def evaluate(self, body: Body) -> Evaluation:
        """Evaluate the alert of this body now; nothing is stored yet."""
        return evaluate(body, self._sql_runner, self._clock())

    def store(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """Store evaluations, tell of them, and return them with whom they notified."""
        with self._storing:
            stored = self._store.record(evaluations)
            if self._on_evaluated is not None and stored:
                try:
                    self._on_evaluated(stored)
                except Exception:  # noqa: BLE001 — told in the log: what is stored stays stored
                    _log.exception(
                        "%d evaluations are stored in the local workspace, and were not passed on", len(stored)
                    )
        return stored
