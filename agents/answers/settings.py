"""The settings of the answerer: how it samples, and which answers it keeps."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import NoDecode

from agents.answers.forms import Form
from agents.curation.settings import split_at_commas
from models.prompts.tasks.answering import AnswerFormat

Formats = Annotated[
    tuple[AnswerFormat, ...], NoDecode, BeforeValidator(split_at_commas), Field(min_length=1)
]
_OF_TEXTS = (AnswerFormat.DIRECT,)
"""Formats whose prompts do not ask for a final answer."""


class AnsweringSettings(BaseModel):
    """How questions are answered. LMSI samples at 0.7 (arXiv 2210.11610)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    samples: int = Field(default=8, ge=1, le=64)
    """Answers to each question. More than one needs a temperature above 0."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
    max_tokens: int = Field(default=256, ge=1, le=4096)
    formats: Formats = (AnswerFormat.DIRECT, AnswerFormat.STEPS)
    """How the model is asked, in turns: the samples of a question are divided among them.

    ``direct``, ``steps`` (step by step), ``exemplars`` and ``steps_exemplars`` (after worked
    examples). A question whose answer is a text is asked directly whatever they are.
    """
    least_agreement: float = Field(default=0.5, ge=0, le=1)
    """Smallest share of the samples that must agree."""
    similarity: float = Field(default=0.35, gt=0, le=1)
    """ROUGE-L F1 from which on two texts agree."""
    keep: Literal["one", "all"] = "one"
    """Of the samples that agree, the one that is most like the others, or each one."""

    @model_validator(mode="after")
    def _samples_differ(self) -> "AnsweringSettings":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"samples {self.samples} needs a temperature above 0: at 0 all of them are the same"
            )
        return self

    def format_of(self, sample: int, form: Form) -> AnswerFormat:
        """The format of a sample of a question whose answer has this form."""
        formats = _OF_TEXTS if form is Form.TEXT else self.formats
        return formats[sample % len(formats)]
