"""One POST, over real sockets, with everything that can come back."""

from __future__ import annotations

import base64
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alerting_assets.delivery import Http
from alerting_assets.delivery.http import PinnedConnection, retry_after
from alerting_assets.errors import DeliveryDelayed, DeliveryRefused
from alerting_assets_tests.delivery.examples import NOW, webhook
from alerting_assets_tests.delivery.receiver import Receiver, Reply, receiving

pytestmark = pytest.mark.integration

SECRET = "kYsEcReT123456"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def post(
    receiver: Receiver, http: Http | None = None, *, path: str = f"/hooks/{SECRET}?sig={SECRET}", body: bytes = b"{}"
) -> str:
    url = receiver.url + path
    return (http or Http(read_seconds=30)).post(url, body, webhook(url), "d1", NOW)


def failure(receiver: Receiver, http: Http | None = None) -> DeliveryDelayed | DeliveryRefused:
    with pytest.raises((DeliveryDelayed, DeliveryRefused)) as raised:
        post(receiver, http)
    error = raised.value
    assert str(error).startswith(f"destination w (the hook) at {receiver.url.rpartition(':')[0]}: ")
    assert SECRET not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    return error


def test_what_arrives(receiver: Receiver) -> None:
    assert post(receiver, body='{"a": "ü"}'.encode()) == "HTTP 200: ok"
    (request,) = receiver.requests
    assert request.path == f"/hooks/{SECRET}?sig={SECRET}"
    assert request.body.decode() == '{"a": "ü"}'
    assert request.headers["Idempotency-Key"] == request.headers["X-Delivery-Id"] == "d1"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["Host"] == f"localhost:{receiver.port}"
    assert "Authorization" not in request.headers


def test_name_and_password(receiver: Receiver) -> None:
    Http().post(receiver.url, b"{}", webhook(receiver.url, username="ann", password="pä:ss"), "d1", NOW)
    url = receiver.url.replace("localhost", "bob:p%40ss@localhost")
    Http().post(url, b"{}", webhook(url), "d1", NOW)
    sent = [
        base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        for request in receiver.requests
    ]
    assert sent == ["ann:pä:ss", "bob:p@ss"]
    assert receiver.requests[0].path == "/"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_answers_that_mean_sent(receiver: Receiver, status: int) -> None:
    receiver.answer = Reply(status, b"")
    assert post(receiver) == f"HTTP {status}"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_answers_that_delay(receiver: Receiver, status: int) -> None:
    receiver.answer = Reply(status, b"later", {"Retry-After": "7"})
    error = failure(receiver)
    assert isinstance(error, DeliveryDelayed)
    assert error.retry_after == 7
    assert f"HTTP {status}: later" in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_answers_that_refuse(receiver: Receiver, status: int) -> None:
    receiver.answer = Reply(status, f"no such hook: {SECRET}\n{'x' * 100_000}".encode())
    error = failure(receiver)
    assert isinstance(error, DeliveryRefused)
    assert f"HTTP {status}: no such hook: ***" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    with receiving() as elsewhere:
        receiver.answer = Reply(status, headers={"Location": f"{elsewhere.url}/{SECRET}"})
        error = failure(receiver)
        assert isinstance(error, DeliveryRefused)
        assert "a redirect, which is not followed" in str(error)
        assert not elsewhere.requests


@pytest.mark.parametrize("reply", [Reply(reset=True), Reply(closed=True)])
def test_a_connection_that_ends_early_delays(receiver: Receiver, reply: Reply) -> None:
    receiver.answer = reply
    assert isinstance(failure(receiver), DeliveryDelayed)


def test_no_answer_delays(receiver: Receiver) -> None:
    receiver.answer = Reply(seconds=600)
    error = failure(receiver, Http(read_seconds=0.3))
    assert isinstance(error, DeliveryDelayed)
    assert "no answer in time" in str(error)


def test_an_answer_that_drips_is_cut_off_and_its_status_counts(receiver: Receiver) -> None:
    receiver.answer = Reply(200, b"x" * 60_000, drip=0.05)
    assert post(receiver, Http(total_seconds=1.0)).startswith("HTTP 200")
    receiver.answer = Reply(500, b"x" * 60_000, drip=0.05)
    assert isinstance(failure(receiver, Http(total_seconds=1.0)), DeliveryDelayed)


def test_an_answer_that_never_gets_to_its_status_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 ")
                try:
                    while not over.wait(0.05):
                        connection.sendall(b"0")
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/"
        with pytest.raises(DeliveryDelayed, match="no answer in time"):
            Http(total_seconds=1.0).post(url, b"{}", webhook(url), "d1", NOW)
        over.set()


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://localhost:{taken.getsockname()[1]}/{SECRET}"
        with pytest.raises(DeliveryDelayed, match="connection refused"):
            Http().post(url, b"{}", webhook(url), "d1", NOW)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/",
        "file:///etc/passwd",
        "localhost/x",
        "http://",
        "http://localhost:99999/",
        "http://[::1/",
        "",
        "http://a b/",
        f"http://{'a' * 70}.example.com/",
        "http://local\x00host/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(DeliveryRefused):
        Http().post(url, b"{}", webhook(url), "d1", NOW)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xA9FEA9FE", "[::ffff:a9fe:a9fe]", "[fe80::1]", "0.0.0.0"]
)
def test_addresses_that_are_not_allowed_are_refused(host: str) -> None:
    url = f"http://{host}/latest/{SECRET}"
    with pytest.raises(DeliveryRefused, match="unless the host is allowed by name") as raised:
        Http().post(url, b"{}", webhook(url), "d1", NOW)
    assert SECRET not in str(raised.value)


def test_a_message_that_is_too_long_is_refused(receiver: Receiver) -> None:
    with pytest.raises(DeliveryRefused, match="more than 262144"):
        post(receiver, body=b"x" * (256 * 1024 + 1))
    assert not receiver.requests


def test_the_connection_is_made_to_the_address_that_was_judged(receiver: Receiver) -> None:
    """Whatever the name resolves to when the connection is made: this one resolves to nothing."""
    connection = PinnedConnection("name.invalid", 80, [(socket.AF_INET, ("127.0.0.1", receiver.port))], 5, 30)
    connection.request("POST", "/", b"{}")
    assert connection.getresponse().status == 200
    connection.close()
    assert receiver.requests[0].headers["Host"] == "name.invalid"


def test_another_address_is_tried_where_one_does_not_answer(receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        addresses = [(socket.AF_INET, ("127.0.0.1", port)) for port in (taken.getsockname()[1], receiver.port)]
        connection = PinnedConnection("name.invalid", 80, addresses, 5, 30)
        connection.request("POST", "/", b"{}")
        assert connection.getresponse().status == 200
        connection.close()


def test_nothing_is_written_to_any_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        post(receiver)
        receiver.answer = Reply(500)
        failure(receiver)
    assert SECRET not in caplog.text


def authority(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a name that signs itself, as a file for clients that trust it, and what a server needs to show it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = folder / f"{name}-key.pem"
    plain = serialization.NoEncryption()
    both.write_bytes(
        file.read_bytes() + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return file, context


def test_certificates_are_verified(tmp_path: Path) -> None:
    file, tls = authority(tmp_path, "localhost")
    with receiving(tls=tls) as receiver:
        error = failure(receiver)
        assert isinstance(error, DeliveryDelayed)
        assert "its certificate is not trusted" in str(error)
        assert not receiver.requests
        assert post(receiver, Http(ca_file=file)) == "HTTP 200: ok"


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    file, tls = authority(tmp_path, "example.com")
    with receiving(tls=tls) as receiver:
        assert "its certificate is not trusted" in str(failure(receiver, Http(ca_file=file)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 0 ", 0),
        ("99999999999999999999", 3600),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW + timedelta(days=2), usegmt=True), 3600),
        (format_datetime(NOW - timedelta(days=2), usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
