"""The progress that ``up`` shows, read beside it."""

from schemas.records import Document
from streams.kafka.topics import DOCUMENTS
from streams.observe.lag import Flow
from streams.run.flow_watch import FlowWatch
from streams.settings import Settings
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until


def _document(number: int) -> Document:
    return Document(id=f"d{number}", source="s", text="A text.")


def test_warnings_of_all_readings_are_given_once(settings: Settings) -> None:
    topics = Topics(settings.kafka.cluster())
    topics.write(*(_document(number) for number in range(3)))
    topics.commit("segmenter", DOCUMENTS, 1)
    topics.cut(DOCUMENTS, 2)
    flows: list[Flow] = []
    with FlowWatch(topics.cluster, 0.1) as watch:

        def read(count: int) -> bool:
            if (flow := watch.take()) is not None:
                flows.append(flow)
            return len(flows) >= count

        wait_until(lambda: read(3))
        assert watch.error is None
        topics.cut(DOCUMENTS, 3)
        wait_until(lambda: read(6))
        lines = [line.split(" of ")[0] for line in watch.take_warnings()]
        assert lines == ["LOST: 1 message", "LOST: 2 messages"]
        assert list(watch.take_warnings()) == []
    assert flows[0].stages[0].lag == 1
