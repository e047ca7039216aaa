"""Pairs that people rated, with the evidence about them: what a judge learns from beside seeds.

A model's or a release's directory may hold them as ``rated.jsonl``. It has figures and no texts, so
it can be shared where the texts cannot. A release that is trained from another takes over its file:
a fine-tuned model's likelihoods are near to those of its base.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.atomic_file import write_atomically
from models.evaluation.human_ratings import RatedPair
from models.judging.evidence import EvidenceKind
from models.judging.examiner import Examiner
from models.judging.judge import VERSION
from models.judging.measuring import Opened
from models.progress import Report, at_intervals
from schemas.errors import ModelError

RATED_FILE = "rated.jsonl"
_DIGITS = 5
"""Significant digits of a figure in the file."""
_AT_ONCE = 8


class RatedEvidence(BaseModel):
    """A person's rating of a pair, and the evidence about the pair."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    id: str
    """Of the example, or of its passage."""
    passage: str = Field(pattern=r"^[0-9a-f]{1,64}$")
    """Hash of the response. Pairs with the same one are never fitted on and tested on apart."""
    score: int = Field(ge=1, le=5)
    evidence: dict[str, float]
    """Every figure of ``EvidenceKind.COMBINED``."""
    version: int = VERSION
    """Of the meaning of the figures, as ``Judges.version``."""


def passage_hash(response: str) -> str:
    """The hash of a response, in 16 hexadecimal digits."""
    return hashlib.sha256(response.encode("utf-8", "surrogatepass")).hexdigest()[:16]


async def examine_rated(
    release: Opened, pairs: Sequence[RatedPair], report: Report = lambda line: None
) -> list[RatedEvidence]:
    """The evidence about rated pairs, with a release's engine.

    A pair that does not fit the context window, or whose likelihood is not a number, is left out.
    ``report`` gets a line every few seconds.
    """
    examiner, room, done = (
        Examiner(release.engine, release.prompter),
        asyncio.Semaphore(_AT_ONCE),
        0,
    )
    tick = at_intervals(report)

    async def examined(rated: RatedPair) -> RatedEvidence | None:
        nonlocal done
        pair = rated.pair
        async with room:
            try:
                evidence = await examiner.examine(
                    EvidenceKind.COMBINED,
                    pair.instruction,
                    pair.response,
                    pair.context,
                    headings=rated.headings,
                    turns=pair.turns,
                )
            except ModelError:  # too long, or not a number
                return None
            finally:
                done += 1
                tick(f"fitting the judge: {done} of {len(pairs)} rated pairs")
        passage = passage_hash(pair.response)
        return RatedEvidence(id=rated.id, passage=passage, score=rated.score, evidence=evidence)

    return [each for each in await asyncio.gather(*map(examined, pairs)) if each]


def read_rated(directory: Path) -> list[RatedEvidence]:
    """The rated pairs of a model's or a release's directory; none where it has no such file.

    Those whose figures have another meaning by now are left out. Raises ModelError, which names the
    file and line.
    """
    file = directory / RATED_FILE
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    read = (_read(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip())
    return [each for each in read if each.version == VERSION]


def write_rated(directory: Path, rated: Iterable[RatedEvidence]) -> None:
    """Write ``rated.jsonl``, in the order of ids. Not written where there are none."""
    ordered = sorted(rated, key=lambda each: each.id)
    if ordered:
        lines = (_rounded(each).model_dump_json() + "\n" for each in ordered)
        write_atomically(directory / RATED_FILE, "".join(lines))


def _rounded(rated: RatedEvidence) -> RatedEvidence:
    figures = {name: float(f"{value:.{_DIGITS}g}") for name, value in rated.evidence.items()}
    return rated.model_copy(update={"evidence": figures})


def _read(line: bytes, place: str) -> RatedEvidence:
    try:
        rated = RatedEvidence.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "it"
        raise ModelError(f"{place} is not a rated pair: {field}: {first['msg']}") from error
    if missing := [name for name in EvidenceKind.COMBINED.figures if name not in rated.evidence]:
        raise ModelError(f"{place} lacks the figure {missing[0]}: measure the rated pairs again")
    return rated
