"""What we use of the databricks-sdk: its configuration, which signs in, its HTTP client, and its errors.

Before Python imports any module of a package it runs the package's own body, and that of `databricks.sdk` imports every service:
half a second of CPU. Here the package is put in place as Python would do it, but for its body. That runs, once, when somebody asks
the package for a name that is none of its modules (`from databricks.sdk import WorkspaceClient`). The package and its modules are the
same objects before and after, so others in this process see no difference: Dagster's own Databricks library, or a user's code. A
package that was imported already stays as it is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

NAME = "databricks.sdk"
_turn = threading.RLock()
"""Held while the body runs: other threads wait for it. The one that runs it meets names that are not there yet."""


class _Package(ModuleType):
    """A package whose body did not run yet; a plain module once it did."""

    _runs = False

    def __getattr__(self, name: str) -> Any:
        """For names that are not there yet."""
        if find_spec(f"{NAME}.{name}"):
            return import_module(f"{NAME}.{name}")
        _run_body(self)
        return ModuleType.__getattribute__(self, name)

    def __dir__(self) -> Iterable[str]:
        _run_body(self)
        return ModuleType.__dir__(self)


def _run_body(package: ModuleType) -> None:
    with _turn:
        if type(package) is ModuleType or _Package._runs:
            return
        spec = package.__spec__
        assert spec is not None
        assert spec.loader is not None
        _Package._runs = True
        try:
            spec.loader.exec_module(package)
            package.__class__ = ModuleType
        finally:
            _Package._runs = False


def _put_in_place() -> None:
    spec = find_spec(NAME)  # imports `databricks`
    assert spec is not None
    package = module_from_spec(spec)
    package.__class__ = _Package
    sys.modules[NAME] = package
    sys.modules["databricks"].sdk = package  # type: ignore[attr-defined]


if NAME not in sys.modules:
    _put_in_place()

from databricks.sdk.clock import Clock  # noqa: E402
from databricks.sdk.core import ApiClient, Config  # noqa: E402
from databricks.sdk.errors import PermissionDenied  # noqa: E402
from databricks.sdk.errors.base import DatabricksError  # noqa: E402

__all__ = ["ApiClient", "Clock", "Config", "DatabricksError", "PermissionDenied"]
