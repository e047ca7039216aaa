"""Output of commands beside their result."""

import json
from collections.abc import Mapping
from typing import Any

import typer


def notice(line: str) -> None:
    """Print a line to standard error. Standard output is for what the command was asked for."""
    typer.echo(line, err=True)


def print_event(event: Mapping[str, Any]) -> None:
    """Print what a process does, as a JSON line."""
    print(json.dumps(event), flush=True)


def printable(text: str) -> str:
    """Text of a record or header on one line, without characters that steer a terminal."""
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )
