"""The generation engine: ``await engine.generate(...)``, ``await engine.rate(...)``.

Reading order: ``scheduler`` decides what runs together, ``session`` computes, ``sampling`` chooses tokens, ``decoding``
goes through the steps of one batch, ``inbox`` and ``requests`` lead in and out, ``engine`` owns the thread.
"""

from models.engine.engine import Engine, EngineStats
from models.engine.requests import Generation
from models.engine.sampling import DigitProbabilities, Sampling
from models.engine.scheduler import EngineLimits

__all__ = ["DigitProbabilities", "Engine", "EngineLimits", "EngineStats", "Generation", "Sampling"]
