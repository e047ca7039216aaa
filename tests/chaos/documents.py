"""The documents that are fed: seeded, in every encoding that ``documents`` takes.

Of twenty documents, thirteen have one passage that the model gets, five are too short for the
segmenter, one repeats the passage of an earlier document and one is an earlier document again.
"""

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

import msgpack

from tests.chaos.ids import document_id

_SUBJECTS = (
    "parser reader cursor queue socket table stream clock index buffer session schema cache lock "
    "thread router broker filter planner sampler compiler logger scheduler watcher tokenizer "
    "decoder encoder archive ledger registry resolver gateway monitor worker timer pool graph "
    "matrix vector string dictionary iterator generator decorator module package exception"
).split()
_PROPERTIES = (
    "state position history version size order capacity priority owner name limit timeout offset "
    "checksum format encoding precision schedule policy depth width seed weight permission"
).split()
_VERBS = "keeps reads changes checks reports restores replaces compares measures releases".split()
_SENTENCES = (
    "A {a} {v} the {p} of its {b} before anything else can use it.",
    "When the {p} of a {a} is lost, the {b} behind it has to be made again from the {c}.",
    "Most programs open one {a} for each {b}, because the {p} of a shared one is hard to follow.",
    "The {q} is different: it belongs to the {c}, and a {a} only {v} a copy of it.",
    "If two parts of a program share a {b}, the first one that {v} the {p} has to tell the other.",
    "A {c} without a {q} works as well, although it is slower by the time that the {b} takes.",
    "The usual way is a {a} in front of the {c}, which {v} the {q} once and then stays idle.",
    "In a test, a {b} with a fixed {p} shows whether the {a} {v} what it should.",
    "Number {n} of these notes is about the {a}; the {b} and the {c} have notes of their own.",
    "An error in the {q} is found late, since the {c} {v} it only when the {a} is closed.",
)
_ENCODINGS = ("text", "text", "markdown", "html", "json", "msgpack")


Headers = list[tuple[str, str | bytes | None]]


class Fed(NamedTuple):
    """A document as a message: what the verifier compares, and what is sent."""

    id: str
    source: str
    key: bytes
    value: bytes
    headers: Headers


def documents(seed: int, name: str) -> Iterator[Fed]:
    """Endless documents of one class of faults: the same for the same seed and name."""
    chance = random.Random(f"{seed}/{name}")
    passages: list[tuple[str, str]] = []
    sent: list[Fed] = []
    number = 0
    while True:
        source = f"chaos/{name}/{number}"
        place = number % 20
        if place in (3, 7, 11, 15, 19):
            title, body = _title(chance), f"A note that is too short to be a passage: {number}."
        elif place == 13 and passages:
            title, body = chance.choice(passages)
        elif place == 17 and sent:
            yield chance.choice(sent)
            number += 1
            continue
        else:
            title, body = _title(chance), _body(chance, number)
            passages.append((title, body))
        fed = _encoded(chance.choice(_ENCODINGS), source, title, body)
        sent.append(fed)
        yield fed
        number += 1


def _title(chance: random.Random) -> str:
    return f"The {chance.choice(_PROPERTIES)} of a {chance.choice(_SUBJECTS)}"


def _body(chance: random.Random, number: int) -> str:
    a, b, c = chance.sample(_SUBJECTS, 3)
    p, q = chance.sample(_PROPERTIES, 2)
    chosen = chance.sample(_SENTENCES, len(_SENTENCES))
    return " ".join(
        sentence.format(a=a, b=b, c=c, p=p, q=q, v=chance.choice(_VERBS), n=number)
        for sentence in chosen
    )


def _encoded(encoding: str, source: str, title: str, body: str) -> Fed:
    headers: Headers = [("source", source.encode())]
    key = source.encode()
    match encoding:
        case "html":
            text = f"<h1>{title}</h1>\n<p>{body}</p>\n"
            headers.append(("content-type", b"text/html; charset=utf-8"))
        case "markdown":
            text = f"# {title}\n\n{body}\n"
            headers.append(("content-type", b"text/markdown"))
        case _:
            text = f"{title}\n{'=' * len(title)}\n\n{body}\n"
    id = document_id(source, text)
    if encoding == "json":
        value = json.dumps({"source": source, "text": text}).encode()
        return Fed(id, source, key, value, [("content-type", b"application/json")])
    if encoding == "msgpack":
        value = msgpack.packb({"id": id, "source": source, "text": text})
        return Fed(
            id,
            source,
            key,
            value,
            [("schema", b"document/1"), ("content-type", b"application/msgpack")],
        )
    return Fed(id, source, key, text.encode(), headers)
