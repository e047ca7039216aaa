"""Deterministic ids: the hash of what a thing was made from, never random.

A record processed twice, after a crash or a replay, therefore lands on the same key.
"""

import hashlib


def document_id(source: str, text: str) -> str:
    """Id of a document: where it came from, and its text to the letter."""
    return _digest("document", source, text)


def segment_id(text: str, context: str | None = None) -> str:
    """Id of a passage: its text with white space folded, so that the same passage met twice is one
    segment.
    """
    return _digest("segment", " ".join(text.split()), " ".join((context or "").split()))


def refused_parts_id(document_id: str, reason: str) -> str:
    """Id of the passages of a document that one rejection stands for."""
    return _digest("refused", document_id, reason)


def example_id(parent_id: str, release: str, template: str, sample: int) -> str:
    """Id of an example: the segment or request, the generator's release and template, and which
    sample it was.
    """
    return _digest("example", parent_id, release, template, str(sample))


def seed_id(instruction: str, context: str | None, response: str) -> str:
    """Id of a human example."""
    return _digest("seed", instruction, context or "", response)


def sampling_seed(example: str) -> int:
    """Seed of the random numbers that write an example, 0 to 2**63 - 1."""
    return int.from_bytes(bytes.fromhex(example[:16])) >> 1


def hash_fraction(id: str) -> float:
    """Where an id falls in [0, 1): the same everywhere, for splits by hash."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:7]) / 2**56


def _digest(*parts: str) -> str:
    """128 bits in hexadecimal. Each part is led by its length, so no two lists of parts run
    together.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()[:32]
