"""Whether training on this CPU is done in bf16: tried in a child process, decided by what happens.

Some machines report AMX and kill a process that uses it (SIGILL); others have it and compute bf16
products twice as fast as fp32 ones. A processor's flags do not tell them apart.
"""

import json
import os
import subprocess
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ISA = "ONEDNN_MAX_CPU_ISA"
_WITHOUT_AMX = "AVX512_CORE_BF16"
_LARGE_BYTES = 100_000_000
"""Size of the weights from which the trial, some seconds, is short beside a run."""
_FASTER = 1.15
"""Times as fast as fp32 that bf16 must be: it rounds, and timings are noisy."""
_CLOSE = 0.02
"""Largest difference of a bf16 gradient from the fp32 one, as a share of its norm."""
_TIMEOUT_SECONDS = 60
_ROUNDS = 5
_TOKENS, _WIDTH, _INNER = 1024, 576, 1536
"""Shape of the products that are timed: those of a feed-forward layer of a small model."""


@dataclass(frozen=True, slots=True)
class CpuPrecision:
    """How to train on this CPU."""

    bf16: bool
    """Products in bf16 (autocast); weights and optimiser stay in fp32."""
    amx: bool
    """Whether oneDNN may use AMX."""
    reason: str
    """One clause, for people."""

    @property
    def name(self) -> str:
        """``bf16`` or ``fp32``."""
        return "bf16" if self.bf16 else "fp32"

    def apply(self, environment: MutableMapping[str, str]) -> None:
        """Set oneDNN's limit, unless the user has set one. Call before torch is imported."""
        if not self.amx:
            environment.setdefault(_ISA, _WITHOUT_AMX)


FP32 = CpuPrecision(False, False, "not tried")


def find_cpu_precision(base: Path, threads: int) -> CpuPrecision:
    """Try bf16 products in a child process, first as oneDNN would choose, then without AMX.

    Takes up to ten seconds. The answer is fp32 where both end badly or bf16 is not faster, and,
    without a trial, for a small ``base`` directory.
    """
    if sum(file.stat().st_size for file in base.glob("*.safetensors")) < _LARGE_BYTES:
        return CpuPrecision(False, False, "the model is small")
    tried = []
    for amx in (True, False):
        measured, problem = _try(threads, amx)
        if measured is None:
            tried.append(problem)
            continue
        ratio, difference = measured["ratio"], measured["difference"]
        if not difference <= _CLOSE:
            tried.append(f"bf16 gradients differ by {difference:.1%}")
        elif ratio < _FASTER:
            tried.append(f"bf16 is {ratio:.2f} times as fast as fp32")
            break  # without AMX it is no faster
        else:
            return CpuPrecision(True, amx, f"bf16 is {ratio:.1f} times as fast as fp32")
        if _ISA in os.environ:
            break  # the user's limit holds for both
    return CpuPrecision(False, False, "; ".join(dict.fromkeys(tried)))


def _try(threads: int, amx: bool) -> tuple[dict[str, Any] | None, str]:
    """The measurements of a child process, or None and what became of it."""
    environment = dict(os.environ)
    if not amx:
        environment.setdefault(_ISA, _WITHOUT_AMX)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "models.training.cpu_precision", str(threads)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"bf16 products took over {_TIMEOUT_SECONDS} s"
    if ran.returncode:
        return None, f"bf16 products ended a process with code {ran.returncode}"
    measured: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return measured, ""


def _measure(threads: int) -> dict[str, float]:
    """Time a feed-forward layer forward and backward in both precisions, alternating."""
    import time

    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layer = torch.nn.Sequential(
        torch.nn.Linear(_WIDTH, _INNER), torch.nn.SiLU(), torch.nn.Linear(_INNER, _WIDTH)
    )
    inputs = torch.randn(_TOKENS, _WIDTH)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    gradients: dict[bool, torch.Tensor] = {}
    for _ in range(_ROUNDS):
        for bf16 in (True, False):
            layer.zero_grad()
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = layer(inputs).float().square().mean()
            loss.backward()
            seconds[bf16].append(time.perf_counter() - started)
            gradients[bf16] = torch.cat([p.grad.flatten() for p in layer.parameters()])
    difference = (gradients[True] - gradients[False]).norm() / gradients[False].norm()
    return {
        "ratio": min(seconds[False]) / min(seconds[True]),
        "difference": float(difference),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
