"""Tries a model on one passage: prompts, answers and speed."""

import time
from dataclasses import dataclass

from models.sampling import Sampling
from models.serving.served_model import ServedModel
from schemas.records import Rating


@dataclass(frozen=True, slots=True)
class Trial:
    """Prompts, answers and speed of a model on one passage."""

    backward_prompt: str
    instruction: str
    complete: bool
    """False if the instruction reached the token limit."""
    rating_prompt: str
    rating: Rating
    prompt_tokens: int
    """Tokens of both prompts, reused ones included."""
    generated_tokens: int
    seconds: float
    """For both answers, one after the other. A stream computes many at once and is faster."""


async def try_model(served: ServedModel, text: str, sampling: Sampling) -> Trial:
    """Write the instruction of ``text``, then rate the pair.

    Raises PromptTooLong if a prompt does not fit the context window.
    """
    before, started = served.engine.stats(), time.perf_counter()
    written = await served.write_instruction("trial", text, None, sampling)
    rating = await served.rate(written.instruction, text, None)
    seconds, after = time.perf_counter() - started, served.engine.stats()
    decode = served.prompter.tokenizer.decode
    return Trial(
        backward_prompt=decode(served.prompter.backward(text), skip_special_tokens=False),
        instruction=written.instruction,
        complete=written.complete,
        rating_prompt=decode(
            served.prompter.rating(written.instruction, text), skip_special_tokens=False
        ),
        rating=rating,
        prompt_tokens=after.prompt_tokens - before.prompt_tokens,
        generated_tokens=after.generated_tokens - before.generated_tokens,
        seconds=seconds,
    )
