"""What is secret about a destination: read where its reference says, sent, and remembered by a fingerprint only."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

from alerting_assets.alerts.destinations import EnvironmentVariable, ScopedSecret
from alerting_assets.errors import SettingsError
from alerting_assets.workspace.port import Workspace

_ROUNDS = 1_000
"""URLs and keys cannot be guessed; and three hundred of them are compared at each sync."""
_SHOWN = 8


class SecretReader:
    """Reads each secret once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[ScopedSecret, str] = {}

    def read(self, reference: EnvironmentVariable | ScopedSecret) -> str:
        """Raises SettingsError, which names the variable that is not set, and WorkspaceError."""
        if isinstance(reference, EnvironmentVariable):
            return read_variable(reference)
        if reference not in self._known:
            self._known[reference] = self._workspace.read_secret(reference.scope, reference.key).strip()
        return self._known[reference]


def read_variable(reference: EnvironmentVariable) -> str:
    """Raises SettingsError, which names the variable that is not set."""
    if value := (os.environ.get(reference.name) or "").strip():
        return value
    raise SettingsError(
        f"the environment variable {reference.name} is not set where this runs; set it, or name another one"
    )


def fingerprint(secret: str, salt: str | None = None) -> str:
    """`salt:digest`. Tells whether a secret changed, on any machine, and nobody can read the secret out of it."""
    salt = salt or secrets.token_hex(8)
    digest = hashlib.pbkdf2_hmac("sha256", secret.encode(), bytes.fromhex(salt), _ROUNDS)
    return f"{salt}:{digest.hex()[:32]}"


def is_of(stored: str | None, secret: str) -> bool:
    """Whether a stored fingerprint is that of this secret."""
    if not stored or ":" not in stored:
        return False
    return hmac.compare_digest(stored, fingerprint(secret, stored.partition(":")[0]))


def shown(stored: str | None) -> str:
    """What a plan shows of a fingerprint."""
    return f"…{stored[-_SHOWN:]}" if stored else "none"
