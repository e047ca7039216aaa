"""Headings whose text is refused."""

import pytest

from agents.passages.headings import HeadingRules
from agents.passages.navigation import NAVIGATION
from agents.segmenter import Segmenter, SegmenterSettings
from schemas.records import Segment
from tests.unit.agents.test_segmenter import document, prose


@pytest.mark.parametrize(
    ("headings", "reason"),
    [
        (("Guide", "Table of Contents"), "navigation"),
        (("1. See also:",), "navigation"),
        (("Newsletter", "Why"), "navigation"),
        (("Contents",), "navigation"),
        (("Privacy Policy",), "navigation"),
        (("Related posts \N{HORIZONTAL ELLIPSIS}",), "navigation"),
        (("A.2 Terms and Conditions",), "navigation"),
        (("Guide", ""), "empty_heading"),
        (("FREQUENTLY ASKED QUESTIONS",), "capital_heading"),
        (("8.1 BUY OUR PRODUCTS NOW",), "capital_heading"),
        (("HTTP",), None),
        (("HTTP API",), None),
        (("SQL JOIN",), None),
        (("8.1.2. APT",), None),
        (("WEBSOCKET",), None),
        (("DESCRIPTION",), None),
        (("EXIT STATUS",), None),
        (("Comments",), None),
        (("UART", "Register"), None),
        (("Archives",), None),
        (("Datenschutzerklärung",), "navigation"),
        (("Voir aussi\u00a0:",), "navigation"),
        (("1. См. также",), "navigation"),
        (("目录",), "navigation"),
        (("関連項目",), "navigation"),
        (("Datenschutz im Archiv",), None),
        ((), None),
    ],
)
def test_which_are_refused(headings: tuple[str, ...], reason: str | None) -> None:
    refusal = HeadingRules().refuse(headings)
    assert (refusal and refusal.reason) == reason


def test_each_name_is_one_that_a_heading_can_have() -> None:
    rules = HeadingRules()
    for name in NAVIGATION:
        assert rules.refuse((f" {name.title()}: ",)), name


async def test_capitals_that_are_the_style_of_a_document_pass() -> None:
    names = ("DESCRIPTION", "RECOVERING FROM UPSTREAM REBASE", "HOW MERGES WORK INTERNALLY")
    manual = "".join(f"<h2>{name}</h2><p>{prose(700, i)}</p>" for i, name in enumerate(names))
    found = await Segmenter().handle(document(manual, "text/html"))
    assert [isinstance(one, Segment) for one in found] == [True, True, True]
    page = manual.replace("DESCRIPTION", "About").replace("HOW MERGES WORK INTERNALLY", "More")
    for index in range(5):
        page += f"<h2>Topic {index}</h2><p>{prose(700, index + 5)}</p>"
    found = await Segmenter().handle(document(page, "text/html"))
    assert [isinstance(one, Segment) for one in found] == [True, False] + [True] * 6


async def test_settings_change_them() -> None:
    page = f"<h2>See also</h2><p>{prose(700)}</p><h2>BUY MOTORCYCLES NOW</h2><p>{prose(700, 1)}</p>"
    page += "".join(f"<h2>Topic {i}</h2><p>{prose(700, i)}</p>" for i in range(2, 6))
    settings = SegmenterSettings(refused_headings=("Topic 3",), capital_words=0)
    found = await Segmenter(settings).handle(document(page, "text/html"))
    assert [isinstance(one, Segment) for one in found] == [True, True, True, False, True, True]
