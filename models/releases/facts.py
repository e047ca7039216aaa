"""What a release is, read off its files: nothing is loaded."""

import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from models.engine import DECODER_FILE, MODEL_FILE, chosen_precision, context_window_of
from models.prompts.layout import Prompter
from models.prompts.templates import Family
from models.releases.checkpoints import read_object, weight_files
from models.releases.release import read_manifest


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A release at a glance."""

    id: str
    directory: str
    architecture: str
    """The model type, as transformers names it."""
    parameters: int
    bytes: int
    """Of the graph and its weights, as they are served."""
    graph: str
    """``own`` or ``plain``; the plain one is slower."""
    precision: str
    """What a CPU is given, unless asked otherwise."""
    context_window: int
    """Tokens of a prompt and its continuation together."""
    family: Family
    """Which prompts it gets."""
    created_at: float
    """Seconds since the epoch."""

    @classmethod
    def read(cls, directory: Path) -> "ModelFacts":
        """The facts of a release directory. Raises ModelError where it is none."""
        manifest = read_manifest(directory)
        config = directory / "config.json"
        return cls(
            id=manifest.id,
            directory=str(directory),
            architecture=str(read_object(config).get("model_type")),
            parameters=sum(
                _parameters(file)
                for file in weight_files(directory)
                if file.suffix == ".safetensors"
            ),
            bytes=sum(file.stat().st_size for file in directory.glob(f"{_graph(directory)}*")),
            graph="own" if (directory / DECODER_FILE).is_file() else "plain",
            precision=chosen_precision(directory),
            context_window=context_window_of(config),
            family=Prompter.load(directory).family,
            created_at=manifest.created_at,
        )


def _graph(directory: Path) -> str:
    """Name of the graph that a CPU is given."""
    return chosen_precision(directory).file if (directory / DECODER_FILE).is_file() else MODEL_FILE


def _parameters(file: Path) -> int:
    with safe_open(file, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118  (no mapping: it cannot be iterated)
