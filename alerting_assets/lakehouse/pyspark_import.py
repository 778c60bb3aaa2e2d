"""pyspark, imported by one thread at a time.

Its packages import each other in circles. Python lets two threads that begin at different ends of such a circle go on with halves of
modules, so one of them fails with an ImportError, now and then."""

from __future__ import annotations

import importlib
import threading

_MODULES = ("pyspark.sql", "pyspark.errors", "pyspark.sql.connect.dataframe", "pyspark.sql.connect.plan")
_lock = threading.Lock()
_is_loaded = False


def load_pyspark() -> None:
    """Import what the engines use of pyspark. To be called before the first import from it, wherever several threads may be."""
    global _is_loaded
    if _is_loaded:
        return
    with _lock:
        for name in _MODULES:
            importlib.import_module(name)
        _is_loaded = True
