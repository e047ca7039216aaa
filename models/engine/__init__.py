"""The engine: ``await engine.generate(...)``, ``engine.rate(...)``, ``engine.score(...)``.

Reading order:

- ``engine``: what callers use. It has one ``replica`` or several; ``routing`` chooses between them.
- ``replica``: a thread that runs a ``core``; ``replica_state`` is its life as a table. Requests
  come in through ``inbox``, and ``thread_budget`` bounds the threads of all engines.
- ``continuous``: the core of our own graph, a loop of schedule, run, postprocess. ``scheduler``
  decides, from the ``request_queue`` and the allocator ``kv_slots`` with its ``prefix_cache``;
  ``onnx_runner`` computes, over ``kv_memory``; ``sampling`` chooses tokens.
- ``static``: the core of other graphs, which runs whole batches.
- ``loading``: from a model's files to replicas. ``placement`` chooses device and precision;
  ``cuda`` tells whether a GPU can be used, and ``cuda_copies`` copies in its memory.
"""

from models.engine.context_window import context_window_of
from models.engine.engine import Engine
from models.engine.limits import EngineLimits
from models.engine.requests import Generation
from models.engine.sampling import Choice, DigitProbabilities
from models.engine.stats import EngineStats
from models.engine.thread_budget import ThreadBudget
from models.precision import (
    DECODER_FILE,
    MODEL_FILE,
    PRECISION_FILE,
    Precision,
    chosen_precision,
)
from models.sampling import Sampling

__all__ = [
    "DECODER_FILE",
    "MODEL_FILE",
    "PRECISION_FILE",
    "Choice",
    "DigitProbabilities",
    "Engine",
    "EngineLimits",
    "EngineStats",
    "Generation",
    "Precision",
    "Sampling",
    "ThreadBudget",
    "chosen_precision",
    "context_window_of",
]
