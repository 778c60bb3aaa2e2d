"""Secret scopes in the store of the server, their values encrypted."""

from __future__ import annotations

import base64

from alerting_assets.workspace.local.store import Store
from alerting_assets.workspace.local.vault import Vault

SCOPES, SECRETS_IN_A_SCOPE = 1_000, 1_000
"""How many there may be, on Databricks and here."""


class NoSuchScope(Exception):
    pass


class ScopeTaken(Exception):
    pass


class TooManySecrets(Exception):
    """Or scopes."""


class SecretScopes:
    """Every method is one transaction; safe from several threads. Methods that name a scope raise NoSuchScope."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault

    def create(self, name: str) -> None:
        """Raises ScopeTaken, TooManySecrets."""
        with self._store.transaction() as db:
            if db.execute("SELECT 1 FROM secret_scopes WHERE name = ?", (name,)).fetchone():
                raise ScopeTaken
            if db.execute("SELECT count(*) FROM secret_scopes").fetchone()[0] >= SCOPES:
                raise TooManySecrets
            db.execute("INSERT INTO secret_scopes (name) VALUES (?)", (name,))

    def names(self) -> list[str]:
        with self._store.transaction() as db:
            return [row[0] for row in db.execute("SELECT name FROM secret_scopes ORDER BY name")]

    def drop(self, name: str) -> None:
        """Delete a scope with its secrets."""
        with self._store.transaction() as db:
            if not db.execute("DELETE FROM secret_scopes WHERE name = ?", (name,)).rowcount:
                raise NoSuchScope
            db.execute("DELETE FROM secrets WHERE scope = ?", (name,))

    def put(self, scope: str, key: str, value: bytes, *, now_ms: int) -> None:
        """Add or replace a secret. Raises TooManySecrets, SecretLost."""
        sealed = self._vault.seal(base64.b64encode(value).decode("ascii"))
        with self._store.transaction() as db:
            if not db.execute("SELECT 1 FROM secret_scopes WHERE name = ?", (scope,)).fetchone():
                raise NoSuchScope
            others = "SELECT count(*) FROM secrets WHERE scope = ? AND key <> ?"
            if db.execute(others, (scope, key)).fetchone()[0] >= SECRETS_IN_A_SCOPE:
                raise TooManySecrets
            db.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?)", (scope, key, sealed, now_ms))

    def get(self, scope: str, key: str) -> bytes | None:
        """None where there is no such secret. Raises SecretLost."""
        self._known(scope)
        with self._store.transaction() as db:
            row = db.execute("SELECT sealed FROM secrets WHERE scope = ? AND key = ?", (scope, key)).fetchone()
        return base64.b64decode(self._vault.open(row[0])) if row else None

    def keys(self, scope: str) -> list[tuple[str, int]]:
        """The keys of a scope, and when each was put, in milliseconds since 1970."""
        self._known(scope)
        with self._store.transaction() as db:
            query = "SELECT key, updated_at FROM secrets WHERE scope = ? ORDER BY key"
            return [(key, updated_at) for key, updated_at in db.execute(query, (scope,))]

    def remove(self, scope: str, key: str) -> bool:
        """Whether there was such a secret."""
        self._known(scope)
        with self._store.transaction() as db:
            return bool(db.execute("DELETE FROM secrets WHERE scope = ? AND key = ?", (scope, key)).rowcount)

    def _known(self, scope: str) -> None:
        if scope not in self.names():
            raise NoSuchScope
