"""Posting a JSON document, once. What came of it is told by returning, DeliveryDelayed, or DeliveryRefused:

| what came back                                     |                                                       |
|----------------------------------------------------|-------------------------------------------------------|
| 2xx                                                | sent                                                  |
| 408, 425, 429, 5xx                                 | delayed; Retry-After counts, an hour at the most      |
| no connection, time-out, the connection ended      | delayed                                               |
| 3xx                                                | refused: redirects are not followed                   |
| other 4xx, an address that is not allowed, no URL  | refused                                               |

It is the standard library's client, with a connection for each message: the more convenient ones write addresses, which are secrets
here, into their logs and errors.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Collection, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from alerting_assets.delivery.destination import Destination
from alerting_assets.delivery.safety import SocketAddress, resolve
from alerting_assets.delivery.texts import clean, cut, one_line
from alerting_assets.errors import DeliveryDelayed, DeliveryRefused

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 30.0
"""How long one exchange may take, however slowly its bytes come."""
LONGEST_BODY = 256 * 1024
LONGEST_RESPONSE = 64 * 1024
LONGEST_RETRY_AFTER = 3600.0
_SHOWN_OF_RESPONSE = 200
_DELAYING = frozenset({408, 425, 429})
_IN_A_PATH = "%/:=&?~#+!$,;'@()*[]"


class Http:
    """allowed_hosts: names of hosts whose addresses are not judged (safety.py). ca_file: certificates of authorities that are trusted
    beside the usual ones, PEM. Safe from several threads."""

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str] = (),
        ca_file: Path | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._allowed_hosts = tuple(allowed_hosts)
        self._ca_file = ca_file
        self._connect_seconds, self._read_seconds, self._total_seconds = connect_seconds, read_seconds, total_seconds
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def post(self, url: str, body: bytes, destination: Destination, delivery_id: str, now: datetime) -> str:
        """Send, and return what was answered, in short. now: what an HTTP date in Retry-After is measured from."""
        parts, port = _checked(url, destination)
        place = f"{destination} at {parts.scheme}://{parts.hostname}"
        if len(body) > LONGEST_BODY:
            raise DeliveryRefused(f"{place}: the message has {len(body)} bytes, more than {LONGEST_BODY}")
        with self._translated(place):
            addresses = resolve(parts.hostname or "", port, self._allowed_hosts)
            connection = PinnedConnection(
                parts.hostname or "", port, addresses, self._connect_seconds, self._read_seconds
            )
            connection.tls = self._context() if parts.scheme == "https" else None
            try:
                with connection.no_longer_than(self._total_seconds):
                    connection.request("POST", _target(parts), body, _headers(parts, destination, delivery_id))
                    response = connection.getresponse()
                    text = _text(response, destination)
            finally:
                connection.close()
        return _judge(response, text, place, now)

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = tls_context(self._ca_file)
            return self._tls

    @contextlib.contextmanager
    def _translated(self, place: str) -> Iterator[None]:
        """None of the library's texts is passed on: some hold the request's path."""
        try:
            yield
        except DeliveryRefused as error:
            raise DeliveryRefused(f"{place}: {error}") from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryDelayed(f"{place}: its certificate is not trusted ({error.verify_message})") from None
        except TimeoutError:
            raise DeliveryDelayed(f"{place}: no answer in time") from None
        except socket.gaierror:
            raise DeliveryDelayed(f"{place}: the name of the host cannot be resolved") from None
        except ConnectionRefusedError:
            raise DeliveryDelayed(f"{place}: connection refused") from None
        except http.client.InvalidURL:
            raise DeliveryRefused(f"{place}: its URL is not valid") from None
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryDelayed(f"{place}: the connection failed ({type(error).__name__})") from None


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Certificates are verified, by the authorities of the system, those that come with requests, and one's own."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class PinnedConnection(http.client.HTTPConnection):
    """A connection to one of the given addresses, never to what the name resolves to by then."""

    tls: ssl.SSLContext | None = None

    def __init__(
        self, host: str, port: int, addresses: list[SocketAddress], connect_seconds: float, read_seconds: float
    ) -> None:
        super().__init__(host, port)
        self._addresses, self._connect_seconds, self._read_seconds = addresses, connect_seconds, read_seconds
        self._over = threading.Event()
        self._connected: socket.socket | None = None

    def connect(self) -> None:
        failure: OSError = OSError("no address")
        for family, address in self._addresses:
            connected = socket.socket(family, socket.SOCK_STREAM)
            try:
                connected.settimeout(self._connect_seconds)
                connected.connect(address)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connected.settimeout(self._read_seconds)
                self.sock = self._connected = connected
                if self.tls is not None:
                    self.sock = self._connected = self.tls.wrap_socket(connected, server_hostname=self.host)
                return
            except OSError as error:
                connected.close()
                self.sock = None
                failure = error
                if isinstance(error, ssl.SSLError) or self._over.is_set():
                    break
        raise failure

    @contextlib.contextmanager
    def no_longer_than(self, seconds: float) -> Iterator[None]:
        """End the exchange after so many seconds: time-outs of the socket begin anew with each byte."""
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException):
            if self._over.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _end(self) -> None:
        self._over.set()
        if (connected := self._connected) is not None:  # `sock` is None already when an answer is read
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _checked(url: str, destination: Destination) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise DeliveryRefused(f"{destination}: its URL is not valid") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\x00-\x20\x7f]", parts.hostname):
        raise DeliveryRefused(f"{destination}: its URL must begin with https:// or http:// and name a host")
    return parts, port


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_IN_A_PATH)
    return f"{path}?{quote(parts.query, safe=_IN_A_PATH)}" if parts.query else path


def _headers(parts: SplitResult, destination: Destination, delivery_id: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json; charset=utf-8",  # without the charset Teams counts each character twice
        "User-Agent": "alerting_assets",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Idempotency-Key": delivery_id,
        "X-Delivery-Id": delivery_id,
    }
    username, password = destination.username, destination.password
    if not username and parts.username:
        username, password = unquote(parts.username), unquote(parts.password or "")
    if username:
        credentials = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    return headers


def _text(response: http.client.HTTPResponse, destination: Destination) -> str:
    """The beginning of the answer, without the destination's secrets. The status is what counts: an answer that breaks off has one, too."""
    try:
        content = response.read(LONGEST_RESPONSE)
    except (OSError, http.client.HTTPException):
        return ""
    return cut(one_line(destination.scrub(clean(content.decode("utf-8", "replace")))), _SHOWN_OF_RESPONSE)


def _judge(response: http.client.HTTPResponse, text: str, place: str, now: datetime) -> str:
    status = response.status
    answer = f"HTTP {status}{f': {text}' if text else ''}"
    if 200 <= status < 300:
        return answer
    if status in _DELAYING or status >= 500:
        raise DeliveryDelayed(f"{place}: {answer}", retry_after=retry_after(response.headers.get("Retry-After"), now))
    if 300 <= status < 400:
        raise DeliveryRefused(f"{place}: HTTP {status}, a redirect, which is not followed; give the final address")
    raise DeliveryRefused(f"{place}: {answer}")


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds to wait, an hour at the most; None where the header says nothing."""
    if header is None:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header[:9]), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=now.tzinfo)
    return min(max((date - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)
