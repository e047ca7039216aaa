"""What a wrong use of a command is told."""

from typing import Any

import typer
from typer.core import TyperGroup

_PREFIX = "Value error, "
"""What pydantic, with which typer reads options, puts before a message."""


class WrongUsage(typer.BadParameter):
    """Arguments and options that do not fit together. No single one of them has a wrong value."""

    def format_message(self) -> str:
        """The message alone."""
        return self.message


class Commands(TyperGroup):
    """All commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command. The messages of options have no word of the library that reads them."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(_PREFIX)
            raise
