"""Whether a shortlist gives the tokens that the host chooses from all logits, on a device."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from bench.report import Row
from models.engine.sampling import Sampler
from models.engine.shortlist import SHORTLIST_FILE, Shortlister
from models.export.graph.shortlist import build
from models.sampling import Sampling

_SAMPLINGS = (
    Sampling(),
    Sampling(repetition_penalty=1.3),
    Sampling(temperature=0.7, top_k=40, seed=2),
    Sampling(temperature=0.7, top_p=0.9, repetition_penalty=1.2, seed=3),
    Sampling(temperature=5.0, top_p=0.99, seed=4),
    Sampling(temperature=1.0, seed=1),
)
_SPREAD = 6
"""Standard deviation of the logits. With 150,000 of them, a nucleus of 0.9 then has a few dozen."""
_FALLING_BACK = 2
"""How many of them, the last ones, mostly need all logits."""


def measure(scratch: Path, device: str, vocabulary: int, steps: int) -> Iterator[Row]:
    """Equal tokens, and milliseconds of a step of 64 rows on both ways."""
    scratch.mkdir(parents=True, exist_ok=True)
    half = device == "cuda"
    build(scratch / SHORTLIST_FILE, half=half)
    shortlister = Shortlister.load(scratch / SHORTLIST_FILE, device, None)
    draw = np.random.default_rng(5)
    section = f"Shortlist sampling, 64 rows of {vocabulary:,} logits"
    for which, samplings in (
        ("shortlisted", _SAMPLINGS[:-_FALLING_BACK]),
        ("all logits needed", _SAMPLINGS[-_FALLING_BACK:]),
    ):
        listed, whole = (
            [Sampler(replace(samplings[row % len(samplings)], seed=row)) for row in range(64)]
            for _ in range(2)
        )
        equal: list[bool] = []
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(steps):
            logits = _SPREAD * draw.standard_normal((64, vocabulary), np.float32)
            if half:
                logits = logits.astype(np.float16)
            value = onnxruntime.OrtValue.ortvalue_from_numpy(logits, device, 0)
            started = time.perf_counter()
            chosen = shortlister.choose(value, listed)
            ours.append(1000 * (time.perf_counter() - started))
            started = time.perf_counter()
            rows = value.numpy().astype(np.float32)
            expected = [sampler.choose(row) for sampler, row in zip(whole, rows, strict=True)]
            theirs.append(1000 * (time.perf_counter() - started))
            equal += [one == other for one, other in zip(chosen, expected, strict=True)]
        yield Row(
            section,
            f"{which}: share of {len(equal):,} tokens equal to the host's",
            [float(np.mean(equal))],
            at_least=1.0,
        )
        yield Row(section, f"{which}: ms of a step", ours[1:])
        yield Row(section, f"{which}: ms of a step on the host", theirs[1:])
