"""What ``check`` tries: broker, keys of releases, files of the curation, models."""

import asyncio
from pathlib import Path

from agents.curation.example_rules import ExampleRules
from models.prompts.own.reading import read_own
from models.releases.release import MANIFEST, read_manifest
from models.releases.signing import SigningKey
from schemas.errors import SettingsError
from streams.cli.prepare import prepare_all
from streams.kafka.admin.creation import check_topics
from streams.kafka.admin.topic_states import topic_states
from streams.kafka.embedded.jars import Jars
from streams.kafka.embedded.running import running_address
from streams.kafka.topics import TOPICS
from streams.quantities import as_count
from streams.releases.store import release_store
from streams.settings import Role, Settings
from streams.stages.plugins import installed_agents, load_each, packages_of
from streams.stages.topology import own_stages
from streams.worker.role_models import RoleModels


def probe_broker(settings: Settings) -> str:
    """Ask the broker for its topics, or verify the embedded broker's jars.

    Raises BrokerError, and SettingsError for a topic that breaks a promise.
    """
    address = settings.given_broker or running_address(settings.broker_dir)
    if address is None:
        Jars.resolve()
        return "the embedded Kafka's jars are here and have the locked sums"
    kafka = settings.with_broker(address).kafka
    cluster = kafka.cluster()
    states = topic_states(cluster)
    different = check_topics(cluster, kafka.wanted_topics(), states)
    answer = f"{address} answers; {len(states)} of Backstream's {len(TOPICS)} topics are there"
    return "; ".join([answer, *map(str, different)])


def probe_releases(settings: Settings) -> str:
    """Read the keys that sign releases and those that are trusted. Raises SettingsError."""
    trusted = release_store(settings).trusted
    answer = (
        as_count(len(trusted), "trusted key") if trusted else "no trusted keys: unsigned ones serve"
    )
    if settings.releases.signing_key is None:
        return answer
    key = SigningKey.load(settings.releases.signing_key)
    return f"{answer}; the trainer signs with {key.public}"


def probe_curation(settings: Settings) -> str:
    """Read the files that the curation names. Raises SettingsError."""
    ExampleRules(settings.curation)
    off = [name for name, on in settings.curation.rules if not on]
    return f"rules that are off: {', '.join(off)}" if off else "every rule is on"


def probe_prompts(settings: Settings) -> str:
    """Read the prompts file, and compare it with the releases that were trained.

    Raises SettingsError, which names every fault with its line.
    """
    if settings.prompts is None:
        return "the project's own"
    made_with = (
        template
        for file in settings.releases_dir.glob(f"*/{MANIFEST}")
        for template in read_manifest(file.parent).templates.values()
    )
    own = read_own(settings.prompts, {*made_with}).own
    return f"{settings.prompts} has {', '.join(sorted(template.id for template in own))}"


def probe_agents(settings: Settings) -> str:
    """Import the agents of other packages that the settings name; list those that are installed.

    Raises SettingsError, which names every one that cannot be used.
    """
    loaded, faults = load_each(settings.agents, own_stages())
    if faults:
        raise SettingsError("; ".join(faults))
    running = [f"{each.name} ({each.package} {each.version})" for each in loaded]
    idle = [
        f"{name} ({packages_of(points)})"
        for name, points in sorted(installed_agents().items())
        if name not in settings.agents
    ]
    return "; ".join(
        [
            f"of other packages: {', '.join(running) or 'none'}",
            *([f"installed, but not under agents: {', '.join(idle)}"] if idle else []),
        ]
    )


def probe_models(settings: Settings) -> str:
    """Load the model of each role; name its release and device, and what it rates by.

    Asks models that are served elsewhere for a token, and for what ratings need. Names why a GPU is
    not used whose driver is installed. Raises ModelError, SettingsError, RemoteUnavailable or
    RemoteError.
    """
    return asyncio.run(_probe_models(settings, prepare_all(settings)))


async def _probe_models(settings: Settings, directory: Path) -> str:
    models = await RoleModels.load(settings, directory)
    try:
        for handle in models.handles.values():
            await handle.model.probe()
        placed = ", ".join(
            f"{role} {handle.model.placement}" for role, handle in models.handles.items()
        )
        return f"{placed}; rates by {await models.handles[Role.FORWARD].model.rates_by()}"
    finally:
        await models.aclose()
