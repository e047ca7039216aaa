"""Graphs of our own for the engine, built from a transformers model's weights (torch)."""

from models.graph.decoder import build
from models.graph.levelling import Spans, level
from models.graph.ranges import Ranges, measure
from models.graph.smoothing import smooth

__all__ = ["Ranges", "Spans", "build", "level", "measure", "smooth"]
