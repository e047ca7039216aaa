"""Plots the loss of a training run.

``python -m models.writer.plot work/writer/log.jsonl models/writer/loss.svg``
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "backstream"  # the same run gives the same file

from matplotlib import pyplot as plt


def draw(log: Path, picture: Path) -> None:
    """Plot the training loss by steps.

    The loss is a mean over the steps since the last line, weighted as in training. It is not a
    held-out metric. Where a run was resumed, the later line of a step counts.
    """
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    losses = {row["step"]: row["loss"] for row in rows if row["event"] == "step"}
    steps = sorted(losses)
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot(steps, [losses[step] for step in steps], linewidth=1.5)
    axes.set(xlabel="step", ylabel="weighted training loss, nats a token")
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
