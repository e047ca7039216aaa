"""The settings of the answerer: how it samples, and which answers it keeps."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from agents.answers.form import Form
from agents.curation.settings import split_at_commas
from agents.sampling import SeveralSamples
from models.prompts.tasks.answering import AnswerFormat

Formats = Annotated[
    tuple[AnswerFormat, ...], NoDecode, BeforeValidator(split_at_commas), Field(min_length=1)
]
_OF_TEXTS = (AnswerFormat.DIRECT,)
"""Formats whose prompts do not ask for a final answer."""


class AnsweringSettings(SeveralSamples):
    """How questions are answered. LMSI samples at 0.7 (arXiv 2210.11610)."""

    samples: int = Field(default=8, ge=1, le=64)
    """Answers to each question. More than one needs a temperature above 0."""
    temperature: float = Field(default=0.7, ge=0, le=2)
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

    def format_of(self, sample: int, form: Form) -> AnswerFormat:
        """The format of a sample of a question whose answer has this form."""
        formats = _OF_TEXTS if form is Form.TEXT else self.formats
        return formats[sample % len(formats)]
