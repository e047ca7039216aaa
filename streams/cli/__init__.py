"""The command line. One file a group of commands; ``main`` is the entry point."""

from streams.cli.main import main

__all__ = ["main"]
