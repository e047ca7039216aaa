"""The models that are compared, and what their training sets are curated by."""

from enum import StrEnum


class Signal(StrEnum):
    """What candidates are rated by. All three are computed from the same evidence."""

    DIGITS = "digits"
    """Expected value of the digits that the model gives."""
    LIKELIHOOD = "likelihood"
    """The model's judge for likelihoods alone."""
    COMBINED = "combined"
    """The model's judge for likelihoods and digits."""


class Arm(StrEnum):
    """A model, by its training set."""

    BASE = "base"
    """The base as it is. It is measured once."""
    M0 = "m0"
    """Seeds alone, for fewer steps. This model writes the candidates and rates them."""
    M1 = "m1"
    """Seeds, and the best candidates by M0's combined ratings."""
    RANDOM = "random"
    """Seeds and as many random candidates."""
    LIKELIHOOD = "likelihood"
    """Seeds, and the best candidates by M0's likelihoods."""
    DIGITS = "digits"
    """Seeds, and the best candidates by M0's digits."""
    SEED_ONLY = "seed-only"
    """Seeds alone, for as many steps as M1."""
    CURATED_ONLY = "curated-only"
    """M1's candidates without the seeds."""
    M2 = "m2"
    """Seeds, and the best of the same candidates by M1's combined ratings."""


NAMES = {
    Arm.BASE: "the base as it is",
    Arm.M0: "M0: seeds, short",
    Arm.M1: "M1: seeds and curated by the combination",
    Arm.RANDOM: "seeds and uncurated (at random)",
    Arm.LIKELIHOOD: "seeds and curated by likelihood",
    Arm.DIGITS: "seeds and curated by digits",
    Arm.SEED_ONLY: "seeds alone, as long as M1",
    Arm.CURATED_ONLY: "curated alone",
    Arm.M2: "M2: seeds and curated by M1",
}
JUDGES: tuple[Arm, ...] = (Arm.M0, Arm.M1)
"""The models that rate candidates."""
CURATED: tuple[Arm, ...] = (Arm.M1, Arm.RANDOM, Arm.LIKELIHOOD, Arm.DIGITS, Arm.M2)
"""The models that have a set of candidates of their own."""
TRAINED: tuple[Arm, ...] = tuple(arm for arm in Arm if arm is not Arm.BASE)
"""In the order in which they are trained."""
