"""Fits the judges that a bundled model ships, from the seeds and from ratings of what it wrote.

``python -m bench.shipped_judges MODEL DIRECTORY [--ratings FILE...]`` exports the model, fits its
judges and writes ``judges.json`` into DIRECTORY, beside its weights or its adapter. Each FILE has
ratings of what it wrote, a JSON line each: segment, instruction, rating, and text and headings of
the passage. A passage without a text is looked for by its id in CPython's documentation and among
``bench.unseen_passages``, as this version cuts them. The evidence is added to that of other pairs
in DIRECTORY's ``rated.jsonl``; without FILE, what is there is used. Run it again whenever the
weights, the prompts or the figures of the evidence change, with every FILE.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from bench.progress import say
from bench.unseen_passages import unseen_passages
from bench.writer.material import Documentation
from bench.writer.measure import Subject
from models.evaluation.human_ratings import RatedPair
from models.judging.gathering import fit_judges
from models.judging.measuring import Opened
from models.judging.rated import examine_rated, read_rated, write_rated
from models.releases.cache import default_cache
from models.releases.checkpoints import checkpoint_digest
from models.releases.shipped_judges import ShippedJudges
from models.releases.sources import checkpoint_of
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair
from schemas.errors import ModelError


def rated_pairs(files: Sequence[Path]) -> list[RatedPair]:
    """The rated pairs of files. One whose passage is not found is left out and named."""
    read = Documentation.read()
    known = (*read.reported, *read.tuning, *unseen_passages())
    passages = {segment.id: segment for segment in known}
    found = []
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    for row in map(json.loads, lines):
        id, passage = row["segment"], passages.get(row["segment"])
        if "text" in row:
            text, headings = row["text"], tuple(row["headings"])
        elif passage is not None:
            text, headings = passage.text, passage.headings
        else:
            say(f"left out: there is no passage {id}")
            continue
        found.append(RatedPair(id, Pair(row["instruction"], text), row["rating"], headings))
    return found


async def make(model: str, directory: Path, ratings: Sequence[RatedPair], work: Path) -> None:
    """Fit the judges and write them."""
    subject = Subject.load(model, work)
    opened = Opened(subject.model.engine, subject.model.prompter)
    try:
        measured = await examine_rated(opened, ratings, say)
        known = {each.id: each for each in (*read_rated(directory), *measured)}
        write_rated(directory, known.values())
        rated = read_rated(directory)
        training, _ = split(read_seeds())
        judges = await fit_judges(opened, [*map(Pair.of, training)], rated, say)
    finally:
        subject.model.close()
    if judges is None:
        raise ModelError(f"{model}: too few seeds fit the context window")
    checkpoint = checkpoint_of(model, default_cache(), say)
    exported = work / f"{subject.name}-{subject.digest}"
    ShippedJudges.of(judges, checkpoint_digest(checkpoint), exported).write(directory)
    for name, value in judges.combined.figures.items():
        print(f"{name} {value:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.shipped_judges", description=__doc__)
    parser.add_argument("model", help="a name of `backstream models list --available`")
    parser.add_argument("directory", type=Path, help="directory of its weights or its adapter")
    parser.add_argument(
        "--ratings", type=Path, nargs="+", default=(), help="ratings of what it wrote"
    )
    parser.add_argument("--work", type=Path, default=Path("work/judges"), help="for the graphs")
    options = parser.parse_args()
    ratings = rated_pairs(options.ratings) if options.ratings else []
    asyncio.run(make(options.model, options.directory, ratings, options.work))


if __name__ == "__main__":
    main()
