"""The recipe of the house model: architecture, phases and hyperparameters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the training on one mix of sequences.

    Its learning rates warm up, hold, and fall to zero at the end.
    """

    tokens: int
    passages: float
    """Share of sequences that are passages of documentation, as plain text."""
    forward: float
    """Share of sequences that are instruction → response."""
    rated: float
    """Share of sequences that are a response with several instructions and their ratings.

    The rest is response → instruction.
    """
    decay: float
    """Share of the phase, at its end, over which the learning rates fall to zero linearly."""
    dropout: float = 0.0
    """Dropout of the embeddings and of each layer's residual outputs."""
    shortened: float = 0.0
    """Share of response → instruction sequences whose response lacks some sentences.

    See ``models/house/shorten.py``.
    """


PAIRS = Phase(tokens=3_000_000, passages=0.0, forward=0.4, rated=0.1, decay=0.01)
"""Human pairs alone, mostly short: the model learns to take words from the response."""

DOCUMENTATION = Phase(tokens=2_500_000, passages=0.25, forward=0.2, rated=0.3, decay=0.01)
"""Adds passages of documentation."""

ALL_ROLES = Phase(tokens=5_500_000, passages=0.05, forward=0.2, rated=0.35, decay=0.01)
"""All roles at the full learning rate."""

COOLDOWN = Phase(tokens=5_000_000, passages=0.03, forward=0.2, rated=0.35, decay=1.0)
"""The same with learning rates falling to zero, which brings the largest part of the gains."""

REGULARISED = Phase(
    tokens=4_500_000,
    passages=0.04,
    forward=0.15,
    rated=0.25,
    decay=0.01,
    dropout=0.1,
    shortened=0.5,
)
"""The full learning rate again, more than half of it response → instruction.

The pairs have been seen often by then, so dropout and shortened responses regularise.
"""

REGULARISED_COOLDOWN = Phase(
    tokens=3_200_000, passages=0.04, forward=0.15, rated=0.3, decay=1.0, dropout=0.1, shortened=0.5
)
"""The same with learning rates falling to zero."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Architecture and training of the house model. Trials are recorded in docs/decisions."""

    # Qwen3's architecture, with normed queries and keys; 7.5 M parameters, tied embeddings.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    key_value_heads: int = 5
    """As many as heads. With one for all the model did not learn to find words again."""
    context: int = 1536

    phases: tuple[Phase, ...] = (
        PAIRS,
        DOCUMENTATION,
        ALL_ROLES,
        COOLDOWN,
        REGULARISED,
        REGULARISED_COOLDOWN,
        REGULARISED,
        REGULARISED_COOLDOWN,
    )
    batch_tokens: int = 2500
    """Tokens of a batch, padding included. Small batches matter most in the budget of a CPU."""
    longest: int = 640
    """Highest number of tokens of a sequence; longer ones are left out, never cut."""
    held_out: int = 1000
    """Number of last rows of the instruction data, which are never trained on."""
    held_out_passages: float = 0.05
    """Share of the documentation that is held out, by the hash of the document's name."""

    prompt_weight: float = 0.5
    """Loss weight of a prompt token; a target token has 1."""
    rating_weight: float = 4.0
    """Loss weight of the digit of a rating."""
    grades: tuple[int, ...] = (5, 5, 5, 5, 5, 4, 3, 2, 1)
    """Grades from which that of the first pair of a rated response is drawn.

    For grades other than 5 the pair is damaged (``models/seeds/grades.py``).
    """
    negatives: int = 3
    """Number of hard negatives rated in the same pass (``models/house/contrast.py``)."""

    matrix_rate: float = 0.02
    """Learning rate of Muon, for the matrices inside the layers."""
    vector_rate: float = 0.003
    """Learning rate of AdamW, for embeddings and norms."""
    weight_decay: float = 0.01
    warm_up: float = 0.01
    """Share of a phase over which the learning rates rise."""
    clip: float = 1.0
    seed: int = 20
    checkpoint_minutes: float = 3.0
