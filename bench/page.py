"""Times the queries of the live page on a store of 100,000 items.

    python -m bench.page                            # fills a temporary file; prints p50 and p95
    python -m bench.page --items 1000000 --runs 10
    python -m bench.page --file /tmp/page.sqlite    # fills that file once, and uses it again

The items come as messages of the topics, by the way that a Follower writes them: segments, pairs
that one to three releases have rated, examples, rejections, human ratings, decisions and dead
letters. Of half of the documents the refused passages are known, as a RefusedReader writes them.
Words are drawn as unequally as in English (Zipf). In each run every query is made once, in an order
that is shuffled, while a second thread writes a message ten times a second, as on a stream that
runs. The CPU time of a query hardly depends on what else runs. The flow, which needs a broker, is
read of an empty one.
"""

import argparse
import itertools
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.report import describe_machine, machine
from schemas.categories import Category
from schemas.record import Record
from schemas.records import (
    Candidate,
    Decision,
    Document,
    Example,
    ExampleOrigin,
    HumanRating,
    Provenance,
    Rating,
    Rejection,
    Ruling,
    Scored,
    Segment,
)
from schemas.release import Release, ReleaseStatus
from schemas.wire import encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import DEAD_LETTERS, topic_of
from streams.kafka.writing.dead_letters import dead_letter
from streams.page.store.filters import Filter, Human, Kind, Order, PageRequest, Verdict
from streams.page.store.folding import Folder
from streams.page.store.item_views import RefusedPassage
from streams.page.store.store import Store

_VOCABULARY = 20_000
_BATCH = 2_000
_PASSAGES_A_DOCUMENT = 10
_RELEASES = ("base", "r1", "r2")
_CURATOR_REASONS = ("low_rating", "novelty", "leaking", "outrated", "phrasing", "personal_data")
_SEGMENTER_REASONS = ("too_short", "list", "boilerplate", "code")
_LANGUAGES = ("en", "en", "en", "en", "de", "fr", "es", "ja")
_CLUSTER = Cluster({})


class _Texts:
    """Random texts."""

    def __init__(self, random: random.Random) -> None:
        letters = "etaoinshrdlucmfwypvbgk"
        self._random = random
        self.words = [
            "".join(random.choices(letters, k=random.randint(2, 10))) for _ in range(_VOCABULARY)
        ]
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(_VOCABULARY)))

    def of(self, words: int) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=words))


def records(items: int, texts: _Texts, chance: random.Random) -> Iterator[Record]:
    """What the topics hold where the store has so many items: three of four of them are pairs."""
    for term, id in enumerate(_RELEASES):
        yield Release(
            id=id,
            parent=None,
            base="base",
            status=ReleaseStatus.IN_SERVICE,
            location="/releases",
            created_at=1.7e9 + term,
        )
    for number in range(items * 3 // 4):
        document = f"d{number // _PASSAGES_A_DOCUMENT}"
        source = f"https://example.org/{texts.words[number // 500 % _VOCABULARY]}/{document}.html"
        if number % _PASSAGES_A_DOCUMENT == 0:
            yield Document(id=document, source=source, text="-", title=texts.of(4))
        segment = Segment(
            id=f"s{number}",
            document_id=document,
            source=source,
            position=number % _PASSAGES_A_DOCUMENT,
            headings=(texts.of(3), texts.of(2)),
            text=texts.of(chance.randint(60, 200)),
            language=chance.choice(_LANGUAGES),
        )
        yield segment
        candidate = Candidate(
            id=f"e{number}",
            instruction=texts.of(chance.randint(6, 25)),
            response=segment.text,
            category=chance.choice([*Category]),
            provenance=Provenance(
                source=source,
                document_id=document,
                segment_id=segment.id,
                headings=segment.headings,
                language=segment.language,
                release=_RELEASES[0],
                template="backward.markers.1",
            ),
        )
        yield candidate
        rating = _rating(chance, 0)
        for term in range(chance.randint(1, len(_RELEASES))):
            rating = _rating(chance, term)
            yield Scored(candidate=candidate, rating=rating)
        if rating.score >= 3.5:
            yield Example(
                **{name: getattr(candidate, name) for name in Candidate.model_fields},
                origin=ExampleOrigin.AUGMENTED,
                rating=rating,
            )
        else:
            yield candidate.refuse(
                "curator",
                chance.choice(_CURATOR_REASONS),
                f"{rating.score:.2f} is below 3.50",
                release=rating.release,
                score=rating.score,
            )
        if number % 100 == 0:
            yield HumanRating(
                id=candidate.id,
                instruction=candidate.instruction,
                response=candidate.response,
                score=min(5, max(1, round(rating.score + chance.gauss(0, 0.8)))),
                rater="ada",
                at=1.7e9,
            )
        if number % 200 == 0:
            ruling = Ruling(action=chance.choice(["drop", "accept"]), by="ada", at=1.7e9)
            yield Decision(candidate=candidate, rating=rating, ruling=ruling)
        if number % 3 == 0:
            yield Rejection(
                id=f"x{number}",
                stage="segmenter",
                reason=chance.choice(_SEGMENTER_REASONS),
                detail="97 characters; at least 300 are wanted",
                count=chance.randint(1, 5),
                document_id=document,
                segment_id=f"x{number}",
            )


def _rating(chance: random.Random, term: int) -> Rating:
    score = min(5.0, max(1.0, chance.gauss(3.4, 0.9)))
    return Rating(
        score=score,
        probabilities=(0.1, 0.2, 0.3, 0.3, 0.1),
        evidence={f"figure_{number}": chance.random() for number in range(8)},
        precision=(score - 1) / 4,
        release=_RELEASES[term],
        template="rating.markers.1",
        term=term,
    )


def fill(store: Store, items: int) -> str:
    """Fill a store that is empty; return a word of which some items have many."""
    chance = random.Random(0)
    texts = _Texts(chance)
    if not store.items().total:
        feed = _Feed(store)
        feed.fill(records(items, texts, chance))
        feed.bury(200)
        feed.read_again(texts)
    return texts.words[40]


class _Feed:
    """Writes records into a store as a Follower does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = Folder(_CLUSTER, RecordReader())
        self._offset = itertools.count()

    def fill(self, found: Iterator[Record]) -> int:
        """Write all records; return their number."""
        written = 0
        while batch := [self.message(record) for record in itertools.islice(found, _BATCH)]:
            self._store.apply(self._folder, batch)
            written += len(batch)
        return written

    def bury(self, letters: int) -> None:
        """Write dead letters."""
        for number in range(letters):
            poison = Received("scored", 0, number, b"key", b"\xc1" * 100)
            letter = dead_letter(poison, "curator", ValueError(f"poison {number}"))
            message = Received(
                DEAD_LETTERS.name, 0, number, letter.key, letter.value, letter.headers
            )
            self._store.apply(self._folder, [message])

    def read_again(self, texts: _Texts) -> None:
        """Write the refused passages of every second document."""
        places = self._store.documents_to_cut(1 << 30)
        for place in places[::2]:
            first = int(place.id[1:]) * _PASSAGES_A_DOCUMENT
            found = [
                RefusedPassage(f"x{number}", 0, (), texts.of(40), "list", "en")
                for number in range(first, first + _PASSAGES_A_DOCUMENT)
                if number % 3 == 0
            ]
            self._store.write_refused(place.id, found)

    def message(self, record: Record) -> Received:
        kind = type(record)
        offset = next(self._offset)
        return Received(
            topic_of(kind).name,
            0,
            offset,
            record.id.encode(),
            encode(record),
            headers_for(kind),
            timestamp_ms=1_700_000_000_000 + offset,
        )


def queries(store: Store, texts: _Texts) -> dict[str, Callable[[], object]]:
    """The queries of the page, by what a person does."""
    frequent, rare = texts.words[0], texts.words[5_000]
    filters = {
        "accepted": Filter(verdict=Verdict.ACCEPTED),
        "refused": Filter(verdict=Verdict.REFUSED),
        "dropped": Filter(verdict=Verdict.DROPPED),
        "stage": Filter(stage="curator"),
        "reason": Filter(stage="curator", reason="leaking"),
        "score from 3 to 4": Filter(min_score=3.0, max_score=4.0),
        "source, a part of it": Filter(source=texts.words[3]),
        "source, none has it": Filter(source="no such source"),
        "category": Filter(category=Category.OPEN_QA),
        "language": Filter(language="ja"),
        "kind": Filter(kind=Kind.DOCUMENT),
        "release": Filter(release="r1"),
        "human rating": Filter(human=Human.RATED),
        "human decision": Filter(human=Human.DECIDED),
        "text, the most frequent word": Filter(text=frequent),
        "text, a rare word": Filter(text=rare),
        "text, three words": Filter(text=f"{frequent} {texts.words[40]} {texts.words[200]}"),
        "text, a beginning": Filter(text=rare[:2]),
        "refused, reason, score, language and text": Filter(
            verdict=Verdict.REFUSED,
            reason="novelty",
            max_score=3.0,
            language="en",
            text=texts.words[10],
        ),
    }
    made: dict[str, Callable[[], object]] = {"first page": store.items}
    for name, filter in filters.items():
        made[f"filter: {name}"] = partial(store.items, filter)
    after = store.items(page=PageRequest(size=500)).next
    made |= {
        "page further on": lambda: store.items(page=PageRequest(after=after)),
        "best first": lambda: store.items(page=PageRequest(order=Order.BEST)),
        "accepted, worst first": lambda: store.items(
            Filter(verdict=Verdict.ACCEPTED), PageRequest(order=Order.WORST)
        ),
        "not searched by a text": lambda: store.unsearched(Filter(text=frequent)),
        "not searched, of a source": lambda: store.unsearched(
            Filter(text=frequent, source=texts.words[3])
        ),
        "documents to cut": lambda: store.documents_to_cut(100),
        "one item": lambda: store.item("e1000"),
        "reasons": store.reasons,
        "facets": store.facets,
        "releases": store.releases,
        "histogram": lambda: store.scores("base"),
        "calibration": lambda: store.calibration("base"),
        "training": store.training,
        "dead letters": store.letters,
        "flow": store.flow,
    }
    return made


def measure(store: Store, texts: _Texts, runs: int, chance: random.Random) -> None:
    """Print the times of all queries."""
    found = queries(store, texts)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(runs + 1):
        for name in chance.sample([*found], len(found)):
            start, cpu = time.perf_counter(), time.thread_time()
            found[name]()
            seconds = time.perf_counter() - start, time.thread_time() - cpu
            taken[name].append((seconds[0] * 1000, seconds[1] * 1000))
    print("| query | p50, ms | p95, ms | CPU, p50, ms |")
    print("|---|---|---|---|")
    slowest = {}
    for name, times in taken.items():
        wall, cpus = zip(*times[1:], strict=True)  # the first run reads the file
        slowest[name] = _percentile(wall, 0.95)
        print(
            f"| {name} | {statistics.median(wall):.1f} | {slowest[name]:.1f}"
            f" | {statistics.median(cpus):.1f} |"
        )
    print(f"\nslowest by p95: {max(slowest, key=slowest.__getitem__)}")


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Fill a store, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--file", type=Path, help="a store to fill, or one that was filled")
    options = parser.parse_args()
    print(describe_machine(machine()))
    chance = random.Random(0)
    texts = _Texts(chance)
    with Store(options.file) as store:
        feed = _Feed(store)
        if not store.items().total:
            start = time.perf_counter()
            written = feed.fill(records(options.items, texts, chance))
            feed.bury(200)
            feed.read_again(texts)
            seconds = time.perf_counter() - start
            print(f"\n{written:,} messages in {seconds:.0f} s, {written / seconds:,.0f} a second")
        print(f"\n{store.items().total:,} items\n")
        stop = threading.Event()
        writing = threading.Thread(target=_keep_writing, args=(feed, texts, stop))
        writing.start()
        try:
            measure(store, texts, options.runs, random.Random(1))
        finally:
            stop.set()
            writing.join()


def _keep_writing(feed: _Feed, texts: _Texts, stop: threading.Event) -> None:
    chance = random.Random(2)
    while not stop.wait(0.1):
        feed.fill(itertools.islice(records(40, texts, chance), 10, 11))


if __name__ == "__main__":
    main()
