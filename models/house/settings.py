"""Every choice of the house model's recipe, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the house model is made of and how it is trained.

    The shape and the optimisers' rates come from a search recorded in DECISIONS.md.
    """

    # Shape: 6.6 M parameters, one key/value head, tied embeddings.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    key_value_heads: int = 1
    context: int = 1536

    # Data.
    longest: int = 1024
    """Tokens of the longest training sequence; longer ones are left out, never cut."""
    held_out: int = 1000
    """The last rows of the instruction data, never trained on."""
    documentation_share: float = 0.05
    """Share of sequences that are plain documentation text."""
    forward_share: float = 0.25
    """Share of sequences that train instruction → response; the rest train response → instruction and its rating."""

    # Optimisation.
    tokens: int = 5_500_000
    batch_tokens: int = 3000
    matrix_rate: float = 0.02
    """Muon, for the matrices inside the layers."""
    vector_rate: float = 0.003
    """AdamW, for embeddings and norms."""
    weight_decay: float = 0.01
    warm_up: float = 0.01
    decay: float = 0.4
    """Share of the run, at its end, over which the rates fall to zero in a straight line."""
    clip: float = 1.0
    prompt_weight: float = 0.5
    """Loss weight of a prompt token; a target token has 1."""
    rating_weight: float = 4.0
    """Loss weight of the one digit of a rating."""
    seed: int = 20
    checkpoint_minutes: float = 3.0
