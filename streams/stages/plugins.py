"""Agents of other packages: entry points of ``backstream.agents`` that the settings name.

A package that is installed changes nothing: an agent runs where the settings have its section,
``agents.NAME``. Only those are imported.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, ValidationError

from agents.plugin import READABLE, Filter, Generator
from schemas.errors import SettingsError

GROUP = "backstream.agents"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


@dataclass(frozen=True, slots=True)
class PluggedAgent:
    """An agent of another package, with its settings."""

    name: str
    """Of its entry point, and of the stage of a generator."""
    package: str
    version: str
    plugin: Generator | Filter
    settings: BaseModel


def load_agents(
    sections: Mapping[str, Mapping[str, Any]], stages: Mapping[str, type]
) -> tuple[PluggedAgent, ...]:
    """Import the agents that the settings name.

    ``stages`` are the project's own stages, with the records that they read. Raises SettingsError,
    which names every agent that cannot be used.
    """
    if not sections:
        return ()
    loaded, faults = load_each(sections, stages)
    if faults:
        raise SettingsError("; ".join(faults))
    return loaded


def load_each(
    sections: Mapping[str, Mapping[str, Any]], stages: Mapping[str, type]
) -> tuple[tuple[PluggedAgent, ...], list[str]]:
    """The agents that can be used, and why the others cannot."""
    installed, loaded, faults = installed_agents(), [], []
    for name, section in sections.items():
        try:
            loaded.append(_load(name, section, installed.get(name, []), stages))
        except SettingsError as error:
            faults.append(str(error))
    replaced = [each.plugin.replaces for each in loaded if isinstance(each.plugin, Generator)]
    faults += [
        f"several agents replace the stage {stage}: name one of them under agents"
        for stage in sorted({*filter(None, replaced)})
        if replaced.count(stage) > 1
    ]
    return tuple(loaded), faults


def installed_agents() -> dict[str, list[EntryPoint]]:
    """The entry points by name, one for each package that has it. Imports none of them."""
    found: dict[str, list[EntryPoint]] = {}
    for each in entry_points(group=GROUP):
        found.setdefault(each.name, []).append(each)
    return found


def packages_of(points: Iterable[EntryPoint]) -> str:
    """The packages of entry points, for people."""
    return ", ".join(sorted(f"{p.dist.name} {p.dist.version}" if p.dist else "?" for p in points))


def _load(
    name: str,
    section: Mapping[str, Any],
    points: Collection[EntryPoint],
    stages: Mapping[str, type],
) -> PluggedAgent:
    where = f"agents.{name}"
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where}: a name has lower-case letters, digits and -")
    if name in stages:
        raise SettingsError(
            f"{where}: {name} is a stage of Backstream: the agent needs another name"
        )
    if not points:
        raise SettingsError(
            f"{where}: no package that is installed here has an agent {name}: install it, or leave "
            "the section out"
        )
    if len(points) > 1:
        raise SettingsError(
            f"{where}: several packages have an agent {name}: {packages_of(points)}. Uninstall all "
            "but one"
        )
    (point,) = points
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:  # importing another's code raises anything
        raise SettingsError(
            f"{where}: {point.value} of {packages_of(points)} cannot be imported: {error!r}"
        ) from error
    if not isinstance(plugin, Generator | Filter):
        raise SettingsError(
            f"{where}: {point.value} is neither an agents.plugin.Generator nor a Filter"
        )
    if plugin.reads not in READABLE:
        known = ", ".join(record.__name__ for record in READABLE)
        raise SettingsError(f"{where}: it must read one of {known}")
    replaced = plugin.replaces if isinstance(plugin, Generator) else None
    if replaced is not None and stages.get(replaced) is not plugin.reads:
        raise SettingsError(
            f"{where}: it replaces the stage {replaced}, which does not read what it reads, "
            f"{plugin.reads.__name__}"
        )
    try:
        chosen = plugin.settings.model_validate(dict(section))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join([where, *map(str, first["loc"])])
        raise SettingsError(f"settings: {key}: {first['msg']}") from error
    dist = point.dist
    return PluggedAgent(
        name, dist.name if dist else "?", dist.version if dist else "0", plugin, chosen
    )
