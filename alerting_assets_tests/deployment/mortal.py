"""A sync whose process dies: from its n-th call of a port on it does nothing more, and writes nothing back, as after SIGKILL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.workspace.port import RemoteAlert, RemoteDestination, Request, Workspace

Result = TypeVar("Result")


class Killed(BaseException):
    """No Exception: nothing that handles errors may see it."""


class Life:
    """ends_at: the call, counted from 1, at which it ends; None: it does not. after: whether that call is still carried out; its
    answer is lost in any case."""

    def __init__(self, ends_at: int | None = None, *, after: bool = False) -> None:
        self._ends_at, self._after = ends_at, after
        self._lock = threading.Lock()
        self._calls = 0
        self.has_ended = False

    def call(self, work: Callable[[], Result]) -> Result:
        with self._lock:
            if self.has_ended:
                raise Killed
            self._calls += 1
            if self._calls == self._ends_at:
                self.has_ended = True
                if not self._after:
                    raise Killed
        answer = work()
        if self.has_ended:
            raise Killed
        return answer


class MortalWorkspace:
    """A workspace as that process reaches it: every request is a call."""

    def __init__(self, workspace: Workspace, life: Life) -> None:
        self._workspace, self._life = workspace, life

    @property
    def host(self) -> str:
        return self._workspace.host

    @property
    def reads(self) -> int:
        return self._workspace.reads

    @property
    def writes(self) -> int:
        return self._workspace.writes

    @property
    def retries(self) -> int:
        return self._workspace.retries

    @property
    def requests(self) -> tuple[Request, ...]:
        return self._workspace.requests

    def list_alerts(self) -> list[RemoteAlert]:
        return self._life.call(self._workspace.list_alerts)

    def get_alert(self, alert_id: str) -> RemoteAlert:
        return self._life.call(lambda: self._workspace.get_alert(alert_id))

    def create_alert(self, body: dict[str, Any]) -> RemoteAlert:
        return self._life.call(lambda: self._workspace.create_alert(body))

    def update_alert(self, alert_id: str, body: dict[str, Any], update_mask: Sequence[str]) -> RemoteAlert:
        return self._life.call(lambda: self._workspace.update_alert(alert_id, body, update_mask))

    def trash_alert(self, alert_id: str) -> None:
        self._life.call(lambda: self._workspace.trash_alert(alert_id))

    def list_destinations(self) -> list[RemoteDestination]:
        return self._life.call(self._workspace.list_destinations)

    def get_destination(self, destination_id: str) -> RemoteDestination:
        return self._life.call(lambda: self._workspace.get_destination(destination_id))

    def create_destination(self, body: dict[str, Any]) -> RemoteDestination:
        return self._life.call(lambda: self._workspace.create_destination(body))

    def update_destination(self, destination_id: str, body: dict[str, Any]) -> RemoteDestination:
        return self._life.call(lambda: self._workspace.update_destination(destination_id, body))

    def delete_destination(self, destination_id: str) -> None:
        self._life.call(lambda: self._workspace.delete_destination(destination_id))

    def read_secret(self, scope: str, key: str) -> str:
        return self._life.call(lambda: self._workspace.read_secret(scope, key))

    def stop(self) -> None:
        """The client dies with its process; the one underneath is the test's, and goes on."""

    def alert_url(self, alert_id: str) -> str:
        return self._workspace.alert_url(alert_id)


class MortalLakehouse:
    """A lakehouse as that process reaches it: every write is a call."""

    def __init__(self, lakehouse: Lakehouse, life: Life) -> None:
        self._lakehouse, self._life = lakehouse, life

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._lakehouse, name)
        if name not in ("append", "merge", "delete", "create_table", "create_view"):
            return method
        return lambda *arguments, **options: self._life.call(lambda: method(*arguments, **options))
