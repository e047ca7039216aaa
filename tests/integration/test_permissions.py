"""Each process and command runs with the permissions that the documentation lists for it."""

import asyncio
import itertools
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession
from kafka import KafkaProducer
from pydantic import SecretStr

from models.releases.release import read_manifest
from schemas.errors import BrokerError
from schemas.records import Example, ExampleOrigin, HumanRating, Preference
from schemas.wire import encode, headers_for
from streams.data.decisions import open_decisions
from streams.data.feed import feed, seed
from streams.data.ratings import open_ratings, read_ratings
from streams.intake.http.serving import serving
from streams.kafka.admin.creation import create_topics
from streams.kafka.admin.wanted_topics import DEFAULT_TOPICS
from streams.kafka.embedded.ports import reserved_port
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS, DOCUMENTS, PREFERENCES
from streams.kafka.writing.dead_letters import dead_letter
from streams.kafka.writing.writer import KafkaWriter
from streams.releases.announcements import Announcer, announce, read_releases
from streams.releases.rerating import rerating
from streams.run.processes import run_trainer
from streams.settings import IntakeSettings, KafkaSettings, Settings
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES, topics_of
from tests.announcements import announcement
from tests.integration.commands import Ended, backstream
from tests.integration.conftest import WorkerProcess, wait_until_idle
from tests.integration.documents import notes
from tests.integration.secured_broker import PASSWORD, Listener, SecuredBroker
from tests.integration.test_rate import scored, send
from tests.integration.unreadable import GOOD
from tests.integration.waiting import wait_until

_DOCUMENT = Path(__file__).parents[2] / "docs" / "deployment.md"
_users = itertools.count()


class Documented(NamedTuple):
    """One line of the table: operations on a resource."""

    resource: str
    names: tuple[str, ...]
    operations: tuple[str, ...]


def _table() -> dict[str, list[Documented]]:
    """What each process and command needs, as it is documented."""
    [table] = re.findall(
        r"^\| process or command .*\n\|---.*\n((?:\|.*\n)+)", _DOCUMENT.read_text(), re.MULTILINE
    )
    needed: dict[str, list[Documented]] = {}
    for line in table.splitlines():
        who, resource, names, operations = (cell.strip() for cell in line.strip("|").split("|"))
        found = Documented(resource, _quoted(names), tuple(operations.split(", ")))
        for one in [who.replace("`", "")] if " with " in who else _quoted(who):
            needed.setdefault(one, []).append(found)
    # What a setting adds to a process or command.
    return {one: [*needed.get(one.partition(" with ")[0], []), *needed[one]] for one in needed} | {
        one: needed[one] for one in needed if " with " not in one
    }


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


NEEDED = _table()


class Deployment(NamedTuple):
    """A topic prefix and a group of a deployment on the secured broker."""

    broker: SecuredBroker
    prefix: str
    group: str

    def name(self, resource: str, name: str) -> str:
        """A name of the table in this deployment, by the rules below it."""
        if resource == "topic":
            return f"{self.prefix}{name}"
        if name != "backstream.releases":
            name = re.sub("^backstream", self.group, name)
        return f"{self.prefix}:{name}" if self.prefix else name

    def user(self, *roles: str, without: tuple[str, str] | None = None) -> str:
        """A new user who has what the table lists for the roles.

        ``without`` is an operation and a name of the table that is left out. Read and Write then
        become Describe.
        """
        user = f"user-{next(_users)}"
        self.broker.set_password(user)
        for role in roles:
            for resource, names, operations in NEEDED[role]:
                for name, operation in itertools.product(names, operations):
                    if (operation, name) == without:
                        if operation == "Describe" or len(operations) > 1:
                            continue
                        operation = "Describe"
                    self.broker.allow(user, operation, resource, self.name(resource, name))
        return user

    def kafka(self, user: str | None = None) -> KafkaSettings:
        """The settings of a user, or of one who may do everything."""
        own: dict[str, Any] = {
            "topic_prefix": self.prefix,
            "group": self.group,
            "session_seconds": 6,
        }
        if user is None:
            return KafkaSettings(bootstrap_servers=self.broker.address, **own)
        return KafkaSettings(
            bootstrap_servers=self.broker.at(Listener.SASL),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-256",
            sasl_username=user,
            sasl_password=SecretStr(PASSWORD),
            **own,
        )


@pytest.fixture(scope="module")
def deployment(secured: SecuredBroker, house: Path) -> Deployment:
    """All topics, with something in each that a command reads."""
    made = Deployment(secured, "team-a.", "acme")
    cluster = made.kafka().cluster()
    create_topics(cluster)
    seed(cluster, [_example("s1")])
    with open_ratings(cluster) as ratings:
        ratings.write(HumanRating(id="rated", instruction="Why?", response="So.", score=3))
    send(cluster, *(scored(str(number), 1 + number) for number in range(5)))
    base = read_manifest(house).id
    announce(cluster, announcement("r-1", base), announcement("r-2", base))
    document = Received(cluster.topic(DOCUMENTS), 0, 0, b"key", b"value")
    letter = dead_letter(document, "segmenter", ValueError("broken"))
    with KafkaProducer(**cluster.client) as producer:
        producer.send(
            cluster.topic(DEAD_LETTERS), letter.value, letter.key, headers=list(letter.headers)
        )
        pair = GOOD[Preference]("s1.backward")
        headers = headers_for(Preference)
        producer.send(cluster.topic(PREFERENCES), encode(pair), pair.id.encode(), headers=headers)
    return made


def _example(id: str) -> Example:
    return Example(id=id, instruction="Name a bird.", response="A wren.", origin=ExampleOrigin.SEED)


def _run(deployment: Deployment, user: str, directory: Path, *arguments: str) -> Ended:
    settings = directory / "settings.yaml"
    settings.write_text(
        f"""\
state_dir: {directory / "state"}
broker: {deployment.broker.at(Listener.SASL)}
kafka:
  topic_prefix: "{deployment.prefix}"
  group: {deployment.group}
  security_protocol: SASL_PLAINTEXT
  sasl_mechanism: SCRAM-SHA-512
  sasl_username: {user}
  sasl_password: {PASSWORD}
"""
    )
    (directory / "pairs.jsonl").write_text('{"instruction": "Name a fish.", "output": "A carp."}\n')
    (directory / "text.md").write_text("A text.\n")
    answers = [{"id": "2", "fields": {}, "responses": {"rating": [{"value": 2, "user_id": "u"}]}}]
    (directory / "answers.json").write_text(json.dumps(answers))
    if arguments[0] in ("undo", "seed"):  # an empty topic is read by anybody
        with open_decisions(deployment.kafka().cluster()) as decisions:
            decisions.drop(scored("1", 2), "ada")
    here = [re.sub("^@", f"{directory}/", argument) for argument in arguments]
    return backstream(*here, "-c", str(settings), answers="3\n")


COMMANDS = {
    "feed": ["feed", "@text.md"],
    "watch": ["watch", "--once", "@text.md"],
    "ask": ["ask", "@text.md"],
    "invent": ["invent", "2"],
    "seed": ["seed", "@pairs.jsonl"],
    "tail": ["tail", "-n", "1", "--from-beginning"],
    "export": ["export", "-o", "@out.jsonl"],
    "export --shape dpo": ["export", "--shape", "dpo", "-o", "@dpo.jsonl"],
    "status": ["status"],
    "curate": ["curate", "--dry-run"],
    "audit": ["audit"],
    "audit with preferences.enabled": ["audit", "-s", "preferences.enabled=true"],
    "dead-letters list": ["dead-letters", "list"],
    "dead-letters show": ["dead-letters", "show", "0@0"],
    "dead-letters replay": ["dead-letters", "replay", "all"],
    "rate": ["rate", "-n", "1", "--by", "ada"],
    "drop": ["drop", "0", "--by", "ada"],
    "accept": ["accept", "0", "--by", "ada"],
    "edit": ["edit", "0", "--instruction", "Name a tree.", "--note", "@new", "--by", "ada"],
    "undo": ["undo", "1", "--by", "ada"],
    "decisions": ["decisions"],
    "review export": ["review", "export", "--for", "argilla", "--refused", "-o", "@review.json"],
    "review import": ["review", "import", "--for", "argilla", "@answers.json"],
    "releases list": ["releases", "list"],
    "releases show": ["releases", "show", "r-1"],
    "releases compare": ["releases", "compare", "r-1", "r-2"],
    "releases promote": ["releases", "promote", "r-1"],
    "releases rollback": ["releases", "rollback"],
}


def test_every_line_of_the_table_is_tried() -> None:
    processes = {"worker", "worker with preferences.enabled", "trainer", "intake", "page"}
    assert NEEDED.keys() == COMMANDS.keys() | processes


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_with_what_is_documented(
    deployment: Deployment, command: str, tmp_path: Path
) -> None:
    ended = _run(deployment, deployment.user(command), tmp_path, *COMMANDS[command])
    assert ended.code == 0, ended.text


def _operations() -> Iterator[tuple[str, str, str, str]]:
    """Command, operation, resource and the first of its names, for each line of the table."""
    for command in COMMANDS:
        for resource, names, operations in NEEDED[command]:
            for operation in operations:
                yield command, operation, resource, names[0]


@pytest.mark.parametrize(("command", "operation", "resource", "name"), tuple(_operations()))
def test_a_command_names_the_operation_that_is_not_allowed(
    deployment: Deployment,
    command: str,
    operation: str,
    resource: str,
    name: str,
    tmp_path: Path,
) -> None:
    user = deployment.user(command, without=(operation, name))
    ended = _run(deployment, user, tmp_path, *COMMANDS[command])
    there = deployment.name(resource, name).removesuffix("*")
    assert ended.code == 1, ended.text
    assert f"User:{user}" in ended.text
    assert re.search(rf"{operation} on the {resource} {re.escape(there)}", ended.text), ended.text


def test_a_worker_runs_with_what_is_documented_and_waits_where_its_password_is_refused(
    deployment: Deployment, settings: Settings, house: Path
) -> None:
    broker = deployment.broker
    fresh = deployment._replace(prefix=f"{deployment.prefix}refused.")
    cluster = fresh.kafka().cluster()
    create_topics(cluster)
    feed(cluster, notes(range(2)))
    user = fresh.user("worker")
    with reserved_port() as port:
        pass
    own = settings.model_copy(update={"kafka": fresh.kafka(user), "metrics_port": port})
    worker = WorkerProcess(own, house)
    try:
        worker.wait_until_ready()
        flow = wait_until_idle(_as(settings, fresh.kafka()), 2)
        assert flow.messages["scored"], "what was fed went through all stages"
        assert flow.messages["dead-letters"] == 0
        assert _readiness(port) == "ok"

        broker.set_password(user, "another")
        broker.stop()  # what is connected stays accepted
        broker.start()
        wait_until(lambda: f"refuses the user {user} with SCRAM-SHA-256" in _readiness(port), 270)
        broker.set_password(user)
        feed(cluster, notes(range(2, 4)))
        assert wait_until_idle(_as(settings, fresh.kafka()), 4).messages["dead-letters"] == 0
        wait_until(lambda: _readiness(port) == "ok", 180)
        assert worker.terminate() == 0, worker.describe()
    finally:
        worker.kill()


def test_a_worker_waits_for_the_permission_to_use_its_groups(
    deployment: Deployment, settings: Settings, house: Path
) -> None:
    broker = deployment.broker
    fresh = deployment._replace(prefix=f"{deployment.prefix}group.")
    create_topics(fresh.kafka().cluster())
    user = fresh.user("worker", without=("Read", "backstream.*"))
    with reserved_port() as port:
        pass
    own = settings.model_copy(update={"kafka": fresh.kafka(user), "metrics_port": port})
    worker = WorkerProcess(own, house)
    try:
        wanted = f"User:{user}, who needs the permission Read on the group {fresh.prefix}"
        wait_until(lambda: wanted in _readiness(port), 270)
        broker.allow(user, "Read", "group", fresh.name("group", "backstream.*"))
        worker.wait_until_ready()
        wait_until(lambda: _readiness(port) == "ok", 180)

        broker.forbid(user, "Read", "group", fresh.name("group", "backstream.*"))
        wait_until(lambda: wanted in _readiness(port), 270)
        broker.allow(user, "Read", "group", fresh.name("group", "backstream.*"))
        wait_until(lambda: _readiness(port) == "ok", 180)
        feed(fresh.kafka().cluster(), notes(range(2)))
        assert wait_until_idle(_as(settings, fresh.kafka()), 2).messages["dead-letters"] == 0
        assert worker.terminate() == 0, worker.describe()
    finally:
        worker.kill()


async def test_a_writer_waits_for_a_permission(deployment: Deployment) -> None:
    user = deployment.user()
    topic = deployment.name("topic", "rejected")
    cluster = deployment.kafka(user).cluster()
    with pytest.raises(BrokerError, match=f"User:{user}, who needs the permission Write on the"):
        async with KafkaWriter(cluster):
            pass
    deployment.broker.allow(user, "Describe", "topic", topic)
    deployment.broker.allow(user, "Write", "topic", deployment.name("topic", "scored"))
    async with KafkaWriter(cluster) as writer:
        sending = asyncio.create_task(writer.send(Message("rejected", b"key", b"value")))
        await asyncio.to_thread(wait_until, lambda: writer.unavailable is not None)
        assert f"needs the permission Write on the topic {topic}" in str(writer.unavailable)
        deployment.broker.allow(user, "Write", "topic", topic)
        await asyncio.wait_for(await sending, 60)


def _readiness(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=180) as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        return error.read().decode().strip()
    except OSError as error:
        return f"no endpoint yet: {error}"


def test_a_trainer_runs_with_what_is_documented(
    deployment: Deployment, settings: Settings, house: Path
) -> None:
    fresh = deployment._replace(prefix=f"{deployment.prefix}trainer.")
    create_topics(fresh.kafka().cluster())
    own = _as(settings, fresh.kafka(fresh.user("trainer")))
    run_trainer(own, house, lambda event: None, once=True, signals=())
    # What it does besides where a training run is due.
    cluster = own.kafka.cluster()
    assert read_ratings(cluster) == []
    release = announcement("r-1", read_manifest(house).id)
    with Announcer(cluster, f"{cluster.group}.trainer") as announcer:
        announcer.announce(release)
    assert [found.id for found in read_releases(cluster)] == ["r-1"]
    assert rerating(cluster, release, 0).finished


def test_a_worker_of_some_stages_needs_no_other_topic(deployment: Deployment) -> None:
    user = deployment.user()
    spec = STAGES[0]
    for topic in (spec.source, *spec.outputs):
        deployment.broker.allow(user, "Describe", "topic", deployment.name("topic", topic.name))
    wanted = [one for one in DEFAULT_TOPICS if one.topic in topics_of([spec])]
    assert create_topics(deployment.kafka(user).cluster(), wanted) == []


def test_topics_are_created_where_that_is_allowed(deployment: Deployment) -> None:
    fresh = deployment._replace(prefix=f"{deployment.prefix}new.")
    user = fresh.user()
    documents = fresh.name("topic", "documents")
    wanted = [DEFAULT_TOPICS[0]]
    cluster = fresh.kafka(user).cluster()
    with pytest.raises(BrokerError, match=f"User:{user}, .* Describe on the topic {documents}"):
        create_topics(cluster, wanted)
    fresh.broker.allow(user, "Write", "topic", documents)
    with pytest.raises(
        BrokerError,
        match=f"there is no topic {documents}, and it cannot be created: .* Create on the topic",
    ):
        create_topics(cluster, wanted)
    fresh.broker.allow(user, "Create", "topic", documents)
    assert create_topics(cluster, wanted) == [documents]
    assert feed(cluster, notes(range(1))).written == 1


def _as(settings: Settings, kafka: KafkaSettings) -> Settings:
    return settings.model_copy(update={"kafka": kafka})


async def _posted(settings: Settings) -> tuple[int, str]:
    """The answer to a document that is posted to an intake of these settings."""
    async with (
        serving(settings, Metrics()) as address,
        ClientSession() as session,
        session.post(
            f"http://{address}/documents", data=b"A text.", headers={"content-type": "text/plain"}
        ) as answer,
    ):
        return answer.status, await answer.text()


async def test_an_intake_runs_with_what_is_documented(deployment: Deployment) -> None:
    def settings(without: tuple[str, str] | None = None) -> Settings:
        kafka = deployment.kafka(deployment.user("intake", without=without))
        return Settings(kafka=kafka, intake=IntakeSettings(listen="0", timeout_seconds=5))

    status, text = await _posted(settings())
    assert status == 202, text
    with pytest.raises(BrokerError, match="Write"):
        await _posted(settings(("Write", "documents")))
    with pytest.raises(BrokerError, match="Describe"):
        await _posted(settings(("Describe", "backstream.*")))
