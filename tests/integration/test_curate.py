"""``curate --dry-run`` on real topics."""

import asyncio
import json

from typer.testing import CliRunner

from agents.curator import Curator
from schemas.records import Example, Rejection
from streams.cli.main import app
from streams.kafka.topics import SCORED
from streams.settings import Settings
from tests.integration.topics import Topics
from tests.unit.agents.test_curator import scored


def test_other_settings_are_tried_on_what_is_there(settings: Settings) -> None:
    topics = Topics(settings.kafka.cluster())
    ratings = [
        scored("e0", "Which birds sing at night in spring?", "Owls do.", 4.5),
        scored("e1", "How deep is the sea?", "It is deep.", 3.5),
        scored("e2", "Why does iron rust?", "It meets water.", 4.5),
    ]
    curator = Curator()
    outcomes = [
        outcome for record in ratings[:2] for outcome in asyncio.run(curator.handle(record))
    ]
    records = [one for one in outcomes if isinstance(one, Example | Rejection)]
    topics.write(*ratings, *records)
    topics.commit(Curator.stage, SCORED, 2)

    def curate(*arguments: str) -> str:
        command = ["curate", "--dry-run", *arguments, "--broker", topics.cluster.address]
        ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    found = json.loads(curate("--json", "-s", "curation.threshold=3"))
    assert (found["pairs"], found["kept"], found["kept_after"]) == (3, 1, 3)
    assert found["refused"] == {"below_threshold": 1, "not_curated_yet": 1}
    assert found["refused_after"] == {}
    assert {one["id"] for one in found["gained"]} == {"e1", "e2"}
    assert "2 pairs would be accepted as well" in curate("-s", "curation.threshold=3")


def test_it_only_runs_dry() -> None:
    ended = CliRunner().invoke(app, ["curate"])
    assert ended.exit_code == 2
    assert "add --dry-run" in ended.output
