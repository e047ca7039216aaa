"""What was written lately, by which ``status`` tells how fast stages are."""

import pytest

from schemas.records import Document, Segment
from streams.cli.status_reader import StatusReader
from streams.observe.lag import FlowReader
from streams.settings import Settings
from tests.integration.topics import Topics


def test_messages_of_the_last_seconds_are_counted(settings: Settings) -> None:
    topics = Topics(settings.kafka.cluster())
    with FlowReader(topics.cluster) as reader:
        assert set(reader.write_rates(60).values()) == {0}
        old, new = (
            [Document(id=f"{age}{n}", source="s", text="A text.") for n in range(3)]
            for age in ("old", "new")
        )
        topics.write(*old, age_days=1)
        assert reader.write_rates(60)["documents"] == 0
        topics.write(*new)
        rates = reader.write_rates(60)
        assert rates["documents"] == pytest.approx(3 / 10, rel=0.3), "they came just now"
        assert sum(rates.values()) == rates["documents"]
        days = 2 * 24 * 3600.0
        assert reader.write_rates(days)["documents"] == pytest.approx(6 / (days / 2), rel=0.01)


def test_a_stage_without_work_has_no_rate_and_one_that_wrote_lately_has_one(
    settings: Settings,
) -> None:
    """The segmenter has a document to do and wrote segments; the backward stage wrote nothing."""
    topics = Topics(settings.kafka.cluster())
    topics.write(Document(id="d", source="s", text="A text."))
    topics.write(
        *(
            Segment(id=f"s{n}", document_id="d", source="s", position=n, text="A text.")
            for n in range(6)
        )
    )
    with StatusReader(settings, None) as reader:
        stages = {stage.stage: stage for stage in reader.read().stages}
    assert 0.1 <= stages["segmenter"].per_second <= 0.6, "six, over 10 seconds to a minute"
    assert stages["backward"].lag == 6
    assert stages["backward"].per_second == 0
    assert stages["inventor"].per_second == 0, "what others wrote to candidates is not its work"
