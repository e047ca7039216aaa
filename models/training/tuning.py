"""Trains a model on weighted sequences with TRL, and resumes a killed run."""

import inspect
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from models.evaluation.measure import pad
from models.prompts.sequences import TrainingSequence
from models.training.settings import TrainingSettings
from schemas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run is."""

    step: int
    steps: int
    loss: float
    """Mean since the last report, in nats a token."""
    tokens_per_second: float
    """Mean since this process began to train; padding is not counted."""
    seconds_left: float
    """At this rate, within the time that the run has."""

    def event(self) -> dict[str, Any]:
        """The event ``step``, as described in ``models.training.__main__``."""
        return {
            "event": "step",
            "step": self.step,
            "steps": self.steps,
            "loss": round(self.loss, 4),
            "tokens_per_second": round(self.tokens_per_second, 1),
            "seconds_left": round(self.seconds_left, 1),
        }


OnStep = Callable[[Step], None]
"""Called several times a run."""


def fit(
    model: PreTrainedModel | PeftModel,
    tokenizer: Path,
    sequences: Sequence[TrainingSequence],
    examples: int,
    settings: TrainingSettings,
    work: Path,
    on_step: OnStep,
    *,
    cpu_bf16: bool = False,
) -> int:
    """Train ``model`` in place on ``sequences``, in their order; return the number of steps.

    ``work`` holds the checkpoints, and a run continues from the last one there. The number of
    ``examples`` determines the batch size. Products are in bf16 on a GPU that has it, and on a CPU
    with ``cpu_bf16``; weights and optimiser are as loaded. Of several processes each takes its
    share of every batch, and all end with the same model; the first one writes the checkpoints.
    Raises TrainingError if the loss is not finite.
    """
    batch = settings.batch_for(examples)
    micro_batch = max(1, min(settings.micro_batch, batch // settings.processes))
    at_once = micro_batch * settings.processes
    accumulation = max(1, batch // at_once)
    steps = -(-len(sequences) // (at_once * accumulation))
    steps = min(steps, settings.max_steps or steps)
    optimiser, schedule = _optimiser(model, settings, steps)
    trainer = _WeightedTrainer(
        model=model,
        args=_arguments(work, settings, steps, micro_batch, accumulation, cpu_bf16),
        data_collator=_collate,
        train_dataset=Dataset.from_dict(
            {"input_ids": [s.ids for s in sequences], "weights": [s.weights for s in sequences]}
        ),
        # TRL requires a tokenizer. The sequences are tokenized, so it is only saved with the
        # checkpoints.
        processing_class=AutoTokenizer.from_pretrained(tokenizer, local_files_only=True),
        optimizers=(optimiser, schedule),
        callbacks=[
            _Progress(
                steps,
                [len(sequence.ids) for sequence in sequences],
                at_once * accumulation,
                settings.minutes,
                on_step,
            ),
            _TimeLimit(settings.minutes),
        ],
    )
    trainer.partial_logits = _has_partial_logits(model)
    trainer.remove_callback(PrinterCallback)  # standard output is for events
    trainer.train(resume_from_checkpoint=_last_checkpoint(work))
    return int(trainer.state.global_step)


class _WeightedTrainer(SFTTrainer):
    """TRL's trainer with a loss weight for each token.

    A rating is one token among the hundreds of a text.
    """

    loss_is_scaled_for_ga = False  # type: ignore[assignment]  # None in the base, used as a bool
    partial_logits = False
    """Whether the model computes logits for some positions only."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        """Return the weighted mean cross-entropy.

        Padding is on the right, so causal attention needs no mask. Most tokens are those of
        prompts: logits of columns that no row trains on are not computed, where the model can leave
        them out.
        """
        ids, weights = inputs["input_ids"][:, 1:], inputs["weights"][:, 1:]
        columns = weights.any(0).nonzero().flatten()
        if self.partial_logits:
            outputs = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=columns)
            logits = outputs.logits
        else:
            outputs = model(input_ids=inputs["input_ids"], use_cache=False)
            logits = outputs.logits[:, columns]
        losses = functional.cross_entropy(
            logits.float().flatten(0, 1), ids[:, columns].flatten(), reduction="none"
        )
        kept = weights[:, columns].flatten()
        loss = (losses * kept).sum() / kept.sum()
        return (loss, outputs) if return_outputs else loss

    def _send_telemetry(self) -> None:
        """Do nothing: TRL would report each run to the hub."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> "Sampler[int]":
        # The order is part of the data: batches of similar length, the same after a restart.
        return SequentialSampler(train_dataset or self.train_dataset)  # type: ignore[arg-type]  # a Dataset has a length


class _Progress(TrainerCallback):
    """Reports the steps, and refuses a loss that is not finite."""

    def __init__(
        self,
        steps: int,
        lengths: Sequence[int],
        batch: int,
        minutes: float | None,
        on_step: OnStep,
    ) -> None:
        """``lengths`` are the tokens of each sequence, and a step has ``batch`` sequences."""
        self._steps = steps
        self._lengths = lengths
        self._batch = batch
        self._seconds = minutes * 60 if minutes is not None else float("inf")
        self._on_step = on_step
        self._started = time.monotonic()
        self._first = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        self._started, self._first = time.monotonic(), state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **others: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        step = state.global_step
        if not loss < float("inf"):
            raise TrainingError(f"the loss is {loss} at step {step}: lower the learning rate")
        elapsed = max(1e-9, time.monotonic() - self._started)
        tokens = sum(self._lengths[self._first * self._batch : step * self._batch])
        left = (self._steps - step) * elapsed / max(1, step - self._first)
        self._on_step(
            Step(
                step,
                self._steps,
                loss,
                tokens / elapsed,
                max(0.0, min(left, self._seconds - elapsed)),
            )
        )


class _TimeLimit(TrainerCallback):
    def __init__(self, minutes: float | None) -> None:
        self._seconds = minutes * 60 if minutes is not None else float("inf")
        self._started = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        over = torch.tensor(
            float(time.monotonic() - self._started >= self._seconds), device=args.device
        )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # All must stop at the same step: the others would wait for the gradients of one.
            torch.distributed.broadcast(over, 0)
        if over:
            control.should_training_stop = True


def _has_partial_logits(model: PreTrainedModel | PeftModel) -> bool:
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def _optimiser(
    model: PreTrainedModel | PeftModel, settings: TrainingSettings, steps: int
) -> tuple[torch.optim.AdamW, LambdaLR]:
    """Return AdamW and its schedule: warm-up, then a linear fall. Norms and biases do not decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    size = sum(p.numel() for p in model.parameters())
    rate = settings.rate_for(size, adapters=isinstance(model, PeftModel))
    warm_up = max(1, round(settings.warm_up * steps))

    def share(step: int) -> float:
        return min((step + 1) / warm_up, 1.0 - (1.0 - settings.final_share) * step / max(1, steps))

    optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))
    return optimiser, LambdaLR(optimiser, share)


def _arguments(
    work: Path,
    settings: TrainingSettings,
    steps: int,
    micro_batch: int,
    accumulation: int,
    cpu_bf16: bool,
) -> SFTConfig:
    cuda = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=accumulation,
        max_grad_norm=settings.clip,
        seed=settings.seed,
        save_steps=settings.save_steps,
        save_total_limit=2,  # if the last one is incomplete, the one before it is used
        logging_steps=max(1, min(5, steps // 10)),
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=not cuda,
        bf16=torch.cuda.is_bf16_supported() if cuda else cpu_bf16,
        fp16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _collate(rows: list[dict[str, list[Any]]]) -> dict[str, torch.Tensor]:
    ids, weights = pad(
        [TrainingSequence(tuple(row["input_ids"]), tuple(row["weights"])) for row in rows]
    )
    return {"input_ids": ids, "weights": weights}


def _last_checkpoint(work: Path) -> str | None:
    """Return the newest complete checkpoint: the trainer state is written last."""
    found = sorted(
        work.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True
    )
    for checkpoint in found:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(checkpoint)
    return None
