"""What an earlier version wrote is read for ever: records of every topic, and files on disk.

A fixture is never changed and never made again. After a change of a record, this version's bytes
are added beside those that are there: see ``tests/fixtures/records/generate.py``.
"""

import hashlib
import json
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.human_ratings import read_ratings
from models.releases.release import MANIFEST, read_manifest
from models.releases.signing import SIGNATURE, TrustedKeys
from schemas.records import RECORDS
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import TOPICS
from streams.kafka.writing.dead_letters import altered_parts, origin_of, original_headers, stage_of
from streams.releases.announcements import fold
from streams.trainer.curated_set import CuratedSet
from tests.fixtures.records.generate import HERE, SUMS

_VERSIONS = sorted(directory for directory in HERE.glob("v*") if directory.is_dir())
_TOPICS = {topic.name: topic for topic in TOPICS}
_COMPACTED = {topic.name for topic in TOPICS if topic.cleanup == "compact"}


def _expected(version: Path) -> Any:
    return json.loads((version / "expected.json").read_text(encoding="utf-8"))


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _messages(version: Path) -> list[tuple[str, Received]]:
    """Each message with its name."""
    lines = (version / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for offset, line in enumerate(map(json.loads, lines)):
        headers: Any = [(name, _bytes(value)) for name, value in line["headers"]]
        key, value = _bytes(line["key"]), _bytes(line["value"])
        found.append((line["name"], Received(line["topic"], 0, offset, key, value, headers)))
    return found


def _values(version: Path) -> dict[str, Any]:
    """The value that each message of a record stands for, by the message's name."""
    expected = _expected(version)
    written = {
        f"{each['name']}, application/{encoding}": each["value"]
        for each in expected["written"]
        for encoding in ("msgpack", "json")
    }
    return written | {each["name"]: each["value"] for each in expected["foreign"]}


def _holds(found: Any, expected: Any) -> bool:
    """Whether a value has what is expected. It may have fields that are newer."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            key in found and _holds(found[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(_holds, found, expected))
    return bool(found == expected)


_MESSAGES = [
    pytest.param(version, name, received, id=f"{version.name}-{name}")
    for version in _VERSIONS
    for name, received in _messages(version)
]


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_what_is_kept_is_as_it_was_written(version: Path) -> None:
    lines = (version / SUMS).read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {
        str(file.relative_to(version)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in version.rglob("*")
        if file.is_file() and file.name != SUMS
    }
    assert found == sums, (
        f"the fixtures of {version.name} stand for what deployments hold: take the change back, "
        "and add a directory for the next version with tests/fixtures/records/generate.py"
    )


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_every_record_and_every_topic_is_kept(version: Path) -> None:
    messages = [received for _, received in _messages(version)]
    assert {received.topic for received in messages} <= _TOPICS.keys()
    if version is _VERSIONS[-1]:
        assert {received.topic for received in messages} == _TOPICS.keys()
        schemas = {dict(received.headers).get("schema") for received in messages}
        names = {f"{record.name}/{record.version}".encode() for record in RECORDS}
        assert names <= schemas, "a record has a new version: keep it in a new directory"


@pytest.mark.parametrize(("version", "name", "received"), _MESSAGES)
def test_a_kept_message_is_read(version: Path, name: str, received: Received) -> None:
    passed: list[str] = []
    reader = RecordReader(passed.append)
    topic = _TOPICS[received.topic]
    if topic.record is None:
        letter = next(each for each in _expected(version)["letters"] if each["name"] == name)
        assert origin_of(received) == tuple(letter["origin"])
        assert stage_of(received) == letter["stage"]
        assert bool(altered_parts(received)) == letter["cut"]
        assert received.value == b64decode(letter["base64"])
        headers = [(name, value.decode()) for name, value in original_headers(received.headers)]
        assert headers == list(letter["headers"].items())
        return
    if topic.name in _COMPACTED:
        entry = reader.read_entry(received, topic.record)
        assert entry is not None
        record = entry.record
        if received.value is None:
            assert entry == ("retracted", None)
            return
    else:
        record = reader.read_record(received, topic.record)
    assert not passed
    assert record is not None
    assert _holds(record.model_dump(mode="json"), _values(version)[name])


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_kept_announcements_give_the_releases(version: Path) -> None:
    found: dict[str, Any] = {}
    for _, received in _messages(version):
        if received.topic == "releases":
            fold(found, received, RecordReader(), now=2e9)
    assert found.keys() == {"r-1a2b3c4d", "house-11223344"}


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_a_kept_manifest_and_its_signature_are_read(version: Path) -> None:
    state = version / "state"
    manifest = read_manifest(state)
    assert _holds(manifest.model_dump(mode="json"), _expected(version)["manifest"])
    trusted = TrustedKeys([(state / "trusted_key").read_text(encoding="utf-8")])
    trusted.require((state / MANIFEST).read_bytes(), (state / SIGNATURE).read_bytes())


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_kept_ratings_are_read(version: Path) -> None:
    found = [rating.model_dump(mode="json") for rating in read_ratings(_state(version, "ratings"))]
    assert _holds(found, _of_topic(version, "ratings"))


@pytest.mark.parametrize("version", _VERSIONS, ids=lambda version: version.name)
def test_a_kept_curated_set_is_continued(version: Path, tmp_path: Path) -> None:
    file = shutil.copy(_state(version, "dataset"), tmp_path)
    expected, examples = _expected(version), _of_topic(version, "curated")
    with CuratedSet(Path(file)) as curated:
        [release] = curated.unannounced()
        assert _holds(release.model_dump(mode="json"), _of_topic(version, "releases")[0])
        assert curated.last_training() == expected["run"]["at"]
        # A later version may read the topic again from its beginning; it never mixes the two.
        if curated.offsets():
            assert curated.offsets() == {0: len(examples)}
            assert _holds([each.model_dump(mode="json") for each in curated.examples()], examples)
        else:
            assert len(curated) == 0


def _state(version: Path, stem: str) -> Path:
    return next((version / "state").glob(f"{stem}.*"))


def _of_topic(version: Path, topic: str) -> list[Any]:
    return [each["value"] for each in _expected(version)["written"] if each["topic"] == topic]
