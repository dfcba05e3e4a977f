"""The command `guard`."""

from guard.cli.main import main

__all__ = ["main"]
