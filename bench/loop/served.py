"""Serves the base with an adapter merged, in the engine: in fp32 on a CPU, in fp16 on a GPU."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from transformers import AutoConfig

from bench.loop.tune import load
from models.engine import Engine
from models.engine.shortlist import SHORTLIST_FILE
from models.export.graph import build
from models.export.graph.shortlist import build as build_shortlist
from models.precision import Precision
from models.prompts.layout import Prompter
from models.releases.checkpoints import side_files
from models.training.lora import merged

_OF = "of.txt"
"""Names the model of a directory. Written last."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Where the models run."""

    device: str = "cpu"
    """``cpu`` or ``cuda``."""
    threads: int | None = None
    """Threads of the engine; all cores if None."""

    @property
    def precision(self) -> Precision:
        """fp32, which is the same on every CPU; a GPU has no fp32 attention over KV slots.

        Neither needs the minutes in which an export compares int8 with fp32.
        """
        return Precision.FP32 if self.device == "cpu" else Precision.FP16


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many items of a step are handled side by side. Does not change the results."""

    texts: int
    """Texts that a model writes for."""
    pairs: int
    """Pairs that are examined."""
    blocks: int
    """Blocks of held-out pairs that are measured."""

    @classmethod
    def on(cls, device: str) -> "AtOnce":
        """More on a GPU, which has more KV slots."""
        return cls(16, 4, 1) if device == "cpu" else cls(64, 32, 6)


@dataclass(frozen=True, slots=True)
class Served:
    """A model that is served, for one event loop after the other."""

    name: str
    engine: Engine
    prompter: Prompter
    at_once: AtOnce


@dataclass(frozen=True, slots=True)
class Server:
    """Builds the graph of one model at a time: those of all take some 0.6 GB each."""

    base: Path
    prompts: Path
    """Tokenizer, chat template and configuration."""
    work: Path
    compute: Compute

    @contextmanager
    def serve(self, name: str, adapter: Path | None) -> Iterator[Served]:
        """Load a model, and build it first unless it was the last one built.

        ``adapter`` is None for the base as it is.
        """
        of = self.work / _OF
        if not of.is_file() or of.read_text(encoding="utf-8") != name:
            self._build(adapter)
            of.write_text(name, encoding="utf-8")
        compute = self.compute
        engine = Engine.load(
            self.work,
            device=compute.device,
            precision=compute.precision.value,
            threads=compute.threads,
        )
        try:
            yield Served(name, engine, Prompter.load(self.work), AtOnce.on(compute.device))
        finally:
            engine.close()

    def _build(self, adapter: Path | None) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        model = load(self.base)
        if adapter is not None:
            model = merged(PeftModel.from_pretrained(model, adapter))
        precision = self.compute.precision
        build(model.eval(), self.work / precision.file, precision)
        if precision is Precision.FP16:
            build_shortlist(self.work / SHORTLIST_FILE)
        for file in side_files(self.prompts):
            shutil.copyfile(file, self.work / file.name)
        # With the defaults that the original may leave out: the engine reads them.
        AutoConfig.from_pretrained(self.base, local_files_only=True).save_pretrained(self.work)
