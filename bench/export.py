"""How long the export of a chat model of 135 million parameters takes, beside its bound.

Run with ``python -m bench.export [--model PATH_OR_ID]``. Without ``--model`` it exports random
weights of the shape of SmolLM2-135M-Instruct: its configuration, a chat template, and a tokenizer
trained on the shipped seeds. int8 passes for these weights, so all pairs are compared. A model that
int8 fails takes less time.
"""

import argparse
import functools
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from models.engine import PRECISION_FILE
from models.releases.catalogue import prepare
from models.seeds import read_seeds

_BOUND_SECONDS = 180.0
"""On two cores with nothing else to do."""
_TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
_CHAT_TEMPLATE = (
    "{% for m in messages %}" + _TURN + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_random_model(directory: Path) -> Path:
    """Write a checkpoint of the shape of SmolLM2-135M-Instruct."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    _write_tokenizer(directory)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        rope_theta=100_000.0,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(directory)
    return directory


def _write_tokenizer(directory: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for seed in read_seeds() for text in (seed.instruction, seed.response)]
    tokenizer.train_from_iterator(texts, trainer)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "chat_template": _CHAT_TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def main() -> int:
    """Export once into an empty cache; returns 1 where it took longer than the bound."""
    parser = argparse.ArgumentParser(prog="python -m bench.export", description=__doc__)
    parser.add_argument("--model", help="a checkpoint's directory, a hub id, or house")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backstream-export-") as scratch:
        model = arguments.model or str(write_random_model(Path(scratch, "random-135m")))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        release = prepare(model, Path(scratch, "cache"), progress=functools.partial(_show, started))
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        compared = json.loads((release / PRECISION_FILE).read_text(encoding="utf-8"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{model}: exported in {seconds:.0f} s ({cpu:.0f} s of CPU), of which {_BOUND_SECONDS:.0f} "
        f"are allowed; served in {compared['chosen']} after {compared['pairs']} pairs"
    )
    return int(seconds > _BOUND_SECONDS)


def _show(started: float, line: str) -> None:
    print(f"{time.monotonic() - started:5.0f} s  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
