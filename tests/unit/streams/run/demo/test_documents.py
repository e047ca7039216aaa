"""The documents of the demo."""

import asyncio

from agents.segmenter import Segmenter
from schemas.records import Segment
from streams.run.demo.documents import demo_documents


def test_few_documents_are_a_part_of_all_of_them_and_give_enough_passages() -> None:
    every = {document.id for document in demo_documents()}
    few = list(demo_documents(few=True))
    assert {document.id for document in few} < every
    segmenter = Segmenter()
    outcomes = [outcome for each in few for outcome in asyncio.run(segmenter.handle(each))]
    assert 60 <= sum(isinstance(outcome, Segment) for outcome in outcomes) <= 200
