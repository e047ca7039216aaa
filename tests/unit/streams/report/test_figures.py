"""What a report counts, with known values."""

from datetime import UTC, datetime

import pytest

from schemas.records import HumanRating
from streams.report.content import Named
from streams.report.figures.comparing import compare, new_share
from streams.report.figures.counting import UNKNOWN, counted, histogram, lengths_of, sources_of
from streams.report.figures.novelty import novelty_of
from streams.report.figures.ratings import human_of, rated_of
from streams.report.figures.report import report_of
from streams.report.figures.samples import samples_of
from streams.report.gathering.gathered import Gathered, Newest, Refused
from tests.unit.streams.report.items import decision, item

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_names_are_counted_and_the_rest_is_one() -> None:
    found = counted("aaabbcd", most=2)
    assert [(one.name, one.count) for one in found] == [("a", 3), ("b", 2), ("all others", 2)]
    assert counted(["", ""]) == ()
    assert Named(name=UNKNOWN, count=1) in counted(["", "x"])


def test_many_sources_are_counted_by_host_and_folder() -> None:
    few = [item(0, source="docs/a.md"), item(1, source="docs/b.md")]
    assert {one.name for one in sources_of(few)} == {"docs/a.md", "docs/b.md"}
    many = [item(n, source=f"docs/{n}.md") for n in range(30)]
    many += [item(n, source=f"https://example.org/{n}") for n in range(30, 40)]
    many += [item(40, source="http://[broken"), item(41, source="plain")]
    assert {one.name: one.count for one in sources_of(many)} == {
        "docs/": 30,
        "https://example.org": 10,
        "http://[broken": 1,
        "plain": 1,
    }


def test_every_length_is_in_one_bin() -> None:
    found = lengths_of([1, 2, 4, 5, 5, 9000])
    assert sum(one.count for one in found) == 6
    assert [(one.low, one.count) for one in found[:3]] == [(1, 1), (2, 2), (5, 2)]
    assert lengths_of([]) == ()
    assert [one.count for one in histogram([1.0, 4.99, 5.0, 7.0], 1.0, 5.0, 4)] == [1, 0, 0, 3]


def test_novelty_compares_with_what_came_before() -> None:
    same = "Explain why iron rusts when it meets water."
    items = [item(0, same), item(1, "List five birds."), item(2, same), item(3, same + " Now.")]
    found = novelty_of(items)
    assert [(one.first, one.last, one.near) for one in found.windows] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 3, 1),
        (4, 4, 1),
    ]
    nearest = found.neighbours[0]
    assert (nearest.rouge_l, nearest.first.id, nearest.second.id) == (1.0, "e0", "e2")
    assert novelty_of([]).windows == ()


def test_ratings_have_precision_and_acceptance_at_the_threshold() -> None:
    old = Newest(1, "r1", 3.0, 0.2, None)
    new = [Newest(2, "r2", 4.0, 0.7, 0.8), Newest(2, "r2", 4.6, 0.9, 0.95)]
    new.append(Newest(2, "r2", 2.0, 0.1, 0.5))
    first, second = rated_of([*new, old], 4.0)
    assert (first.release, first.pairs, first.accepted, first.precision) == ("r1", 1, 0.0, None)
    assert (second.release, second.pairs) == ("r2", 3)
    assert second.accepted == pytest.approx(2 / 3)
    assert second.precision == 0.8
    assert second.expected == pytest.approx(0.8)
    assert [(one.score, one.precision) for one in second.curve] == [(2, 0.5), (4, 0.8), (4.6, 0.95)]


def test_people_are_compared_with_the_newest_ratings() -> None:
    ratings = {"a": Newest(1, "r", 4.5, 0.9, None), "b": Newest(1, "r", 4.1, 0.85, None)}
    human = [
        HumanRating(id="a", instruction="i", response="r", score=5, rater="ada"),
        HumanRating(id="b", instruction="i", response="r", score=2, rater="bob"),
        HumanRating(id="c", instruction="i", response="r", score=1, rater="bob"),
    ]
    found = human_of(
        human, ratings, [decision("a", "drop", by="ada"), decision("b", "drop", by="bob")], 4.0
    )
    assert (found.ratings, found.raters) == (3, 2)
    assert [one.count for one in found.scores] == [1, 1, 0, 0, 1]
    [agreement] = found.agreement
    assert (agreement.pairs, agreement.accepted, agreement.deserving) == (2, 2, 1)
    assert agreement.difference == pytest.approx((0.5 + 2.1) / 2)
    [interval] = agreement.bins
    assert (interval.pairs, interval.observed) == (2, 0.5)
    assert interval.predicted == pytest.approx(0.875)
    assert found.decisions == (Named(name="drop", count=2),)
    assert [(one.id, one.by) for one in found.decided] == [("a", "ada"), ("b", "bob")]


def test_samples_are_the_ends_of_the_scale_and_some_between() -> None:
    items = [item(n, score=3 + n / 10) for n in range(12)]
    refused = [Refused(item(90, score=1.5), "below_threshold: rated 1.5")]
    found = samples_of(items, refused, {"s11": 6}, 2)
    assert [one.id for one in found if one.kind == "best"] == ["e11", "e10"]
    assert [one.id for one in found if one.kind == "lowest"] == ["e0", "e1"]
    assert len({one.id for one in found}) == 7
    assert found[0].position == 6
    assert found[0].headings == ("Guide", "Install")
    assert [(one.kind, one.reason) for one in found][-1] == (
        "refused",
        "below_threshold: rated 1.5",
    )


def test_a_text_is_cut_wherever_it_came_from() -> None:
    ratings = {"e0": Newest(1, "r" * 9000, 4.0, 0.5, None)}
    long = [item(n, source="s" * 9000, category="c" * 9000, score=4.0) for n in range(2)]
    found = report_of(Gathered("a" * 9000, long, ratings=ratings), NOW)
    assert len(found.model_dump_json()) < 40_000


def test_seeds_are_not_described_where_the_stream_made_examples() -> None:
    made = [item(0, category="open_qa", score=4.5), item(1, score=4.0)]
    seeds = [item(n, category="summarization", seed=True) for n in range(5, 8)]
    found = report_of(Gathered("here", [*seeds, *made]), NOW)
    assert (found.examples, found.seeds, found.described) == (5, 3, 2)
    assert found.mean_score == pytest.approx(4.25)
    assert {one.name for one in found.categories} == {"open_qa", UNKNOWN}
    assert found.made_at == "2026-01-02T03:04:05+00:00"
    assert report_of(Gathered("here", seeds), NOW).described == 3


def test_two_reports_are_compared() -> None:
    before = report_of(Gathered("a", [item(n, language="de") for n in range(4)]), NOW)
    now = report_of(Gathered("b", [item(n, language="de") for n in range(3)] + [item(9)]), NOW)
    found = compare(before, now)
    examples = found.figures[0]
    assert (examples.name, examples.before, examples.now) == ("examples", 4, 4)
    moved = dict(found.moved)["language"]
    assert {(one.name, one.before, one.now) for one in moved} == {
        ("de", 1.0, 0.75),
        ("en", 0.0, 0.25),
    }
    assert new_share(report_of(Gathered("c", [item(0)]), NOW)) == 1.0
