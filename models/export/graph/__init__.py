"""Graphs of our own for the engine, built from a transformers model's weights (torch)."""

from models.export.graph.decoder import build
from models.export.graph.levelling import Spans, level
from models.export.graph.ranges import Ranges, measure
from models.export.graph.smoothing import smooth

__all__ = ["Ranges", "Spans", "build", "level", "measure", "smooth"]
