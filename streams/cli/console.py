"""Output of commands beside their result."""

import typer


def notice(line: str) -> None:
    """Print a line to standard error. Standard output is for what the command was asked for."""
    typer.echo(line, err=True)
