"""Two trainers: the newer one announces releases, the older one is fenced and stops."""

import threading

import pytest

from models.releases.release import read_manifest
from schemas.errors import FencedError, TrainingError
from schemas.records import Example, ExampleOrigin
from schemas.release import ReleaseStatus
from streams.data.feed import seed
from streams.releases.announcements import Announcer, read_releases
from streams.run.processes import run_trainer
from tests.announcements import announcement


def test_the_later_announcer_fences_the_earlier(settings, judge_release):
    cluster, base = settings.kafka.cluster(), read_manifest(judge_release).id
    with Announcer(cluster, "trainer") as first:
        first.announce(announcement("r-1", base, status=ReleaseStatus.KEPT))
        with Announcer(cluster, "trainer") as second, Announcer(cluster, "another") as third:
            with pytest.raises(FencedError, match=r"another trainer has started.*r-2"):
                first.announce(announcement("r-2", base, status=ReleaseStatus.KEPT))
            second.announce(
                announcement("r-3", base, status=ReleaseStatus.KEPT),
                announcement("r-4", base, status=ReleaseStatus.KEPT),
            )
            third.announce(announcement("r-5", base, status=ReleaseStatus.KEPT))
    assert [release.id for release in read_releases(cluster)] == ["r-1", "r-3", "r-4", "r-5"]


@pytest.mark.timeout(900)
def test_a_trainer_that_is_overtaken_while_it_trains_ends_and_keeps_its_state_directory_until_then(
    settings, judge_release
):
    cluster = settings.kafka.cluster()
    quick = settings.training.model_copy(update={"min_examples": 1, "max_tokens": 4000})
    settings = settings.model_copy(update={"training": quick})
    seed(
        cluster,
        [
            Example(
                id="s1", instruction="Name a bird.", response="A wren.", origin=ExampleOrigin.SEED
            )
        ],
    )
    events: list[dict[str, object]] = []
    training = threading.Event()

    def on_event(event):
        events.append(dict(event))
        if event["event"] == "training":
            training.set()

    trainer = threading.Thread(
        target=run_trainer, args=(settings, judge_release, on_event), kwargs={"signals": ()}
    )
    trainer.start()
    assert training.wait(180)
    with pytest.raises(TrainingError, match="another trainer uses"):
        run_trainer(settings, judge_release, on_event, once=True, signals=())
    with Announcer(cluster, f"{cluster.group}.trainer"):
        trainer.join(600)  # it notices when it has trained and exported
    assert not trainer.is_alive()
    assert events[-1]["event"] == "fenced"
    assert [event["event"] for event in events].count("released") == 1, (
        "it was written, and another run finds it"
    )
    assert read_releases(cluster) == []

    # The next trainer of this state directory announces it.
    run_trainer(settings, judge_release, on_event, once=True, signals=())
    assert len(read_releases(cluster)) == 1
