"""Every choice of the house model's recipe, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training on one mix of sequences, with rates that warm up, hold, and fall to
    zero at its end.
    """

    tokens: int
    passages: float
    """Share of sequences that are passages of documentation, as plain text."""
    forward: float
    """Share that are instruction → response."""
    rated: float
    """Share that are a response with several instructions and the rating of each. What is left is
    response → instruction.
    """
    decay: float
    """Share of the phase, at its end, over which the rates fall to zero in a straight line."""
    dropout: float = 0.0
    """Of what is embedded, and of what each layer adds."""
    shortened: float = 0.0
    """Share of response → instruction sequences whose response lacks some sentences
    (``models/house/shorten.py``).
    """


PAIRS = Phase(tokens=3_000_000, passages=0.0, forward=0.4, rated=0.1, decay=0.01)
"""Human pairs alone, mostly short: that an instruction takes its words from the response."""

READING = Phase(tokens=2_500_000, passages=0.25, forward=0.2, rated=0.3, decay=0.01)
"""What documentation looks like."""

ROLES = Phase(tokens=5_500_000, passages=0.05, forward=0.2, rated=0.35, decay=0.01)
"""All roles at the full rate."""

COOLING = Phase(tokens=5_000_000, passages=0.03, forward=0.2, rated=0.35, decay=1.0)
"""The same, the rates falling to zero: where most of the figures are won."""

AGAIN = Phase(
    tokens=4_500_000,
    passages=0.04,
    forward=0.15,
    rated=0.25,
    decay=0.01,
    dropout=0.1,
    shortened=0.5,
)
"""The full rate again, more than half of it response → instruction. The pairs were read often by
now: none the same again.
"""

COOLING_AGAIN = Phase(
    tokens=3_200_000, passages=0.04, forward=0.15, rated=0.3, decay=1.0, dropout=0.1, shortened=0.5
)
"""To zero once more."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the house model is made of and how it is trained. docs/decisions states what was tried."""

    # Shape: Qwen3's, with normed queries and keys; 7.5 M parameters, tied embeddings.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    key_value_heads: int = 5
    """As many as heads: with one for all, a head that finds words again took several times as long
    to appear.
    """
    context: int = 1536

    phases: tuple[Phase, ...] = (
        PAIRS,
        READING,
        ROLES,
        COOLING,
        AGAIN,
        COOLING_AGAIN,
        AGAIN,
        COOLING_AGAIN,
    )
    batch_tokens: int = 2500
    """Padding included. Small batches mattered more than anything else in the budget of a CPU."""
    longest: int = 640
    """Tokens of the longest sequence; longer ones are left out, never cut."""
    held_out: int = 1000
    """The last rows of the instruction data, never trained on."""
    held_out_passages: float = 0.05
    """Share of the documentation that is never trained on, chosen by the hash of its document's
    name.
    """

    prompt_weight: float = 0.5
    """Loss weight of a prompt token; a target token has 1."""
    rating_weight: float = 4.0
    """Loss weight of the one digit of a rating."""
    grades: tuple[int, ...] = (5, 5, 5, 5, 5, 4, 3, 2, 1)
    """Grades from which the first pair of a rated response is drawn; anything but a 5 is damaged
    (``models/seeds/grades.py``).
    """
    rivals: int = 3
    """Wrong instructions that are rated in the same pass (``models/house/contrast.py``)."""

    matrix_rate: float = 0.02
    """Muon, for the matrices inside the layers."""
    vector_rate: float = 0.003
    """AdamW, for embeddings and norms."""
    weight_decay: float = 0.01
    warm_up: float = 0.01
    """Share of a phase over which the rates rise."""
    clip: float = 1.0
    seed: int = 20
    checkpoint_minutes: float = 3.0
