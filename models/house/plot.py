"""Plots the loss of a training run.

``python -m models.house.plot work/house/log.jsonl models/house/loss.svg``
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "backstream"  # the same run gives the same file

from matplotlib import pyplot as plt

from models.house.settings import Recipe


def draw(log: Path, picture: Path) -> None:
    """Plot the training loss by tokens, with the beginnings of the phases.

    The loss is a moving mean over the phase's own mix of sequences, so it jumps between phases. It
    is not a held-out metric.
    """
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    phases = Recipe().phases
    before = [sum(phase.tokens for phase in phases[:index]) for index in range(len(phases))]
    figure, axes = plt.subplots(figsize=(8, 4))
    for index in range(len(phases)):
        mine = [row for row in rows if row["phase"] == index]
        axes.plot(
            [(before[index] + row["tokens"]) / 1e6 for row in mine],
            [row["loss"] for row in mine],
            linewidth=1.5,
        )
        axes.axvline(before[index] / 1e6, color="grey", linewidth=0.5)
    axes.set(xlabel="million tokens", ylabel="weighted training loss, nats a token", ylim=(2, 7))
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
