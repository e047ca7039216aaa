"""Serves the base with an adapter merged, in the engine and in fp32."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from transformers import AutoConfig

from bench.loop.tune import load
from models.engine import Engine
from models.engine.precision import Precision
from models.export.graph import build
from models.prompts.layout import Prompter
from models.releases.checkpoints import side_files
from models.training.lora import merged

_OF = "of.txt"
"""Names the model of a directory. Written last."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model that is served, for one event loop after the other."""

    name: str
    engine: Engine
    prompter: Prompter


@dataclass(frozen=True, slots=True)
class Server:
    """Builds the graph of one model at a time: those of all take some 0.6 GB each."""

    base: Path
    prompts: Path
    """Tokenizer, chat template and configuration."""
    work: Path
    threads: int

    @contextmanager
    def serve(self, name: str, adapter: Path | None) -> Iterator[Served]:
        """Load a model, and build it first unless it was the last one built.

        ``adapter`` is None for the base as it is. fp32 is the same on every machine, and does not
        need the minutes in which an export compares int8 with it.
        """
        of = self.work / _OF
        if not of.is_file() or of.read_text(encoding="utf-8") != name:
            self._build(adapter)
            of.write_text(name, encoding="utf-8")
        engine = Engine.load(self.work, device="cpu", precision="fp32", threads=self.threads)
        try:
            yield Served(name, engine, Prompter.load(self.work))
        finally:
            engine.close()

    def _build(self, adapter: Path | None) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        model = load(self.base)
        if adapter is not None:
            model = merged(PeftModel.from_pretrained(model, adapter))
        build(model.eval(), self.work / Precision.FP32.file)
        for file in side_files(self.prompts):
            shutil.copyfile(file, self.work / file.name)
        # With the defaults that the original may leave out: the engine reads them.
        AutoConfig.from_pretrained(self.base, local_files_only=True).save_pretrained(self.work)
