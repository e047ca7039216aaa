"""What a release was trained on, by source, as its manifest says it."""

from pydantic import BaseModel, ConfigDict


class TrainedOn(BaseModel):
    """The examples of one source: human seeds, or a stage that made candidates."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    there: int
    """Number of examples there were, without those that are near to held-out pairs."""
    unsure: int = 0
    """Number of these that were left out, because too few answers agreed."""
    used: int
    """Number of different examples in an epoch."""
    drawn: int
    """Number of examples in an epoch, those that are there several times counted so often."""
    share: float
    """``drawn`` as a share of an epoch's examples."""
    asked_for: float | None = None
    """The share that the settings ask for; None where they ask for none."""
    confidence: float | None = None
    """Mean confidence of the used examples that have one; None where none has."""
    tag: str = ""
    """What its prompts are tagged with, so that people and models are told apart."""
