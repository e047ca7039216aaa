"""Writes pairs to rate: what a model writes for passages that no judge has learned from.

``python -m bench.unseen_pairs MODEL FILE`` writes a JSON line for each pair: segment, source,
instruction, headings and text. The instructions are written as the stream writes them. Those that
the stream refuses, because they are empty or not finished, are left out and counted. No rating is
computed.
"""

import argparse
import asyncio
import json
from pathlib import Path

from bench.progress import say
from bench.unseen_passages import OF_EACH_KIND, unseen_passages
from bench.writer.measure import Subject, write
from bench.writer.records import Records, Written
from models.prompts.openings import OPENINGS
from streams.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.unseen_pairs", description=__doc__)
    parser.add_argument("model", help="a name of `backstream models list --available`")
    parser.add_argument("file", type=Path, help="file to write")
    parser.add_argument("--each", type=int, default=OF_EACH_KIND, help="passages of each kind")
    parser.add_argument("--work", type=Path, default=Path("work/judges"), help="for the graphs")
    options = parser.parse_args()
    passages = {segment.id: segment for segment in unseen_passages(options.each)}
    subject = Subject.load(options.model, options.work)
    kept = Records(subject.file(options.work, "unseen"), Written)
    texts = {id: (segment.text, segment.headings) for id, segment in passages.items()}
    try:
        asyncio.run(write(subject.model, texts, Settings().generation.sampling(), OPENINGS, kept))
    finally:
        subject.model.close()
    whole = [one for one in kept.of(passages) if one.instruction and one.complete]
    say(f"{len(whole)} pairs of {len(passages)} passages; what the stream refuses is left out")
    rows = [
        {
            "segment": one.key,
            "source": passages[one.key].source,
            "instruction": one.instruction,
            "headings": passages[one.key].headings,
            "text": passages[one.key].text,
        }
        for one in whole
    ]
    options.file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
