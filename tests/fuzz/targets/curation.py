"""The curator: ratings and kept examples in any order."""

import asyncio
from pathlib import Path
from random import Random

import msgpack
from pydantic import ValidationError

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from models.prompts.template import AUGMENTED_TAG
from schemas.records import Example, Rejection, Scored
from tests.fuzz.mutation import text_of
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts
from tests.fuzz.targets.wire import check_encodes_again

_TOKENS = (
    *("what is the ", "Explain ", "word ", "a ", "a", " ", "\n", "\t", "image", "graph ", "###"),
    *("Answer", "### Response\n", "Score:", "<|", "|>", "<|user|>", "Question: ", "Q:", "[INST]"),
    *("é", "日本", ".", "!", "__init__ ", "\x1f", "\x85", "\u3000", "1 ", AUGMENTED_TAG),
    *("how does a reader keep its position when it is closed and opened again later ",) * 3,
)


class Curation:
    """``Curator.handle`` and ``restore``; ids are few, so that they meet again."""

    share = 8

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        parts: list[bytes | None] = []
        for _ in range(random.randrange(1, 5)):
            kind = random.choice((Scored, Scored, Example))
            value = VALUES[kind](random)
            inner = value["candidate"] if kind is Scored else value
            inner["id"] = random.choice(("1", "2", "3"))
            inner["provenance"]["segment_id"] = random.choice(("s", "t"))
            inner["instruction"] = text_of(random, _TOKENS)
            inner["response"] = random.choice(
                (inner["instruction"], text_of(random, _TOKENS), "Q: " + inner["instruction"])
            )
            if kind is Scored:
                value["rating"].update(score=random.choice((1.0, 4.5, 5.0)))
            parts += [kind.name.encode(), msgpack.packb(value)]
        return tuple(parts)

    def check(self, parts: Parts) -> None:
        curator = Curator(CuratorSettings(ascii_start=False))
        kept: set[str] = set()
        for name, data in zip(parts[::2], parts[1::2], strict=False):
            try:
                value = msgpack.unpackb(data or b"")
                if name == b"example":
                    example = Example.model_validate(value)
                    curator.restore(example.id, example)
                    kept.add(example.id)
                    continue
                scored = Scored.model_validate(value)
            except (ValueError, ValidationError, msgpack.UnpackException):
                return
            for outcome in asyncio.run(curator.handle(scored)):
                match outcome:
                    case Example():
                        kept.add(outcome.id)
                        check_encodes_again(outcome)
                    case Retraction():
                        kept.discard(outcome.id)
                    case Rejection():
                        check_encodes_again(outcome)
            again = asyncio.run(curator.handle(scored))
            if scored.ruling is None:
                assert not again, "a rating counts once"
        assert len(curator) == len(kept)
