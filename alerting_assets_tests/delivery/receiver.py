"""A receiver of webhooks that does as a test says: an HTTP server on a port of its own, with everything that can go wrong."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """number: how many came before it."""

    number: int
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def delivery_id(self) -> str:
        return self.headers["X-Delivery-Id"]


@dataclass(frozen=True)
class Reply:
    """seconds: how long it takes. reset: the connection is reset. closed: it is closed without an answer.
    drip: seconds between two bytes of the body."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reset: bool = False
    closed: bool = False
    drip: float = 0.0


OK = Reply()
Answer = Callable[[Request], Reply]


class Receiver:
    def __init__(self, answer: Answer | Reply = OK, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Answer | Reply = answer
        self.requests: list[Request] = []
        self.most_at_a_time = 0
        self.stopped = threading.Event()
        self._now = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                pass  # senders that hang up are what is tested

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def delivery_ids(self) -> list[str]:
        return [request.delivery_id for request in list(self.requests)]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        body = handler.rfile.read(length)
        if len(body) < length:  # the sender died in the middle: that is no request
            handler.close_connection = True
            return
        with self._lock:
            request = Request(len(self.requests), handler.path, dict(handler.headers.items()), body)
            self.requests.append(request)
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
        try:
            reply = self.answer if isinstance(self.answer, Reply) else self.answer(request)
            self.stopped.wait(reply.seconds)
        finally:
            with self._lock:
                self._now -= 1
        handler.close_connection = True
        if reply.reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
        if reply.reset or reply.closed:
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        if not reply.drip:
            handler.wfile.write(reply.body)
            return
        for byte in reply.body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self.stopped.wait(reply.drip):
                return


@contextmanager
def receiving(answer: Answer | Reply = OK, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(answer, tls=tls)
    try:
        yield receiver
    finally:
        receiver.close()


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until it is true; an error when it is not after so long, which is far more than it takes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "still not true"
        time.sleep(0.01)
