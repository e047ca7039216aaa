"""Pushing to a stand-in of the hub with the real client, in a process of its own.

The client reads ``HF_ENDPOINT`` when it is imported.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Example, ExampleOrigin
from streams.data.shards import Form, write_shards
from tests.hub_server import Fault, Hub, hub_server

_CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---
"""
_PUSH = """
import json, sys
from pathlib import Path
from schemas.errors import BackstreamError
from streams.data.hub import push
for line in sys.stdin:
    repo, files, card, token, private = json.loads(line)
    try:
        said = push(repo, [Path(file) for file in files], card, token=token, private=private)
    except BackstreamError as error:
        said = "not done: " + str(error)
    print(json.dumps(said), flush=True)
"""
_LOAD = """
from datasets import load_dataset
rows = load_dataset("ada/set", split="train")
print(len(rows), rows[0]["id"], rows.features["score"].dtype)
"""


def _environment(hub: Hub, home: Path) -> dict[str, str]:
    own = {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home),
        "HF_TOKEN": hub.token,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": str(Path(__file__).parents[4]),
    }
    return os.environ | own


class Pusher:
    """A process that pushes, again and again."""

    def __init__(self, hub: Hub, home: Path) -> None:
        self._token = hub.token
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PUSH],
            env=_environment(hub, home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def push(self, files: list[Path], repo: str = "ada/set", **given: Any) -> str:
        """The address, or ``not done:`` and the error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        options = {"token": self._token, "private": True} | given
        asked = [repo, [*map(str, files)], _CARD, options["token"], options["private"]]
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Wait for the end of the process."""
        self._process.communicate(timeout=60)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as running:
        yield running


@pytest.fixture
def start(hub: Hub, tmp_path: Path) -> Iterator[Callable[[], Pusher]]:
    started: list[Pusher] = []

    def start() -> Pusher:
        started.append(Pusher(hub, tmp_path / f"home{len(started)}"))
        return started[-1]

    yield start
    for pusher in started:
        pusher.close()


def shards(folder: Path, count: int, rows: int = 4) -> list[Path]:
    examples = [
        Example(id=str(n), instruction=f"Why {n}?", response="So.", origin=ExampleOrigin.SEED)
        for n in range(count)
    ]
    return write_shards(Form("chat"), examples, folder, "train", rows)


def test_shards_are_named_with_their_number(tmp_path: Path) -> None:
    assert [file.name for file in shards(tmp_path, 9)] == [
        f"train-0000{number}-of-00003.parquet" for number in range(3)
    ]
    assert [file.name for file in shards(tmp_path, 0)] == ["train-00000-of-00001.parquet"]


@pytest.mark.slow
def test_a_push_is_one_commit_that_resumes_and_is_read_by_datasets(
    hub: Hub, start: Callable[[], Pusher], tmp_path: Path
) -> None:
    files, pusher = shards(tmp_path / "first", 12), start()
    hub.fault = Fault("storage", 403, skip=2)
    failed = pusher.push(files)
    assert "ada/set was not pushed" in failed
    assert "push again" in failed
    repository = hub.repositories["ada/set"]
    assert (repository.private, repository.files, len(hub.uploads)) == (True, {}, 2)

    assert pusher.push(files) == f"{hub.address}/datasets/ada/set"
    assert len(hub.uploads) == 3, "what had arrived was not sent again"
    assert repository.commits == 1
    assert repository.files.keys() == {"README.md", *(f"data/{file.name}" for file in files)}

    loaded = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env=_environment(hub, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert loaded.stdout.split() == ["12", "0", "float64"], loaded.stderr

    fewer = shards(tmp_path / "second", 4)
    assert "not done" not in pusher.push(fewer, private=False)
    assert repository.files.keys() == {"README.md", f"data/{fewer[0].name}"}
    assert repository.private, "an existing data set stays as it is"


_UNCHANGED = "The data set is as it was; push again"
_UNKNOWN = "Whether the hub made the commit is not known; push again"


@pytest.mark.slow
def test_a_fault_in_the_middle_is_said_and_the_same_push_does_the_rest(
    hub: Hub, start: Callable[[], Pusher], tmp_path: Path
) -> None:
    pusher = start()
    first, second = shards(tmp_path / "first", 4), shards(tmp_path / "second", 12)
    after = {"README.md", *(f"data/{file.name}" for file in second)}
    for number, (fault, said, is_committed) in enumerate(
        [
            (Fault("storage", 500, skip=1), "", True),  # the client tries again
            (Fault("storage", "close", skip=1), "", True),
            (Fault("storage", 429, skip=1), f"429 Client Error.*{_UNCHANGED}", False),
            (Fault("/batch", 500), f"500 Server Error.*out of order.*{_UNCHANGED}", False),
            (Fault("/preupload/", "close", skip=1), _UNCHANGED, False),
            (Fault("/commit/", 429), f"429 Client Error.*{_UNCHANGED}", False),
            (Fault("/commit/", 500), _UNKNOWN, False),
            (Fault("/commit/", "close", done=True), _UNKNOWN, True),
        ]
    ):
        repo = f"ada/set{number}"
        hub.stored.clear()
        hub.uploads.clear()
        assert pusher.push(first, repo) == f"{hub.address}/datasets/{repo}"
        repository = hub.repositories[repo]
        before = repository.files
        hub.fault = fault
        done = pusher.push(second, repo)
        assert hub.fault is None
        assert re.search(f"not done: .*{said}" if said else repo, done), (fault, done)
        assert repository.files.keys() == (after if is_committed else before.keys()), fault
        assert pusher.push(second, repo) == f"{hub.address}/datasets/{repo}"
        assert repository.files.keys() == after, fault
        assert repository.commits == 2, fault
        assert len(hub.uploads) == len({*hub.uploads}) == 3, "nothing is sent twice"


@pytest.mark.slow
def test_of_two_pushes_at_a_time_the_later_commit_is_refused(
    hub: Hub, start: Callable[[], Pusher], tmp_path: Path
) -> None:
    """It would leave out what was unchanged, and delete what was stale, before the other."""
    mine, other = shards(tmp_path / "mine", 12), shards(tmp_path / "other", 8)
    held = hub.fault = Fault("/commit/", "serve", holds=True)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(start().push, mine)
        assert held.reached.wait(60)
        assert "not done" not in start().push(other)
        held.resume.set()
        refused = first.result()
    assert re.search(f"412 .*A commit has happened since.*{_UNCHANGED}", refused), refused
    found = hub.repositories["ada/set"].files
    assert found.keys() == {"README.md", *(f"data/{file.name}" for file in other)}


@pytest.mark.slow
def test_a_refused_token_is_said(hub: Hub, start: Callable[[], Pusher], tmp_path: Path) -> None:
    refused = start().push(shards(tmp_path, 1), token="hf_wrong")
    assert "was not pushed" in refused
    assert "hf_wrong" not in refused
    assert not hub.repositories
