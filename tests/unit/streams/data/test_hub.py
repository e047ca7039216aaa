"""Pushing to a stand-in of the hub with the real client, in a process of its own.

The client reads ``HF_ENDPOINT`` when it is imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Example, ExampleOrigin
from streams.data.shards import Form, write_shards
from tests.hub_server import Hub, hub_server

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
files, card, token, private = json.loads(sys.argv[1])
try:
    print(push("ada/set", [Path(file) for file in files], card, token=token, private=private))
except BackstreamError as error:
    sys.exit(str(error))
"""
_LOAD = """
from datasets import load_dataset
rows = load_dataset("ada/set", split="train")
print(len(rows), rows[0]["id"], rows.features["score"].dtype)
"""


def run(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home),
        "HF_TOKEN": hub.token,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": str(Path(__file__).parents[4]),
    }
    return subprocess.run(
        [sys.executable, "-c", *arguments],
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def pushed(hub: Hub, home: Path, files: list[Path], **given: Any) -> Any:
    options = {"token": hub.token, "private": True} | given
    named = json.dumps([[*map(str, files)], _CARD, options["token"], options["private"]])
    return run(hub, home, _PUSH, named)


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
def test_a_push_is_one_commit_that_resumes_and_is_read_by_datasets(tmp_path: Path) -> None:
    files = shards(tmp_path / "first", 12)
    with hub_server() as hub:
        hub.fail_after = 2
        failed = pushed(hub, tmp_path, files)
        assert "was not pushed" in failed.stderr
        assert "push again" in failed.stderr
        repository = hub.repositories["ada/set"]
        assert (repository.private, repository.files, len(hub.uploads)) == (True, {}, 2)

        hub.fail_after = None
        done = pushed(hub, tmp_path, files)
        assert done.stdout.strip() == f"{hub.address}/datasets/ada/set", done.stderr
        assert len(hub.uploads) == 3, "what had arrived was not sent again"
        assert repository.commits == 1
        assert repository.files.keys() == {"README.md", *(f"data/{file.name}" for file in files)}

        loaded = run(hub, tmp_path, _LOAD)
        assert loaded.stdout.split() == ["12", "0", "float64"], loaded.stderr

        fewer = shards(tmp_path / "second", 4)
        assert pushed(hub, tmp_path, fewer, private=False).returncode == 0
        assert repository.files.keys() == {"README.md", f"data/{fewer[0].name}"}
        assert repository.private, "an existing data set stays as it is"


@pytest.mark.slow
def test_a_refused_token_and_a_bad_name_are_said(tmp_path: Path) -> None:
    with hub_server() as hub:
        refused = pushed(hub, tmp_path, shards(tmp_path, 1), token="hf_wrong")
        assert "was not pushed" in refused.stderr
        assert "hf_wrong" not in refused.stderr
        assert not hub.repositories
