"""Summarises a release from its files, without loading the model."""

import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from models.engine import DECODER_FILE, MODEL_FILE, chosen_precision, context_window_of
from models.judging.evidence import EvidenceKind
from models.prompts.layout import Prompter
from models.prompts.template import Family
from models.releases.checkpoints import read_object, weight_files
from models.releases.release import read_manifest


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A summary of a release."""

    id: str
    directory: str
    architecture: str
    """``model_type`` of transformers."""
    parameters: int
    bytes: int
    """Size of the graph and its weights, as they are served on a CPU."""
    graph: str
    """``own`` for Backstream's graph, ``plain`` for optimum's, which is slower."""
    precision: str
    """The default precision on a CPU."""
    context_window: int
    """Maximum number of tokens of a prompt and its continuation together."""
    family: Family
    """Family of its prompt templates."""
    own_prompts: list[str]
    """Ids of the user's own templates that it was made with."""
    judge: dict[str, float] | None
    """Cross-validated figures of its judge on all evidence; None where digits alone rate."""
    created_at: float
    """Unix time in seconds."""

    @classmethod
    def read(cls, directory: Path) -> "ModelFacts":
        """Read the facts of a release directory. Raises ModelError if it is not a release."""
        manifest = read_manifest(directory)
        config = directory / "config.json"
        prompter = Prompter.load(directory)
        judge = manifest.judges.of(EvidenceKind.COMBINED) if manifest.judges else None
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
            family=prompter.family,
            own_prompts=[each.id for each in prompter.templates.of_family(prompter.family)],
            judge=dict(judge.figures) if judge else None,
            created_at=manifest.created_at,
        )


def _graph(directory: Path) -> str:
    """Return the file name of the graph that is served on a CPU."""
    return chosen_precision(directory).file if (directory / DECODER_FILE).is_file() else MODEL_FILE


def _parameters(file: Path) -> int:
    with safe_open(file, "numpy") as tensors:
        # safe_open is not a mapping: it cannot be iterated without keys().
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
