"""Trains the writer's adapter, from the data to ``adapter_model.safetensors``. Resumable.

``python -m models.writer.train --base DIRECTORY --dolly dolly.jsonl``

The base is a checkpoint of SmolLM2-135M-Instruct, and the data the whole file of Dolly-15k. All
else is in ``settings.py``. A run that is started again with the same options goes on from its last
checkpoint. Trains on the GPU where there is one, else in bf16 where the CPU is faster so. Standard
output and ``log.jsonl`` get a JSON line every few steps.
"""

import os

# The hub is not needed, and TRL must not report. Must precede the libraries.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import argparse
from dataclasses import fields, replace
from pathlib import Path

from models.training.cpu_precision import find_cpu_precision
from models.writer.settings import Recipe


def main() -> None:
    defaults = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m models.writer.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--base", type=Path, required=True, help="a checkpoint of SmolLM2-135M-Instruct"
    )
    parser.add_argument("--dolly", type=Path, required=True, help="Dolly-15k as JSON lines")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work/writer"),
        help="adapter, checkpoints and log (default: work/writer)",
    )
    parser.add_argument(
        "--forward-share",
        type=float,
        default=defaults.forward_share,
        help="share of the pairs that an epoch has forward",
    )
    parser.add_argument(
        "--ratings", type=int, default=defaults.ratings, help="graded pairs of an epoch"
    )
    parser.add_argument(
        "--longest",
        type=int,
        default=defaults.longest,
        help="tokens of a sequence above which it is left out",
    )
    parser.add_argument("--save-steps", type=int, default=defaults.save_steps)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="peak learning rate")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--batch", type=int, default=defaults.batch, help="sequences of a step")
    parser.add_argument("--micro-batch", type=int, default=defaults.micro_batch)
    parser.add_argument("--minutes", type=float, help="stop training after this time")
    parser.add_argument("--max-steps", type=int, help="stop after this many steps")
    parser.add_argument(
        "--measured", type=int, default=200, help="validation rows to measure at the end"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    chosen = {field.name: getattr(options, field.name, None) for field in fields(Recipe)}
    recipe = replace(
        defaults, **{name: value for name, value in chosen.items() if value is not None}
    )
    precision = find_cpu_precision(options.base, options.threads)
    precision.apply(os.environ)
    print(f"on a CPU: {precision.name}, because {precision.reason}", flush=True)
    # Imported here: the environment must be set before torch is imported.
    import torch

    from models.writer.run import train

    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    adapter = train(
        recipe,
        options.base,
        options.dolly,
        options.work,
        max_steps=options.max_steps,
        minutes=options.minutes,
        measured=options.measured,
        cpu_bf16=precision.bf16,
    )
    print(adapter)


if __name__ == "__main__":
    main()
