"""The settings of the curator: its limits, and which of its rules are on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import NoDecode

from agents.figures import as_least, as_score, as_share
from agents.refusal import Refusal
from models.evaluation.rouge import NEAR
from schemas.categories import Category
from schemas.records import Rating

SELF_INSTRUCT_KEYWORDS = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps"),
    *("draw", "plot", "go to"),
)
"""What a text-only model cannot see or make, by Self-Instruct (arXiv 2212.10560, section 2.2)."""

MIX: Mapping[Category, float] = {
    Category.OPEN_QA: 0.1,
    Category.GENERAL_QA: 0.1,
    Category.BRAINSTORMING: 0.04,
    Category.CREATIVE_WRITING: 0.01,
    Category.CLOSED_QA: 0.27,
    Category.INFORMATION_EXTRACTION: 0.17,
    Category.SUMMARIZATION: 0.22,
    Category.CLASSIFICATION: 0.09,
}
"""Wanted shares of the categories: 75% with a context, of which the curator refuses more."""
_LEAST_SHARE, _MOST_SHARE = 1e-6, 1e6


def _share(value: float) -> float:
    """A share that products with probabilities and sums of shares neither lose nor overflow."""
    if value == 0 or _LEAST_SHARE <= value <= _MOST_SHARE:
        return value
    raise ValueError(f"a share is 0, or from {_LEAST_SHARE:f} to {_MOST_SHARE:.0f}")


Share = Annotated[float, AfterValidator(_share)]


def split_at_commas(value: Any) -> Any:
    """A list in one string, as the environment holds it. Anything else is returned as it is."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


Keywords = Annotated[
    tuple[Annotated[str, Field(pattern=r"\S")], ...], NoDecode, BeforeValidator(split_at_commas)
]


class CurationRules(BaseModel):
    """Which rules are on. The name of a rule is the reason of its rejections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    below_threshold: bool = True
    below_precision: bool = True
    language: bool = True
    instruction_too_short: bool = True
    instruction_too_long: bool = True
    instruction_start: bool = True
    instruction_no_letter: bool = True
    instruction_keyword: bool = True
    instruction_repeats: bool = True
    repeats_turn: bool = True
    prompt_leak: bool = True
    response_echoes_instruction: bool = True
    instruction_echoes_response: bool = True
    unknown_identifier: bool = True
    personal_data: bool = True
    toxic: bool = True
    unfaithful: bool = True
    benchmark: bool = True
    outrated: bool = True
    same_response: bool = True
    not_novel: bool = True
    near_duplicate: bool = True

    def first(self, refusals: Iterator[Refusal]) -> Refusal | None:
        """The first refusal by a rule that is on. Later refusals are not computed."""
        return next((one for one in refusals if getattr(self, one.reason)), None)


class CuratorSettings(BaseModel):
    """Which examples are accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: float = Field(default=4.0, ge=1, le=5)
    """Lowest rating that is accepted. The paper trains on 4 and on 4.5 (arXiv 2308.06259)."""
    target_precision: float | None = Field(default=None, gt=0, le=1)
    """Share of the accepted examples that shall deserve a 4 or 5, such as 0.9.

    Each release's calibration then gives the lowest rating that passes. ``threshold`` holds for
    ratings of releases without a judge.
    """
    novelty: float = Field(default=NEAR, gt=0, le=1)
    """An instruction's ROUGE-L F1 with every accepted instruction must be below this."""
    passage_novelty: float = Field(default=0.7, gt=0, le=1)
    """A response's Jaccard similarity with every accepted response must be below this.

    It is estimated (``near_passages``): at 0.7 the error of the estimate hides 1% of the pairs with
    a similarity of 0.8.
    """
    min_words: int = Field(default=2, ge=1)
    """Fewest words of an instruction. Self-Instruct drops three or fewer."""
    max_words: int = Field(default=150, ge=1)
    """Most words of an instruction."""
    keywords: Keywords = ()
    """Words and phrases that no instruction may contain, in any case."""
    invented_keywords: Keywords = SELF_INSTRUCT_KEYWORDS
    """The same for instructions that were neither written for a passage nor asked by a user."""
    ascii_start: bool = False
    """Whether an instruction must start with an ASCII character, as in Self-Instruct."""
    languages: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...],
        NoDecode,
        BeforeValidator(split_at_commas),
    ] = ()
    """Languages of the passages that are accepted, as codes of ISO 639. None: every language.

    A passage whose language is not known passes.
    """
    personal_data: Literal["keep", "mask", "refuse"] = "keep"
    """What happens to e-mail addresses, phone numbers and keys, or to the examples with them."""
    toxic_words: Path | None = None
    """A file of words and phrases, one a line, that no example may contain."""
    faithfulness: float = Field(default=0.0, ge=0, le=1)
    """Smallest share of a response's words that must be in the context, where there is one."""
    benchmarks: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(split_at_commas)] = ()
    """Files of benchmarks. An example with 13 words in a row of one of them is refused."""
    mix: dict[Category, Share] = Field(default_factory=lambda: dict(MIX))
    """Wanted shares of the categories of tasks, which need not sum to 1.

    The backward stage draws the task of each passage by them. None: each passage is a response, and
    no category is chosen.
    """
    rules: CurationRules = CurationRules()
    """Which rules are on."""

    @model_validator(mode="after")
    def _in_order(self) -> "CuratorSettings":
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self

    def refuse_language(self, language: str | None) -> Refusal | None:
        """Refuse a passage in another language."""
        if not self.languages or language is None or language in self.languages:
            return None
        return Refusal("language", f"{language}, not {' or '.join(self.languages)}")

    def refuse_rating(self, rating: Rating) -> Refusal | None:
        """Refuse a rating that is too low, unless the rule is off."""
        return self.rules.first(self._rating_refusals(rating))

    def limit_for(self, rating: Rating) -> dict[str, float | None]:
        """The limit that decides on a rating, as the fields of an example. Empty for none."""
        if self.target_precision is not None and rating.precision is not None:
            return {"target_precision": self.target_precision} if self.rules.below_precision else {}
        return {"threshold": self.threshold} if self.rules.below_threshold else {}

    def _rating_refusals(self, rating: Rating) -> Iterator[Refusal]:
        if self.target_precision is not None and rating.precision is not None:
            if rating.precision < self.target_precision:
                yield Refusal(
                    "below_precision",
                    f"rated {as_score(rating.score)}, from which on {as_share(rating.precision)} "
                    f"deserve a 4 or 5, at least {as_least(self.target_precision)}",
                )
        elif rating.score < self.threshold:
            yield Refusal(
                "below_threshold", f"rated {as_score(rating.score)}, at least {self.threshold:g}"
            )
