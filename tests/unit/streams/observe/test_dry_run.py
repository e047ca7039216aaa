"""What other settings would keep: rated pairs judged again, beside what became of them."""

import asyncio
from collections.abc import Sequence

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from schemas.records import Example, ExampleOrigin, Rejection, Scored
from streams.cli.curation_report import as_text
from streams.observe.dry_run import Comparison, DryRun
from tests.unit.agents.test_curator import scored

_ASKED = (
    "Which birds sing at night in spring?",
    "How deep is the sea?",
    "Who wrote Faust, and when?",
    "Why does iron rust?",
)
_SEED = Example(
    id="seed", instruction=_ASKED[3], response="It meets water.", origin=ExampleOrigin.SEED
)


def _pair(number: int, score: float, term: int = 0) -> Scored:
    return scored(f"e{number}", _ASKED[number], f"Answer {number}.", score, term=term)


def _compared(
    settings: CuratorSettings,
    ratings: Sequence[Scored],
    in_flight: Sequence[Scored] = (),
    retracted: Sequence[str] = (),
    by: CuratorSettings | None = None,
) -> DryRun:
    """Ratings that a curator with the settings ``by`` has processed, compared with others."""
    comparison, curator = Comparison(settings), Curator(by)
    curator.restore(_SEED.id, _SEED)
    outcomes = [
        outcome for record in ratings for outcome in asyncio.run(curator.handle(record))
    ] + [Retraction(id) for id in retracted]
    comparison.add_example(0, _SEED.id, _SEED)
    for outcome in outcomes:
        if isinstance(outcome, Rejection):
            comparison.add_rejection(outcome)
        else:
            example = outcome if isinstance(outcome, Example) else None
            comparison.add_example(0, outcome.id, example)
    for records, waits in ((ratings, False), (in_flight, True)):
        for record in records:
            asyncio.run(comparison.add_rating(0, record, waits))
    return comparison.result()


def test_the_same_settings_keep_the_same() -> None:
    ratings = [
        *(_pair(number, score) for number, score in enumerate((4.5, 3.0, 4.2, 4.9))),
        _pair(0, 3.5, term=1),
        _pair(1, 4.4, term=1),
    ]
    found = _compared(CuratorSettings(), ratings)
    assert (found.seeds, found.pairs, found.kept, found.kept_after) == (1, 4, 2, 2)
    assert found.refused == found.refused_after == {"below_threshold": 1, "not_novel": 1}
    assert (found.gained, found.lost) == ([], [])


def test_other_settings_gain_and_lose_by_rule() -> None:
    ratings = [_pair(number, score) for number, score in enumerate((4.5, 3.0, 4.2))]
    found = _compared(CuratorSettings(threshold=3, max_words=5), ratings)
    assert (found.kept, found.kept_after) == (2, 2)
    assert found.refused == {"below_threshold": 1}
    assert found.refused_after == {"instruction_too_long": 1}
    assert [(one.id, one.reason) for one in found.gained] == [("e1", "below_threshold")]
    assert [(one.id, one.reason) for one in found.lost] == [("e0", "instruction_too_long")]
    assert (found.gained_count, found.lost_count) == (1, 1)
    text = as_text(found, 3)
    assert text.splitlines() == [
        "3 rated pairs, 1 human seed",
        "                                   now   with these settings",
        "accepted                             2                     2",
        "below_threshold                      1                     0        -1",
        "instruction_too_long                 0                     1        +1",
        "1 pair would be accepted as well",
        "  3.00  How deep is the sea?",
        "        below_threshold, rated 3.00, at least 4",
        "1 pair would not be accepted any more",
        "  4.50  Which birds sing at night in spring?",
        "        instruction_too_long, 7 words, at most 5",
    ]


def test_the_rating_of_a_change_is_shown_as_its_refusal_says_it() -> None:
    found = _compared(CuratorSettings(threshold=3.5), [_pair(0, 3.996)])
    assert as_text(found, 1).splitlines()[-3:-1] == [
        "  3.99  Which birds sing at night in spring?",
        "        below_threshold, rated 3.99, at least 4",
    ]


def test_what_was_retracted_by_hand_stays_so_and_what_waits_is_named() -> None:
    found = _compared(CuratorSettings(), [_pair(0, 4.5)], [_pair(1, 4.5)], retracted=["e0"])
    assert (found.kept, found.kept_after) == (0, 1)
    assert found.refused == {"no_outcome": 1, "not_curated_yet": 1}
    assert found.refused_after == {"no_outcome": 1}
    assert [one.reason for one in found.gained] == ["not_curated_yet"]


def test_masks_are_counted() -> None:
    record = scored(response="Ask ada@engines.org or bob@engines.org.")
    found = _compared(CuratorSettings(personal_data="mask"), [record])
    assert (found.masked, found.masked_after) == (0, 2)
    assert any(line.startswith("masked places") for line in as_text(found, 0).splitlines())
