"""What all tests share.

Thread limits, models that are exported once a run, and the marks that follow from fixtures.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch and onnxruntime are imported: workers of pytest-xdist share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import hypothesis
import pytest

from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from tests.unit.checkpoints import make_checkpoint

if TYPE_CHECKING:
    from tests.unit.engine_model import TinyModel

# Limits in time, for an example and for making it, fail by chance where the cores are shared.
hypothesis.settings.register_profile(
    "short", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# 10,000 examples of each property: HYPOTHESIS_PROFILE=full pytest FILE
hypothesis.settings.register_profile(
    "full", hypothesis.settings.get_profile("short"), max_examples=10_000
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

_MARKS = {
    "broker": "kafka",
    "secured": "kafka",
    "house": "export",
    "tiny_release": "export",
    "judge_release": "export",
    "tiny_model": "export",
}
"""Fixture -> mark of every test that takes it, also through another fixture."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if mark := _MARKS.get(fixture):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def exports(run_directory: Path) -> Path:
    """The cache of models that were exported in this run; not the user's.

    ``prepare`` exports a checkpoint once for all workers: it goes by the checkpoint's digest, and
    holds a file lock meanwhile.
    """
    return run_directory / "exports"


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory, exports: Path) -> Path:
    """A tiny random Llama as a release. Read-only: copy it to change it."""
    return prepare(str(make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")), exports)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> "TinyModel":
    """A tinier Llama, exported with optimum, for the engine without a release around it."""
    from tests.unit.engine_model import make_tiny_model  # imports torch

    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint whose context window holds the rating prompts of whole passages."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "judge", context=4096)


@pytest.fixture(scope="session")
def judge_release(judge: Path, exports: Path) -> Path:
    """``judge`` as a release. Read-only: copy it to change it."""
    return prepare(str(judge), exports)


@pytest.fixture(scope="session")
def house() -> Path:
    """The house model as a release, from the user's cache."""
    return prepare("house", default_cache())
