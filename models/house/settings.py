"""Every choice of the house model's recipe, in one place."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training on one mix, with a learning rate that warms up, holds and falls to zero."""

    tokens: int
    batch_tokens: int
    longest: int
    """Tokens of the longest sequence; longer ones are left out, never cut."""
    documentation_share: float
    """Share of sequences that are plain documentation text."""
    forward_share: float
    """Share of sequences that train instruction → response; what is left trains response → instruction and its rating."""
    grades: tuple[int, ...]
    """Grades from which one is drawn for each response → instruction sequence."""
    unrated: float
    """Share of the fives that end as a generation does, without their rating."""
    prompt_weight: float
    """Loss weight of a prompt token; a target token has 1."""
    decay: float
    """Share of the phase, at its end, over which the rates fall to zero in a straight line."""
    rivals: int = 0
    """Wrong instructions that are rated in the same pass as each graded one (``models/house/contrast.py``)."""


READING = Phase(
    tokens=5_500_000,
    batch_tokens=3000,
    longest=1024,
    documentation_share=0.05,
    forward_share=0.25,
    grades=(5,) * 9 + (4, 4, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1),
    unrated=0.5,
    prompt_weight=0.5,
    decay=0.4,
)
"""Long passages and documentation: what language looks like."""

ROLES = Phase(
    tokens=1_800_000,
    batch_tokens=2000,
    longest=512,
    documentation_share=0.0,
    forward_share=0.15,
    grades=(5,) * 9 + (4, 3, 2, 2, 1, 1, 1, 1),
    unrated=0.5,
    prompt_weight=0.2,
    decay=0.01,
)
"""Short passages and small batches, most of the loss on the instruction and the rating."""

COPYING = Phase(
    tokens=1_600_000,
    batch_tokens=2000,
    longest=512,
    documentation_share=0.0,
    forward_share=0.45,
    grades=(5,),
    unrated=1.0,
    prompt_weight=0.5,
    decay=0.01,
)
"""True pairs alone, in both directions, at the full rate: where copying from the prompt sets in."""

RATING = Phase(
    tokens=1_000_000,
    batch_tokens=2000,
    longest=640,
    documentation_share=0.0,
    forward_share=0.15,
    grades=(5,) * 10 + (4, 3, 2, 2, 1, 1, 1, 1, 1),
    unrated=0.4,
    prompt_weight=0.3,
    decay=0.95,
)
"""All roles, the rates falling to zero: the ratings can now use what the model knows of a pair."""


COPYING_AGAIN = replace(COPYING, tokens=800_000, forward_share=0.35, prompt_weight=0.3)
RATING_AGAIN = replace(RATING, tokens=1_000_000, forward_share=0.1)
COPYING_LONG = replace(COPYING, tokens=3_500_000, forward_share=0.35, prompt_weight=0.4)
CONTRAST = replace(
    RATING, tokens=3_500_000, batch_tokens=2500, forward_share=0.1, grades=(5,) * 5 + (4, 3, 2, 1), unrated=0.3, rivals=3
)
"""Ratings of a true and three wrong instructions for one response at a time; the rates fall to zero."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the house model is made of and how it is trained. DECISIONS.md tells what was tried."""

    # Shape: 6.7 M parameters, one key/value head, tied embeddings.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    key_value_heads: int = 1
    context: int = 1536

    phases: tuple[Phase, ...] = (READING, ROLES, COPYING, RATING, COPYING_AGAIN, RATING_AGAIN, COPYING_LONG, CONTRAST)
    held_out: int = 1000
    """The last rows of the instruction data, never trained on."""

    matrix_rate: float = 0.02
    """Muon, for the matrices inside the layers."""
    vector_rate: float = 0.003
    """AdamW, for embeddings and norms."""
    weight_decay: float = 0.01
    warm_up: float = 0.01
    """Share of a phase over which the rates rise."""
    clip: float = 1.0
    rating_weight: float = 4.0
    """Loss weight of the one digit of a rating."""
    seed: int = 20
    checkpoint_minutes: float = 3.0
