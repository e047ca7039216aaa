"""Valid records of every type, as values: what mutations start from."""

from collections.abc import Callable
from random import Random
from typing import Any

from schemas.record import Record
from schemas.records import (
    Candidate,
    Decision,
    Document,
    Example,
    HumanRating,
    Preference,
    Rejection,
    Scored,
    Segment,
)
from schemas.release import Release

_WORDS = (
    "Explain what the position of a cursor is and why a reader keeps it when it is closed. "
    "Eine Überschrift: naïve café, 日本語 and \U0001f600. Water boils at 100 degrees."
).split()


def _text(random: Random) -> str:
    return " ".join(random.choices(_WORDS, k=random.randrange(1, 40)))


def _id(random: Random) -> str:
    return random.choice(("r-1a2b3c4d", "x", f"{random.getrandbits(128):032x}"))


def _maybe(random: Random, value: Any) -> Any:
    return value if random.random() < 0.5 else None


def _offset(random: Random) -> dict[str, Any]:
    return {
        "topic": "documents",
        "partition": random.randrange(4),
        "offset": random.getrandbits(20),
    }


def _rating(random: Random) -> dict[str, Any]:
    return {
        "score": random.uniform(1, 5),
        "probabilities": [0.1, 0.2, 0.3, 0.2, 0.2],
        "digit_mass": random.random(),
        "release": _id(random),
        "template": "rating.markers.1",
        "reason": _maybe(random, _text(random)),
        "term": random.choice((0, 1, 7, 2**40)),
    }


def _provenance(random: Random) -> dict[str, Any]:
    return {
        "source": "handbook/backup.md",
        "document_id": _id(random),
        "document_at": _maybe(random, _offset(random)),
        "segment_id": _id(random),
        "headings": [_text(random) for _ in range(random.randrange(3))],
        "release": _id(random),
        "template": "backward.markers.1",
        "sample": random.randrange(4),
        "samples": random.choice((1, 4)),
        "original": _maybe(random, _original(random)),
    }


def _original(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "response": _text(random),
        "rating": _rating(random),
        "release": _id(random),
        "template": "backward.markers.1",
    }


def _pair(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "instruction": _text(random),
        "context": _maybe(random, _text(random)),
        "response": _text(random),
        "turns": _turns(random),
    }


def _turns(random: Random) -> list[dict[str, Any]]:
    return [
        {"role": role, "text": _text(random)}
        for _ in range(random.choice((0, 0, 1, 2)))
        for role in ("user", "assistant")
    ]


def _document(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "source": "wiki/restore",
        "text": _text(random),
        "media_type": random.choice(("text/plain", "text/html", "text/markdown")),
        "title": _maybe(random, _text(random)),
        "context": _maybe(random, _text(random)),
    }


def _segment(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "document_id": _id(random),
        "source": "wiki/restore",
        "document_at": _maybe(random, _offset(random)),
        "position": random.randrange(9),
        "headings": [_text(random) for _ in range(random.randrange(3))],
        "text": _text(random),
        "context": _maybe(random, _text(random)),
    }


def _candidate(random: Random) -> dict[str, Any]:
    return {**_pair(random), "provenance": _provenance(random)}


def _example(random: Random) -> dict[str, Any]:
    return {
        **_candidate(random),
        "origin": random.choice(("seed", "augmented")),
        "rating": _maybe(random, _rating(random)),
        "threshold": _maybe(random, 4.0),
        "alternatives": [_alternative(random) for _ in range(random.randrange(3))],
        "ruling": _maybe(random, _ruling(random)),
    }


def _ruling(random: Random) -> dict[str, Any]:
    return {
        "action": random.choice(("accept", "drop", "edit", "undo")),
        "by": "ada",
        "at": 1.7e9,
        "note": _text(random),
        "texts": _maybe(random, {"instruction": _text(random), "response": _text(random)}),
        "order": random.getrandbits(20),
    }


def _decision(random: Random) -> dict[str, Any]:
    return {
        "candidate": _candidate(random),
        "rating": _maybe(random, _rating(random)),
        "ruling": _ruling(random),
    }


def _scored(random: Random) -> dict[str, Any]:
    return {
        "candidate": _candidate(random),
        "rating": _rating(random),
        "ruling": _maybe(random, _ruling(random)),
    }


def _alternative(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "instruction": _text(random),
        "rating": _rating(random),
        "provenance": _provenance(random),
        "response": _maybe(random, _text(random)),
    }


def _preference(random: Random) -> dict[str, Any]:
    example, task = _id(random), random.choice(("forward", "backward"))
    return {
        "id": f"{example}.{task}",
        "example_id": example,
        "task": task,
        "prompt": _text(random),
        "context": _maybe(random, _text(random)),
        "turns": _turns(random),
        "headings": [_text(random) for _ in range(random.randrange(3))],
        "chosen": _side(random),
        "rejected": _side(random),
        "margin": random.uniform(0, 4),
    }


def _side(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "text": _text(random),
        "rating": _rating(random),
        "provenance": _provenance(random),
    }


def _human_rating(random: Random) -> dict[str, Any]:
    return {**_pair(random), "score": random.randint(1, 5), "rater": "Ada", "at": 1.7e9}


def _rejection(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "stage": "curator",
        "reason": "not_novel",
        "detail": _text(random),
        "count": random.randint(1, 9),
        "document_id": _id(random),
        "segment_id": _id(random),
        "release": _id(random),
        "score": _maybe(random, 3.25),
    }


def _release(random: Random) -> dict[str, Any]:
    return {
        "id": _id(random),
        "parent": _maybe(random, _id(random)),
        "base": "house-11223344",
        "status": random.choice(("in_service", "kept")),
        "location": "/var/lib/backstream/releases/r-1a2b3c4d",
        "created_at": 1.7e9,
        "announced_at": 1.7e9,
        "term": 0,
        "metrics": {"nll": 1.5},
        "parent_metrics": {"nll": 1.75},
        "intervals": {"nll": [-0.25, -0.5, -0.125]},
        "reason": "better",
        "examples": 200,
        "seeds": 96,
    }


VALUES: dict[type[Record], Callable[[Random], dict[str, Any]]] = {
    Document: _document,
    Segment: _segment,
    Candidate: _candidate,
    Decision: _decision,
    Scored: _scored,
    Example: _example,
    Preference: _preference,
    HumanRating: _human_rating,
    Rejection: _rejection,
    Release: _release,
}
"""How to make a valid value of each record."""
