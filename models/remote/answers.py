"""What the answers of an OpenAI-compatible server hold. A server may answer anything."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeGuard

from models.engine import Choice, DigitProbabilities
from models.prompts.tasks.rating import DIGITS
from models.remote.usage import Tokens
from models.serving.written import WrittenText
from schemas.errors import RemoteError

_MOST_TOKENS = 2**40
_FINISHED = ("stop", "length", "content_filter")


def used_tokens(answer: Any) -> Tokens | None:
    """The tokens that the server counted; None where it does not say."""
    usage = answer.get("usage") if isinstance(answer, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    return Tokens(prompt, completion) if _is_count(prompt) and _is_count(completion) else None


def _is_count(found: Any) -> TypeGuard[int]:
    return type(found) is int and 0 <= found < _MOST_TOKENS


def written_text(answer: Any) -> WrittenText:
    """The text of a chat completion. Raises RemoteError where there is none."""
    choice = _choice(answer)
    message = choice.get("message")
    content = message.get("content") if isinstance(message, Mapping) else 0
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise RemoteError("without a text")
    reason = choice.get("finish_reason")
    if reason not in _FINISHED:
        raise RemoteError(f"that ended for another reason than its end: {str(reason)[:40]!r}")
    return WrittenText(content.strip(), reason != "length")


def digit_probabilities(answer: Any) -> DigitProbabilities | None:
    """The probabilities of '1' to '5' where a chat completion wrote one of them.

    None where it wrote none. Raises RemoteError where the answer has no log-probabilities. A digit
    that is not among the most probable tokens counts as impossible.
    """
    for token in _logprobs(answer):
        if str(token["token"]).strip() in DIGITS:
            return _digits_at(token)
    return None


def choice_among(answer: Any, options: Sequence[str]) -> Choice | None:
    """The probabilities of options where a chat completion began one of them.

    A token counts for the option that it begins, alone of all. None where no token begins one.
    Raises RemoteError where the answer has no log-probabilities.
    """
    spelled = [option.strip().lower() for option in options]
    for token in _logprobs(answer):
        found = [0.0] * len(options)
        for each in {one["token"]: one for one in (token, *token["top_logprobs"])}.values():
            text = each["token"].strip().lower()
            begun = [at for at, option in enumerate(spelled) if _begins(text, option)]
            if len(begun) == 1:
                found[begun[0]] += math.exp(min(0.0, each["logprob"]))
        if mass := sum(found):
            return Choice(tuple(value / mass for value in found), min(1.0, mass))
    return None


def echoed_nats(answer: Any, text: str, start: int, end: int) -> list[float] | None:
    """Negative log-likelihoods of the tokens of ``text[start:end]``, which a completion repeats.

    The last one is that of everything after ``end``. None where the completion does not repeat the
    text with log-probabilities. Raises RemoteError where there is no completion.
    """
    logprobs = _choice(answer).get("logprobs")
    if not isinstance(logprobs, Mapping):
        return None
    tokens, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or not tokens:
        return None
    if not all(isinstance(token, str) for token in tokens):
        return None
    starts = _starts(tokens, logprobs.get("text_offset"), text)
    nats: list[float] = []
    after = 0.0
    for at, logprob in zip(starts, values, strict=False):
        if not start <= at < len(text):
            continue
        if not _is_number(logprob):
            return None
        if at < end:
            nats.append(max(0.0, -logprob))
        else:
            after += max(0.0, -logprob)
    return [*nats, after] if nats else None


def _starts(tokens: list[str], offsets: Any, text: str) -> Sequence[int]:
    """Where in ``text`` the tokens of a completion that repeats it begin; none where unknown."""
    found = "".join(tokens).find(text)  # a token that opens every text may stand before it
    if found >= 0:
        return [*accumulate(map(len, tokens), initial=-found)][:-1]
    # Tokens that are parts of a character are written in some other way: the server counts.
    if not isinstance(offsets, list) or not all(map(_is_count, offsets)):
        return ()
    opening = 0 if text.startswith(tokens[0]) else len(tokens[0])
    return [offset - opening for offset in offsets]


def has_logprobs(answer: Any) -> bool:
    """Whether a chat completion has log-probabilities."""
    try:
        return any(token["top_logprobs"] for token in _logprobs(answer))
    except RemoteError:
        return False


def _logprobs(answer: Any) -> list[Mapping[str, Any]]:
    logprobs = _choice(answer).get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not content:
        raise RemoteError("without log-probabilities")
    for token in content:
        top = token.get("top_logprobs") if isinstance(token, Mapping) else None
        if not isinstance(top, list) or not all(map(_is_token, [token, *top])):
            raise RemoteError("whose log-probabilities are not OpenAI's")
    return content


def _is_token(found: Any) -> bool:
    if not isinstance(found, Mapping) or not isinstance(found.get("token"), str):
        return False
    return _is_number(found.get("logprob"))


def _is_number(found: Any) -> bool:
    """Whether it is a number that a float can be; JSON has integers of any length."""
    if isinstance(found, int) and not isinstance(found, bool):
        return abs(found) < _MOST_TOKENS
    return isinstance(found, float) and not math.isnan(found)


def _begins(text: str, option: str) -> bool:
    return bool(text) and (option.startswith(text) or text.startswith(option))


def _digits_at(token: Mapping[str, Any]) -> DigitProbabilities:
    spelled = {each["token"]: each["logprob"] for each in (token, *token["top_logprobs"])}
    found = dict.fromkeys(DIGITS, 0.0)
    for text, logprob in spelled.items():
        if (digit := text.strip()) in found:
            found[digit] += math.exp(min(0.0, logprob))
    mass = sum(found.values())
    if mass <= 0:
        raise RemoteError("whose digits have no probability")
    one, two, three, four, five = (value / mass for value in found.values())
    return DigitProbabilities((one, two, three, four, five), min(1.0, mass))


def _choice(answer: Any) -> Mapping[str, Any]:
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise RemoteError("without a choice")
    return choices[0]
