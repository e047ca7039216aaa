"""Whether a response keeps to the context that is given with its instruction.

The measure is K-Precision: the share of the response's words that are in the context. Of the
lexical measures it agrees best with people on faithfulness (arXiv 2307.16877, section 5).
"""

from collections import Counter
from collections.abc import Iterator

from agents.figures import as_least, as_share
from agents.refusal import Refusal
from models.evaluation.words import words


def unfaithful(response: str, context: str | None, least: float) -> Iterator[Refusal]:
    """Refuse a response of whose words a share below ``least`` is in the context, if there is one.

    ``least`` is 0 to 1; 0 refuses nothing.
    """
    if least and context and context.strip():
        share = k_precision(response, context)
        if share < least:
            yield Refusal(
                "unfaithful",
                f"{as_share(share)} of the response's words are in the context, "
                f"at least {as_least(least)}",
            )


def k_precision(response: str, context: str) -> float:
    """Share of the response's words that are in the context, 0 to 1; 0 for no words.

    A word counts as often as it is in both.
    """
    said, given = Counter(words(response)), Counter(words(context))
    return (said & given).total() / said.total() if said else 0.0
