"""The web page: read only, without a token, for people on this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from alerting_assets.errors import AlertingError
from alerting_assets.workspace.local.alert_body import STATES, Body, value_at
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.faults import Faults
from alerting_assets.workspace.local.journal import Journal
from alerting_assets.workspace.local.notifier import Notifier
from alerting_assets.workspace.local.own_state import OwnState, ReadOwnStates
from alerting_assets.workspace.local.rules import timestamp
from alerting_assets.workspace.local.store import Evaluation, Store
from alerting_assets.workspace.local.texts import (
    alert_id,
    condition,
    minute,
    moment,
    notified,
    number,
    readable,
    schedule,
    told,
)

THE_WORKSPACE, THE_PRODUCT = "the workspace", "alerting_assets"
"""By whom an evaluation was made."""
ALERTS_SHOWN, REQUESTS_SHOWN, EVALUATIONS_SHOWN, DESTINATIONS_SHOWN = 100, 30, 100, 100
_log = logging.getLogger(__name__)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Now:
    """What the page says of an alert: the newer of the workspace's last evaluation and the product's. by: who made that evaluation; empty
    before the first one. error: of an evaluation of the product. Times as the API writes them."""

    state: str
    since: str | None = None
    value: Any = None
    evaluated_at: str | None = None
    by: str = ""
    error: str | None = None


class Pages:
    """own_states: what the product itself found out; where that cannot be told, the pages say so and show the rest."""

    def __init__(
        self,
        store: Store,
        destinations: Destinations,
        faults: Faults,
        journal: Journal,
        own_states: ReadOwnStates | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._store, self._destinations, self._notifier = store, destinations, notifier
        self._faults, self._journal, self._own_states = faults, journal, own_states
        self._templates = Environment(
            loader=PackageLoader("alerting_assets.workspace.local"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "condition": condition,
            "alert_id": alert_id,
            "schedule": schedule,
            "number": number,
            "moment": moment,
            "minute": minute,
            "notified": notified,
            "told": told,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/", self.overview, methods=["GET"]),
            Route("/alerts/{id}", self.alert, methods=["GET"]),
            Route("/deliveries/{id}", self.delivery, methods=["GET"]),
            Route("/sql/alerts-v2/{id}", self.databricks_path, methods=["GET"]),
        ]

    async def overview(self, request: Request) -> Response:
        search = request.query_params.get("search", "").strip()
        text, state = request.query_params.get("page", "1"), request.query_params.get("state")
        state = state if state in STATES else None
        offset = (page := _page(text) - 1) * ALERTS_SHOWN
        own, own_problem = await self._read_own_states()
        found, total = self._store.search(search, ALERTS_SHOWN, offset, state=state, own=own)
        evaluations = self._store.evaluations(limit=REQUESTS_SHOWN)
        destinations = self._destinations.all()
        shown = destinations[:DESTINATIONS_SHOWN]
        return self._render(
            "overview.html",
            alerts=found,
            now=self._now(found, own),
            own_problem=own_problem,
            names={entry.alert_id: self._store.get(entry.alert_id) for entry in evaluations},
            total=total,
            states=self._store.states(own),
            search=search,
            state=state,
            page=page + 1,
            pages=max(1, -(-total // ALERTS_SHOWN)),
            evaluations=evaluations,
            destinations=shown,
            destinations_left=len(destinations) - len(shown),
            destination_use=self._destinations.use() if shown else {},
            destination_problems={one.id: self._destinations.problem(one.id) for one in shown},
            delivers=self._notifier is not None,
            deliveries=self._notifier.recent(REQUESTS_SHOWN) if self._notifier else [],
            reached={one.id: one.name for one in destinations},
            requests=self._journal.entries(newest=REQUESTS_SHOWN)[::-1],
            faults=self._faults.all(),
        )

    async def alert(self, request: Request) -> Response:
        body = self._store.get(request.path_params["id"])
        if body is None:
            return self._render("missing.html", 404, id=request.path_params["id"], what="alert")
        evaluations = self._store.evaluations(body["id"], EVALUATIONS_SHOWN)
        own, own_problem = await self._read_own_states()
        return self._render(
            "alert.html",
            alert=body,
            now=self._now([body], own)[body["id"]],
            own_problem=own_problem,
            evaluations=evaluations,
            destination_names={one.id: one.name for one in self._destinations.all()},
            chart=chart(body, evaluations),
        )

    async def delivery(self, request: Request) -> Response:
        identity = request.path_params["id"]
        message = self._notifier.message_as_sent(identity) if self._notifier else None
        if message is None:
            return self._render("missing.html", 404, id=identity, what="message")
        return self._render("delivery.html", id=identity, message=readable(message))

    async def databricks_path(self, request: Request) -> Response:
        """Where an alert's page lies on Databricks, for links made by a client that took this server for one."""
        return RedirectResponse(request.url_for("alert", id=request.path_params["id"]).path)

    async def _read_own_states(self) -> tuple[Mapping[str, OwnState], str | None]:
        """By the alert's id, and why they cannot be told."""
        if self._own_states is None:
            return {}, None
        try:
            return await run_in_threadpool(self._own_states), None
        except AlertingError as error:
            return {}, str(error)
        except Exception as error:  # noqa: BLE001 — told on the page and in the log
            _log.exception("the product's own evaluations cannot be read")
            return {}, type(error).__name__

    def _now(self, bodies: Sequence[Body], own: Mapping[str, OwnState]) -> dict[str, Now]:
        """What is said of each of these alerts, by id."""
        ids = [body["id"] for body in bodies]
        values, since = self._store.last_values(ids), self._store.since(ids)
        found = {}
        for body in bodies:
            name, ours = body["id"], own.get(body["id"])
            last = value_at(body, "evaluation.last_evaluated_at")
            if ours is not None and ours.is_newer_than(last):
                since_then, evaluated_at = timestamp(ours.since), timestamp(ours.evaluated_at)
                found[name] = Now(ours.state, since_then, ours.value, evaluated_at, THE_PRODUCT, ours.error)
            elif last is not None:
                state = value_at(body, "evaluation.state") or "UNKNOWN"
                began = since.get(name)
                if ours is not None and ours.state == state:  # the product remembers what it evaluated before
                    began = min(filter(None, (began, timestamp(ours.since))))
                found[name] = Now(state, began, values.get(name), last, THE_WORKSPACE)
            else:
                found[name] = Now("UNKNOWN")
        return found

    def _render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(**values), status, headers=_HEADERS)


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    state: str
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart of values in a box 700 wide and 140 high, where y grows downwards.

    threshold: its y, or None when there is none to draw.
    high, low: the values at the top and at the bottom."""

    dots: tuple[Dot, ...]
    threshold: float | None
    high: float
    low: float

    @property
    def line(self) -> str:
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


def chart(body: Body, evaluations: list[Evaluation]) -> Chart | None:
    """The chart of these evaluations, which come newest first. None where fewer than two have numbers to draw."""
    shown = [entry for entry in reversed(evaluations) if isinstance(entry.value, int | float)]
    if len(shown) < 2:
        return None
    limit: float | None = value_at(body, "evaluation.threshold.value.double_value")
    values = [float(entry.value) for entry in shown] + ([limit] if limit is not None else [])
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return 130 - 120 * (value - low) / span

    dots = tuple(
        Dot(
            10 + 680 * index / (len(shown) - 1),
            y(float(entry.value)),
            entry.state,
            f"{moment(entry.evaluated_at)}: {number(entry.value)}",
        )
        for index, entry in enumerate(shown)
    )
    return Chart(dots, y(limit) if limit is not None else None, high, low)


def _page(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1
