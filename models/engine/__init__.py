"""The generation engine: ``await engine.generate(...)``, ``await engine.rate(...)``.

Reading order: an ``engine`` has one ``lane`` or several, each a thread that runs a ``core``;
``opening`` makes them, ``routing`` chooses between them, ``budget`` bounds their threads, ``inbox``
and ``requests`` lead in and out. Our core is ``continuous``, which decides at each step what is
read and decoded in the rows of ``slots``, with ``prefixes`` that earlier requests left;
``sampling`` chooses tokens, and ``precision`` the graph. Graphs that are not ours are run in whole
``batches``: ``scheduler``, ``decoding``, ``session``.
"""

from models.engine.budget import Budget
from models.engine.context_window import context_window_of
from models.engine.engine import Engine
from models.engine.lane import EngineStats
from models.engine.limits import EngineLimits
from models.engine.precision import COMPARISON, Precision, chosen_precision
from models.engine.requests import Generation
from models.engine.sampling import DigitProbabilities, Sampling
from models.engine.slots import DECODER_FILE
from models.engine.static.session import MODEL_FILE

__all__ = [
    "COMPARISON",
    "DECODER_FILE",
    "MODEL_FILE",
    "Budget",
    "DigitProbabilities",
    "Engine",
    "EngineLimits",
    "EngineStats",
    "Generation",
    "Precision",
    "Sampling",
    "chosen_precision",
    "context_window_of",
]
