"""Deterministic ids: each is the hash of what the thing was made from.

A record that is processed twice, after a crash or a replay, is therefore written under the same
key.
"""

import hashlib
from collections.abc import Iterable


def document_id(source: str, text: str) -> str:
    """Id of a document, from its source and its exact text."""
    return _digest("document", source, text)


def segment_id(text: str, context: str | None = None, earlier: Iterable[str] = ()) -> str:
    """Id of a passage, from its text and context and the texts of the turns before it.

    White space is folded, so that the same passage in two documents is one segment.
    """
    return _digest("segment", *(" ".join(part.split()) for part in (text, context or "", *earlier)))


def refused_parts_id(document_id: str, reason: str) -> str:
    """Id of the passages of a document that share one rejection."""
    return _digest("refused", document_id, reason)


def bootstrap_id(exemplars: Iterable[str], number: int) -> str:
    """Id of a request for an instruction, from the ids of its exemplars and its number."""
    return _digest("bootstrap", *exemplars, str(number))


def question_id(instruction: str, context: str | None, earlier: Iterable[str] = ()) -> str:
    """Id of a question, from its texts and those of the turns before it."""
    return _digest("question", instruction, context or "", *earlier)


def example_id(parent_id: str, release: str, template: str, sample: int) -> str:
    """Id of an example.

    ``parent_id`` is the id of its segment or request, or of the example whose response was
    rewritten. ``release`` and ``template`` are the generator's. ``sample`` is the number of the
    sample, from 0.
    """
    return _digest("example", parent_id, release, template, str(sample))


def preference_id(example_id: str, task: str) -> str:
    """Id of the preference pair of an example for a task."""
    return f"{example_id}.{task}"


def seed_id(
    instruction: str, context: str | None, response: str, earlier: Iterable[str] = ()
) -> str:
    """Id of a human seed, from its texts and those of the turns before it."""
    return _digest("seed", instruction, context or "", response, *earlier)


def message_id(parent: str | None, role: str, text: str) -> str:
    """Id of a message in a tree, from the id of what it replies to, its role and its text."""
    return _digest("message", parent or "", role, text)


def conversation_id(opening: str) -> str:
    """Id of a conversation, from what the user said first.

    Every path of a tree of messages has the same one, and so have two conversations with one
    beginning.
    """
    return _digest("conversation", " ".join(opening.split()))


def sampling_seed(example: str) -> int:
    """Random seed for sampling an example, 0 to 2**63 - 1."""
    return int.from_bytes(bytes.fromhex(example[:16])) >> 1


def hash_fraction(id: str) -> float:
    """Map an id to [0, 1), the same on every machine. Used for splits by hash."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:7]) / 2**56


def _digest(*parts: str) -> str:
    """128 bits in hexadecimal.

    Each part is preceded by its length, so that different lists of parts have different ids.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()[:32]
