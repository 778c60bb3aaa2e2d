"""/api/local: what only this workspace has - evaluation on demand, faults, the journal."""

from __future__ import annotations

from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local.alert_body import Body, value_at
from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import invalid, not_found
from alerting_assets.workspace.local.evaluator import Evaluator
from alerting_assets.workspace.local.faults import Faults
from alerting_assets.workspace.local.journal import Journal
from alerting_assets.workspace.local.store import Evaluation, Store


class LocalApi:
    def __init__(self, store: Store, evaluator: Evaluator, faults: Faults, journal: Journal) -> None:
        self._store, self._evaluator = store, evaluator
        self._faults, self._journal = faults, journal

    def routes(self) -> list[Route]:
        return [
            Route("/api/local/alerts/{id}/evaluate", self.evaluate_one, methods=["POST"]),
            Route("/api/local/alerts/{id}/evaluations", self.evaluations, methods=["GET"]),
            Route("/api/local/evaluate", self.evaluate_all, methods=["POST"]),
            Route("/api/local/alerts/{id}/hidden", self.hidden, methods=["PUT", "DELETE"]),
            Route("/api/local/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/api/local/faults/{id}", self.end_fault, methods=["DELETE"]),
            Route("/api/local/journal", self.journal, methods=["GET"]),
        ]

    async def evaluate_one(self, request: Request) -> JSONResponse:
        body = self._active(request.path_params["id"])
        evaluations = await run_in_threadpool(self._evaluate, [body])
        return JSONResponse(asdict(evaluations[0]))

    async def hidden(self, request: Request) -> JSONResponse:
        """PUT {"status": 403 or 404}: as if the alert was moved to a folder that the caller may not see, which asking for it answers so;
        DELETE: it is moved back."""
        alert_id = request.path_params["id"]
        if self._store.get(alert_id) is None:
            raise not_found(f"Alert with id {alert_id} does not exist")
        status = None if request.method == "DELETE" else (await json_body(request)).get("status")
        if request.method == "PUT" and status not in (403, 404):
            raise invalid(f"status: expected 403 or 404, got {status!r}")
        self._store.hide(alert_id, status)
        return JSONResponse({})

    async def evaluate_all(self, _: Request) -> JSONResponse:
        """Every active alert whose schedule is not paused, one after the other."""
        bodies = [body for _, body in self._store.page(0, self._store.count())]
        due = [body for body in bodies if value_at(body, "schedule.pause_status") != "PAUSED"]
        evaluations = await run_in_threadpool(self._evaluate, due)
        return JSONResponse({"evaluations": [asdict(evaluation) for evaluation in evaluations]})

    async def evaluations(self, request: Request) -> JSONResponse:
        alert_id = request.path_params["id"]
        if self._store.get(alert_id) is None:
            raise not_found(f"Alert with id {alert_id} does not exist")
        return JSONResponse({"evaluations": [asdict(entry) for entry in self._store.evaluations(alert_id)]})

    async def faults(self, request: Request) -> JSONResponse:
        match request.method:
            case "POST":
                return JSONResponse(self._faults.add(await json_body(request)))
            case "DELETE":
                return JSONResponse({"removed": self._faults.clear()})
            case _:
                return JSONResponse({"faults": self._faults.all()})

    async def end_fault(self, request: Request) -> JSONResponse:
        if not self._faults.clear(request.path_params["id"]):
            raise not_found(f"There is no fault rule {request.path_params['id']}")
        return JSONResponse({})

    async def journal(self, request: Request) -> JSONResponse:
        """?since=<no> for what came after that entry, ?writes=true for requests that change the workspace."""
        since, writes = request.query_params.get("since", "0"), request.query_params.get("writes", "false")
        if not since.isascii() or not since.isdigit():
            raise invalid(f"since: expected the number of an entry, got {since!r}")
        if writes not in ("true", "false"):
            raise invalid(f"writes: expected true or false, got {writes!r}")
        entries = self._journal.entries(since=int(since), writes_only=writes == "true")
        answer = [asdict(entry) for entry in entries]
        return JSONResponse({"requests": answer})

    def _active(self, alert_id: str) -> Body:
        body = self._store.get(alert_id)
        if body is None or body["lifecycle_state"] != "ACTIVE":
            raise not_found(f"Alert with id {alert_id} does not exist or is in the trash")
        return body

    def _evaluate(self, bodies: list[Body]) -> list[Evaluation]:
        return self._evaluator.store([self._evaluator.evaluate(body) for body in bodies])
