"""A server that knows nothing but alerts, notification destinations and secrets, and answers them with what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KNOWN = ("/api/2.0/alerts", "/api/2.0/notification-destinations", "/api/2.0/secrets")
Answer = tuple[int, dict[str, str], str]


class _Http(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class BareServer:
    """Answers what it knows with what `respond` says, everything else with 404; remembers the requests and counts the
    connections."""

    def __init__(self, respond: Callable[[str, str], Answer | None]) -> None:
        self.seen: list[str] = []
        self.headers: list[Message] = []
        self.bodies: list[bytes] = []
        """Of each of `seen`, both."""
        self.connections = 0
        bare = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                bare.connections += 1

            def handle_request(self) -> None:
                bare.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                bare.seen.append(f"{self.command} {self.path}")
                bare.headers.append(self.headers)
                answer = respond(self.command, self.path) if self.path.startswith(KNOWN) else (404, {}, "{}")
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PATCH = do_DELETE = handle_request

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = _Http(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@contextmanager
def bare_server(respond: Callable[[str, str], Answer | None]) -> Iterator[BareServer]:
    server = BareServer(respond)
    Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()


def ok(body: Any) -> Answer:
    return 200, {}, json.dumps(body)
