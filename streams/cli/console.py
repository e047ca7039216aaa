"""Output of commands beside their result."""

import typer


def notice(line: str) -> None:
    """Print a line to standard error. Standard output is for what the command was asked for."""
    typer.echo(line, err=True)


def printable(text: str) -> str:
    """Text of a record or header on one line, without characters that steer a terminal."""
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )
