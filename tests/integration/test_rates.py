"""What was written lately, which ``status`` judges slow stages by."""

from schemas.records import Document
from streams.observe.lag import FlowReader
from streams.settings import Settings
from tests.integration.topics import Topics


def test_messages_of_the_last_seconds_are_counted(settings: Settings) -> None:
    topics = Topics(settings.kafka.cluster())
    with FlowReader(topics.cluster) as reader:
        assert set(reader.written(60).values()) == {0}
        old, new = (
            [Document(id=f"{age}{n}", source="s", text="A text.") for n in range(3)]
            for age in ("old", "new")
        )
        topics.write(*old, age_days=1)
        assert reader.written(60)["documents"] == 0
        topics.write(*new)
        written = reader.written(60)
    assert written["documents"] == 3
    assert sum(written.values()) == 3
