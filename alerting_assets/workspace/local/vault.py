"""Secrets encrypted at rest, with a key in a file of its own that only its owner can read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from alerting_assets.errors import WorkspaceError

_AGAIN = "send the secret to the local workspace again"


class SecretLost(WorkspaceError):
    """What was encrypted cannot be decrypted, or nothing can be encrypted. The text says why and what to do; it holds no secret."""


class Vault:
    """The vault of one server. folder: where the key lies, in `secrets.key`; it is made when it is first needed. Thread-safe.

    The file is read each time: whoever takes the key away takes away what it opens."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "secrets.key"
        self._lock = threading.Lock()

    def seal(self, text: str) -> str:
        """The text, encrypted. Raises SecretLost when there is no key and none can be made."""
        with self._lock:
            key = self._key() or self._new_key()
        return key.encrypt(text.encode("utf-8", "surrogatepass")).decode("ascii")

    def open(self, sealed: str) -> str:
        """What `seal` was given. Raises SecretLost."""
        key = self._key()
        if key is None:
            raise SecretLost(f"the key of this secret is gone ({self._file} does not exist): {_AGAIN}")
        try:
            return key.decrypt(sealed).decode("utf-8", "surrogatepass")
        except InvalidToken:
            raise SecretLost(
                f"this secret was encrypted with another key than that in {self._file}: {_AGAIN}"
            ) from None

    def _key(self) -> Fernet | None:
        try:
            return Fernet(self._file.read_bytes().strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretLost(f"the key of the secrets cannot be read: {error}") from error
        except ValueError:
            raise SecretLost(f"{self._file} holds no key: remove it, and {_AGAIN}") from None

    def _new_key(self) -> Fernet:
        key = Fernet.generate_key()
        temporary = self._file.with_suffix(".tmp")
        try:
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())  # what it encrypts may be on the disk before it
            temporary.replace(self._file)
        except OSError as error:
            raise SecretLost(f"no key for secrets can be made: {error}") from error
        return Fernet(key)
