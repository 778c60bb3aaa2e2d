"""Runs the local workspace: a loopback socket, uvicorn, and endpoint.json for the clients."""

from __future__ import annotations

import http.client
import ipaddress
import os
import secrets
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from alerting_assets.errors import SettingsError, WorkspaceUnavailable
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local import SqlRunner, StatementRunner
from alerting_assets.workspace.local.app import create_app
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.evaluator import Evaluator, OnEvaluated
from alerting_assets.workspace.local.gate import connection
from alerting_assets.workspace.local.notifier import Delivering, Notifier
from alerting_assets.workspace.local.own_state import ReadOwnStates
from alerting_assets.workspace.local.rules import Clock, Rules, utc_now
from alerting_assets.workspace.local.scheduler import Scheduler
from alerting_assets.workspace.local.secret_scopes import SecretScopes
from alerting_assets.workspace.local.store import Evaluation, Store
from alerting_assets.workspace.local.vault import Vault

DEFAULT_PORT = 8765
_START_SECONDS = 15.0
_STOP_SECONDS = 15.0


class LocalWorkspaceServer:
    """A context manager that serves in a background thread until it is left, or stopped.

    port: None takes any free one.
    token: what clients must send; generated when None.
    statement_runner: lets statements be more than queries.
    statement_namespace: the catalog and the schema that `statement_runner` is in; statements that ask for others fail.
    evaluates: whether the alerts are evaluated on their own schedules, and not only when a request asks for it.
    on_evaluated: called with new evaluations after they were stored, whatever they were started by; what it raises is logged.
    own_states: what the product itself found out about the alerts; only the page shows it, beside what the workspace did.
    delivers: how those whom an evaluation notifies are told; None: they are not.

    Raises SettingsError for an address that is not loopback, for a port that is in use, and for state that cannot be kept or that
    another server uses."""

    def __init__(
        self,
        workspace_root: Path,
        sql_runner: SqlRunner,
        *,
        host: str = "127.0.0.1",
        port: int | None = DEFAULT_PORT,
        token: str | None = None,
        statement_runner: StatementRunner | None = None,
        statement_namespace: tuple[str, str] | None = None,
        rules: Rules | None = None,
        clock: Clock = utc_now,
        evaluates: bool = False,
        on_evaluated: OnEvaluated | None = None,
        own_states: ReadOwnStates | None = None,
        delivers: Delivering | None = None,
    ) -> None:
        self._root = workspace_root
        self._socket = _bind(host, port or 0)
        try:
            self._store = Store(workspace_root)
        except SettingsError:
            self._socket.close()
            raise
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{self._socket.getsockname()[1]}"
        self._endpoint = Endpoint(address, token or secrets.token_urlsafe(32), os.getpid())
        vault = Vault(workspace_root)
        self._destinations = Destinations(self._store, vault)
        self._notifier = None
        if delivers is not None:
            self._notifier = Notifier(self._store, self._destinations, workspace_root, address, clock, delivers)
        self._on_evaluated = on_evaluated
        evaluator = Evaluator(self._store, sql_runner, clock, self._evaluated)
        self._scheduler = Scheduler(self._store, evaluator, clock) if evaluates else None
        config = uvicorn.Config(
            create_app(
                self._store,
                sql_runner,
                self._endpoint.token,
                evaluator,
                self._destinations,
                SecretScopes(self._store, vault),
                statement_runner=statement_runner,
                statement_namespace=statement_namespace,
                rules=rules,
                clock=clock,
                own_states=own_states,
                notifier=self._notifier,
            ),
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config, on_listening=self._announce)
        self._thread = threading.Thread(target=self._run, name="local-workspace", daemon=True)

    @property
    def address(self) -> str:
        return self._endpoint.address

    @property
    def token(self) -> str:
        return self._endpoint.token

    @property
    def destinations(self) -> Destinations:
        """The notification destinations, for whoever delivers; only here can their secrets be read."""
        return self._destinations

    def __enter__(self) -> Self:
        if self._notifier is not None:
            self._notifier.catch_up()
        self._thread.start()
        if not self._server.listening.wait(_START_SECONDS):
            self.stop()
            raise WorkspaceUnavailable(f"the local workspace did not start within {_START_SECONDS:.0f} s")
        if self._notifier is not None:
            self._notifier.start()
        if self._scheduler is not None:
            self._scheduler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server. Requests and evaluations under way get a few seconds to end; stopping twice is no error."""
        if self._scheduler is not None:
            self._scheduler.stop()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        if self._notifier is not None:
            self._notifier.stop()

    def _evaluated(self, evaluations: Sequence[Evaluation]) -> None:
        """People are told whatever becomes of the records, and the other way round."""
        try:
            if self._notifier is not None:
                self._notifier.notify(evaluations)
        finally:
            if self._on_evaluated is not None:
                self._on_evaluated(evaluations)

    def wait(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Wait until the server ends, or SIGINT or SIGTERM comes, even where a parent process had these ignored. To be called from
        the main thread.

        on_ready: called once signals are heeded, so that whoever reads what it prints may send one at once."""
        asked = threading.Event()
        before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            on_ready()
            while self._thread.is_alive() and not asked.wait(0.5):
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._endpoint.remove(self._root)
            self._socket.close()
            self._store.close()

    def _announce(self) -> None:
        self._endpoint.write(self._root)


def running_address(workspace_root: Path) -> str | None:
    """The address of the server that endpoint.json names, if it runs and takes the token that stands there; None otherwise."""
    try:
        endpoint = Endpoint.read(workspace_root)
        request = urllib.request.Request(
            f"{endpoint.address}/api/2.0/preview/scim/v2/Me", headers={"Authorization": f"Bearer {endpoint.token}"}
        )
        with urllib.request.urlopen(request, timeout=2):
            return endpoint.address
    except (WorkspaceUnavailable, OSError, http.client.HTTPException):
        return None


class _Server(uvicorn.Server):  # type: ignore[misc]  # uvicorn is untyped for mypy here
    """A uvicorn server that says when it listens."""

    def __init__(self, config: uvicorn.Config, *, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_listening()
        self.listening.set()


class _Protocol(H11Protocol):  # type: ignore[misc]
    """An HTTP protocol that hands the connection to the application, which closes it when an answer is to get lost."""

    def data_received(self, data: bytes) -> None:
        connection.set(self.transport)
        super().data_received(data)


def _bind(host: str, port: int) -> socket.socket:
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise SettingsError(
            f"--host {host}: the local workspace listens on this machine only; use 127.0.0.1, ::1 or localhost"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((name, port))
        listener.listen(128)  # at once, so that a second server on this port fails here and not later
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(f"port {port} on {host} cannot be used ({error}); choose another with --port") from error
    return listener
