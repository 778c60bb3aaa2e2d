"""Where the local workspace server listens, in a file that only its owner can read: how its clients find it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alerting_assets.errors import WorkspaceUnavailable


def endpoint_file(workspace_root: Path) -> Path:
    return workspace_root / "endpoint.json"


@dataclass(frozen=True)
class Endpoint:
    """Where a local workspace server listens and the token that it asks for. address: http://127.0.0.1:<port>."""

    address: str
    token: str = field(repr=False)
    pid: int

    def write(self, workspace_root: Path) -> None:
        """Write the file atomically, so that others cannot read it, not even for a moment."""
        target = endpoint_file(workspace_root)
        temporary = target.with_suffix(f".{self.pid}.tmp")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        temporary.replace(target)

    @classmethod
    def read(cls, workspace_root: Path) -> Endpoint:
        """The endpoint that a server left below this folder. Raises WorkspaceUnavailable when there is none."""
        file = endpoint_file(workspace_root)
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise WorkspaceUnavailable(
                f"the local workspace is not running ({file} does not exist): run `alerting workspace serve`, "
                "or set ALERTING_WORKSPACE=databricks"
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise WorkspaceUnavailable(
                f"{file} cannot be read ({error}): stop the server and run `alerting workspace serve`"
            ) from error

    def remove(self, workspace_root: Path) -> None:
        """Remove the file if it is still ours: another server may have started meanwhile."""
        file = endpoint_file(workspace_root)
        try:
            if json.loads(file.read_text(encoding="utf-8")) == asdict(self):
                file.unlink()
        except FileNotFoundError:
            return
