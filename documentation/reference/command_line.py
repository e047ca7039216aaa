"""The commands, from the application that runs them."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import typer

from documentation.reference.markdown import GENERATED, cell, code, table
from streams.cli.main import app

_SHARED = ("config", "assignments", "state_dir", "broker")
"""Parameters of most commands, which are described once."""
_INTRODUCTION = """\
# Commands

Every command has `-h`. Options can stand before and after arguments. `backstream -v COMMAND` logs
more, to standard error.

| exit code | |
| --- | --- |
| 0 | All was done. |
| 1 | It failed, or nothing was there to be done. |
| 2 | Wrong usage. |
| 3 | A part was done. The last line counts what was left out, such as files that cannot be read. |
| 130 | After Ctrl-C. |

What else a command returns stands with it.

What shows a stream at work starts nothing; what reads or writes the topics starts Kafka where none
runs, for as long as it runs: [which command does what](../settings.md#which-commands-start-kafka).

"""


def page() -> str:
    """The page of all commands."""
    commands = dict(_commands(typer.main.get_command(app)))
    shared = {p.name: p for command in commands.values() for p in _options(command)}
    parts = [
        GENERATED,
        _INTRODUCTION,
        table(
            ("command", "what it does"),
            (
                (f"[`{name}`](#{anchor(name)})", cell(_summary(command)))
                for name, command in commands.items()
            ),
        ),
        "\n## Options of most commands\n\n",
        _table_of([shared[name] for name in _SHARED if name in shared]),
        "\nFlags override `-s`, the environment and a file: [settings](../settings.md#sources).\n",
    ]
    parts += [_section(name, command) for name, command in commands.items()]
    return "".join(parts)


def anchor(name: str) -> str:
    """The anchor of a command's heading."""
    return f"backstream-{name.replace(' ', '-')}"


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.opts and p.opts[0].startswith("-") and not p.hidden]


def _summary(command: Any) -> str:
    return str(command.help or "").partition("\n\n")[0]


def _section(name: str, command: Any) -> str:
    options = _options(command)
    arguments = [p for p in command.params if p not in options and not p.hidden]
    own = [p for p in options if p.name not in _SHARED]
    shared = [p for p in options if p.name in _SHARED]
    usage = ["backstream", name, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
    parts = [f"\n## backstream {name}\n", f"\n{_prose(command.help or '')}\n"]
    parts.append(f"\n```text\n{' '.join(usage)}\n```\n")
    if arguments:
        parts.append("\n" + _table_of(arguments, "argument"))
    if own:
        parts.append("\n" + _table_of(own))
    if shared:
        flags = ", ".join(code(p.opts[0]) for p in shared)
        parts.append(f"\nAlso {flags} ([shared](#options-of-most-commands)).\n")
    return "".join(parts)


def _prose(text: str) -> str:
    """Help as Markdown: typer marks the paragraphs whose lines it keeps with a backspace."""
    return text.replace("\b\n", "").replace("\b", "").replace("<", "&lt;").strip()


def _usage(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _table_of(parameters: list[Any], kind: str = "option") -> str:
    rows = ((_name(p), _value(p), cell(p.help or "") + _default(p)) for p in parameters)
    return table((kind, "value", "meaning"), rows)


def _name(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if not names[0].startswith("-"):
        return code(str(parameter.metavar or parameter.name.upper()))
    return ", ".join(map(code, names))


def _value(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar:
        return code(str(parameter.metavar))
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) in (list, tuple):
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, str) and hasattr(kind, "__members__"):
        return ", ".join(code(str(choice.value)) for choice in kind)  # type: ignore[attr-defined]
    words = {"int": "number", "float": "number", "Path": "path", "str": "text"}
    return words.get(getattr(kind, "__name__", ""), "text")


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return " Required." if parameter.opts[0].startswith("-") else ""
    if value is None or value is False or value == () or value == [] or not parameter.show_default:
        return ""
    if callable(value):
        return ""
    shown = {True: "on"}.get(value, value) if isinstance(value, bool) else value
    return f" Default: {code(str(getattr(shown, 'value', shown)))}."
