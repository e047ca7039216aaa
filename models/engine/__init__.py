"""The generation engine: ``await engine.generate(...)``, ``await engine.rate(...)``.

Reading order: an ``engine`` has one ``replica`` or several, each a thread that runs a ``core``;
``opening`` makes them, ``routing`` chooses between them, ``budget`` bounds their threads, ``inbox``
and ``requests`` lead in and out. Our core is ``continuous``, which decides at each step what is
read and decoded in the rows of ``slots``, with ``prefixes`` that earlier requests left;
``sampling`` chooses tokens, and ``precision`` the graph. Graphs that are not ours are run in whole
``batches``: ``scheduler``, ``decoding``, ``session``.
"""

from models.engine.budget import ThreadBudget
from models.engine.context_window import context_window_of
from models.engine.engine import Engine
from models.engine.limits import EngineLimits
from models.engine.onnx_runner import DECODER_FILE
from models.engine.precision import PRECISION_FILE, Precision, chosen_precision
from models.engine.replica import EngineStats
from models.engine.requests import Generation
from models.engine.sampling import DigitProbabilities, Sampling
from models.engine.static.batch_runner import MODEL_FILE

__all__ = [
    "DECODER_FILE",
    "MODEL_FILE",
    "PRECISION_FILE",
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
