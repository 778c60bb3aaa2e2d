"""An inbox for people who try it out: a mail server and a webhook receiver on loopback that show what arrives and keep it in memory."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alerting_assets.delivery import Security, SmtpSettings
from alerting_assets.errors import SettingsError

DEFAULT_SMTP_PORT, DEFAULT_HTTP_PORT = 8025, 8026
_FILE = "inbox.json"
_LONGEST_BODY = 1_000_000


@dataclass(frozen=True)
class Received:
    """way: mail, webhook. to: the recipients, or the path that was posted to. subject: of a mail, or of one of our documents. text: what
    people read of it."""

    way: str
    to: str
    subject: str
    text: str
    delivery_id: str = ""
    document: Any = field(default=None, repr=False)


class Inbox:
    """A context manager. on_received: told of each message. Ports: 0 takes any free one."""

    def __init__(
        self,
        workspace_root: Path,
        on_received: Callable[[Received], None],
        *,
        smtp_port: int = DEFAULT_SMTP_PORT,
        http_port: int = DEFAULT_HTTP_PORT,
    ) -> None:
        self._root, self._on_received = workspace_root, on_received
        self._smtp_port, self._http_port = smtp_port, http_port
        self._smtp: Any = None
        self._http: ThreadingHTTPServer | None = None

    @property
    def http_address(self) -> str:
        assert self._http is not None
        return f"http://127.0.0.1:{self._http.server_address[1]}/"

    @property
    def smtp_address(self) -> str:
        return f"127.0.0.1:{self._smtp_port}"

    def __enter__(self) -> Self:
        from aiosmtpd.controller import Controller

        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", self._http_port), _handler(self._on_received))
        except OSError as error:
            raise SettingsError(
                f"port {self._http_port} cannot be used ({error}); choose another with --http-port"
            ) from error
        threading.Thread(target=self._http.serve_forever, name="inbox", daemon=True).start()
        self._smtp_port = self._smtp_port or _free_port()  # the library cannot be asked which one it got
        self._smtp = Controller(_Mails(self._on_received), hostname="127.0.0.1", port=self._smtp_port)
        try:
            self._smtp.start()
        except OSError as error:
            self._http.shutdown()
            self._http.server_close()
            raise SettingsError(
                f"port {self._smtp_port} cannot be used ({error}); choose another with --smtp-port"
            ) from error
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._root / _FILE).write_text(json.dumps({"smtp_port": self._smtp_port, "pid": os.getpid()}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._root / _FILE).unlink(missing_ok=True)
        self._smtp.stop()
        assert self._http is not None
        self._http.shutdown()
        self._http.server_close()


def inbox_mail_server(workspace_root: Path) -> SmtpSettings | None:
    """The mail server of an inbox that runs for this workspace; None where none does."""
    try:
        told = json.loads((workspace_root / _FILE).read_text())
        os.kill(told["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return SmtpSettings("127.0.0.1", told["smtp_port"], security=Security.NONE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Mails:
    def __init__(self, on_received: Callable[[Received], None]) -> None:
        self._on_received = on_received

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        part = mail.get_body(("plain", "html"))
        text = part.get_content() if part is not None else ""
        to, identity = ", ".join(envelope.rcpt_tos), str(mail["X-Delivery-Id"] or "")
        self._on_received(Received("mail", to, str(mail["Subject"] or ""), text.strip(), identity, mail))
        return "250 OK"


def _subject_of(document: Any) -> str:
    """Of a document of ours, whatever kind of receiver it is for; empty where it is another one."""
    match document:
        case {"event": {"subject": str(subject)}} | {"payload": {"summary": str(subject)}}:
            return subject
        case {"blocks": [{"type": "header", "text": {"text": str(subject)}}, *_]}:
            return subject
        case {"attachments": [{"content": {"body": [{"text": str(subject)}, *_]}}]}:
            return subject
    return ""


def _handler(on_received: Callable[[Received], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _LONGEST_BODY)
            text = self.rfile.read(length).decode("utf-8", "replace")
            try:
                document = json.loads(text)
                text = json.dumps(document, indent=2, ensure_ascii=False)
            except ValueError:
                document = None
            identity = self.headers.get("X-Delivery-Id") or ""
            on_received(Received("webhook", self.path, _subject_of(document), text, identity, document))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
