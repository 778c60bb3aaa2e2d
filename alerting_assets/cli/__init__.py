"""The `alerting` command: the same rooms as the graph uses, from a terminal."""

from alerting_assets.cli.app import main

__all__ = ["main"]
