"""The engine's own graphs, built from a transformers model's weights. Needs torch."""

from models.export.graph.decoder import build
from models.export.graph.equalization import AbsmaxRanges, equalize
from models.export.graph.ranges import ActivationRanges, measure
from models.export.graph.rotation import rotate

__all__ = [
    "AbsmaxRanges",
    "ActivationRanges",
    "build",
    "equalize",
    "measure",
    "rotate",
]
