"""The command line.

``commands`` declares every command: its name, options and help. Its modules import only what
``--help`` needs; a command imports what it runs in its body. The other modules of this package are
parts of such bodies.
"""

from streams.cli.main import main

__all__ = ["main"]
