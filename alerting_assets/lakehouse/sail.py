"""Sail, a Spark Connect server, as a supervised child process on the loopback interface.

1. `python -m alerting_assets.lakehouse.sail` is the child: it prints its port and folder as one line of JSON and ends when its
   standard input ends or its parent is gone, so it never outlives a parent that was killed.
2. `Sail` hands out sessions: it starts a server at the first use, another one when the server died (a session that is lost
   this way is replaced once, which is safe because only reads go through it) and after `max_calls` calls, since a server
   grows by about 0.1 MB a call: its parser leaks with every SQL text, whatever that says, and nothing but a new process helps.
3. Sail cannot read paths that need URL encoding. The child's folder holds a link to the lakehouse root, and tables are
   registered through it; only the link's own path has to be plain.
4. It computes constants while it only analyses a query, and `sequence(1, 1000000000)` is one. The child may take a quarter of the
   machine's memory: what needs more ends it, which is the trouble of that query alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from alerting_assets.errors import LakehouseUnavailable, QueryError
from alerting_assets.lakehouse.pyspark_import import load_pyspark
from alerting_assets.lakehouse.spark_errors import silence_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START_SECONDS = 60.0
MEMORY_SHARE, LEAST_MEMORY = 0.25, 2 * 1024**3
"""The share of the machine's memory that the child may take, and the least number of bytes. Below one GB of address space it does
not start."""
SESSION_SECONDS = 365 * 24 * 3600
RESERVED_CATALOG = "system"
"""The name of Sail's own catalog, which takes no other tables."""

Result = TypeVar("Result")


class SailServer:
    """One child process and the session on it. `lock` guards what is registered in that session."""

    def __init__(self, root: Path, catalog: str, schema: str) -> None:
        self.pid = os.getpid()
        self.calls = 0
        self.users = 0
        self.retired = False
        self.lock = threading.RLock()
        self._process = _start(root, catalog, schema)
        started = _read_start(self._process)
        self.folder = Path(started["folder"])
        self.session = _connect(started["port"])
        self._finalizer = weakref.finalize(self, _stop, self.session, self._process, self.folder.parent, self.pid)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def is_lost(self, error: Exception) -> bool:
        """Whether the error says that the server or the session is gone, rather than that the query is wrong."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # a killed process may still be on its way out
            if "StatusCode." in str(error):
                self._process.wait(timeout=1.0)
        return self._process.poll() is not None or ("session" in str(error) and "is not running" in str(error))

    def stop_overdue(self, overdue: threading.Event) -> None:
        overdue.set()
        self._process.kill()

    def close(self) -> None:
        self._finalizer()


class Watchdog:
    """Calls `act` when the block that it limits takes longer than its seconds.

    It is one thread, alive while there is something to limit. A `threading.Timer` for each call would start a thread for each,
    which takes about as long as the call."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limits: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def limit(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        key = object()
        until = time.monotonic() + seconds
        with self._changed:
            self._limits[key] = (until, act)
            if self._thread is None or not self._thread.is_alive():  # a fork takes no threads along
                self._thread = threading.Thread(target=self._watch, name="sail-watchdog", daemon=True)
                self._wakes_at = until
                self._thread.start()
            elif until < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._limits.pop(key, None)

    def _watch(self) -> None:
        with self._changed:
            while self._limits:
                now = time.monotonic()
                for key, (until, act) in list(self._limits.items()):
                    if until <= now:
                        del self._limits[key]
                        act()
                self._wakes_at = min((until for until, _ in self._limits.values()), default=now)
                self._changed.wait(max(0.0, self._wakes_at - now))
            self._thread = None


class Sail:
    """Runs work on a living session, in which `prepare` has registered the tables. Thread-safe; several threads share one session."""

    def __init__(
        self,
        root: Path,
        catalog: str,
        schema: str,
        prepare: Callable[[SailServer], None],
        max_calls: int,
        query_seconds: float,
    ) -> None:
        self._arguments = (root, catalog, schema)
        self._prepare = prepare
        self._max_calls, self._query_seconds = max_calls, query_seconds
        self._lock = threading.Lock()
        self._server: SailServer | None = None
        self._watchdog = Watchdog()

    def run(self, work: Callable[[SailServer], Result], seconds: float | None = None) -> Result:
        """Run `work` on a server. It must be safe to repeat: it is run again, once, when the server is lost under it.

        Work that takes longer than `seconds` (None: `query_seconds`) ends in a QueryError. Sail cannot be told to stop a query, so
        the server is stopped; the work of other threads on it is run again."""
        load_pyspark()
        from pyspark.errors import PySparkException

        seconds = self._query_seconds if seconds is None else seconds
        for last_attempt in (False, True):
            server = self._acquire()
            overdue = threading.Event()
            try:
                with self._watchdog.limit(seconds, partial(server.stop_overdue, overdue)):
                    return work(server)
            except PySparkException as error:
                lost = server.is_lost(error)
                server.retired = server.retired or lost
                if overdue.is_set():
                    raise QueryError.timed_out(seconds) from error
                if last_attempt or not lost:
                    raise
            finally:
                self._release(server)
        raise AssertionError("unreachable")

    @property
    def process_id(self) -> int | None:
        return self._server.process_id if self._server else None

    def close(self) -> None:
        with self._lock:
            server, self._server = self._server, None
        if server is not None and server.pid == os.getpid():
            server.close()

    def _acquire(self) -> SailServer:
        with self._lock:
            server = self._server
            if server is None or server.retired or server.calls >= self._max_calls or server.pid != os.getpid():
                if server is not None:
                    self._retire(server)
                server = SailServer(*self._arguments)
                try:
                    self._prepare(server)
                except BaseException:
                    server.close()
                    raise
                self._server = server
            server.calls += 1
            server.users += 1
            return server

    def _release(self, server: SailServer) -> None:
        with self._lock:
            server.users -= 1
            if server.retired:
                self._retire(server)

    def _retire(self, server: SailServer) -> None:
        """Close the server once its last user is done. A server that was inherited by a fork belongs to the parent process and is
        left alone."""
        server.retired = True
        if self._server is server:
            self._server = None
        if server.users == 0 and server.pid == os.getpid():
            server.close()


def _start(root: Path, catalog: str, schema: str) -> subprocess.Popen[str]:
    environment = dict(
        os.environ,
        TZ="UTC",
        RUST_LOG="off",
        RUST_BACKTRACE="0",
        SAIL_SPARK__SESSION_TIMEOUT_SECS=str(SESSION_SECONDS),
        SAIL_CATALOG__LIST=f'[{{type="memory", name="{catalog}", initial_database=["{schema}"]}}]',
        SAIL_CATALOG__DEFAULT_CATALOG=f'"{catalog}"',
        SAIL_CATALOG__DEFAULT_DATABASE=f'["{schema}"]',
    )
    return subprocess.Popen(
        [sys.executable, "-m", "alerting_assets.lakehouse.sail", str(os.getpid()), str(root)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the parent, which may still be finishing its work
    )


def _read_start(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.wait()
        reason = (process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
        raise LakehouseUnavailable(f"the SQL engine (Sail) did not start within {START_SECONDS:.0f} seconds: {reason}")
    process.stderr.close()
    process.stdout.close()
    return dict(json.loads(line))


def _connect(port: int) -> SparkSession:
    load_pyspark()
    from pyspark.sql import SparkSession

    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    silence_client()
    session.client.set_retry_policies([])  # the default goes on for ten minutes against a server that died
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def _stop(session: SparkSession, process: subprocess.Popen[str], folder: Path, owner: int) -> None:
    if os.getpid() != owner:
        return
    if process.poll() is None:
        session.stop()  # before the server stops, or the interpreter hangs at its exit
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)  # the child removes it itself unless it was killed


def _serve(parent: int, root: str) -> None:
    from pysail.spark import SparkConnectServer

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _limit_memory()
    with tempfile.TemporaryDirectory(prefix="alerting-sail-") as folder:
        os.symlink(root, os.path.join(folder, "root"))
        server = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        address = server.listening_address
        assert address is not None
        print(json.dumps({"port": address[1], "folder": os.path.join(folder, "root")}), flush=True)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # the parent reads no further; a panic's stack trace must not meet a closed pipe
            os.dup2(nowhere, stream)
        # The pipe may be held open by a process that the parent forked: watch the parent too.
        while os.getppid() == parent and not select.select([sys.stdin], [], [], 2.0)[0]:
            pass


def _limit_memory() -> None:
    """Limit the memory of this process. Linux heeds the limit; macOS takes it and does nothing."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = max(int(memory * MEMORY_SHARE), LEAST_MEMORY)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    try:
        _serve(int(sys.argv[1]), sys.argv[2])
    finally:
        sys.stderr.flush()
        os._exit(0)  # a running query would hold up an ordinary exit
