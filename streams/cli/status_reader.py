"""Reads what ``status`` shows from the broker and the state directory."""

import time
from collections.abc import Mapping
from pathlib import Path

from models.releases.release import read_manifest
from models.remote.usage import read_usage
from schemas.errors import TrainingError
from schemas.records import Rejection
from schemas.release import Release, ReleaseStatus
from streams.cli.obstacles import obstacles
from streams.cli.status import RemoteLimits, StageStatus, Status
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED, DEAD_LETTERS, REJECTED, TOPICS
from streams.observe.acceptance import read_acceptance
from streams.observe.example_count import ExampleCount
from streams.observe.failing import read_failing
from streams.observe.lag import Flow, FlowReader
from streams.observe.missing_workers import worker_options
from streams.observe.mix import read_mix
from streams.observe.rates import Rates, rate_of_writes
from streams.releases.announcements import read_releases
from streams.releases.rerating import rerating
from streams.releases.serving import serving_here
from streams.releases.store import release_store
from streams.settings import Role, Settings
from streams.stages.topology import stages_of
from streams.trainer.training_wait import training_wait

_WRITES_SECONDS = 60.0
"""That the writes of a stage are counted over whose commits give no rate."""
_RATE_SECONDS = 0.6
"""Between the first two readings of offsets, where a stage wrote nothing in that time."""
_COUNT_SECONDS = 10.0
"""For counting examples."""
_REFUSALS = 200
"""Rejections of each partition that are looked at where nothing was kept."""


class StatusReader:
    """Reads the status again and again with the same clients. Use as a context manager.

    Raises BrokerError where Kafka does not answer.
    """

    def __init__(self, settings: Settings, base: Path | None) -> None:
        """``base`` is the directory of ``settings.model``; None where it has not been exported."""
        self._settings = settings
        self._cluster = settings.kafka.cluster()
        self._base = read_manifest(base).id if base is not None else None
        self._rates = Rates()
        self._flow = FlowReader(self._cluster, stages_of(settings))
        try:
            self._count = ExampleCount(self._cluster)
        except BaseException:
            self._flow.__exit__()
            raise
        self._is_first = True

    def __enter__(self) -> "StatusReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._count.__exit__()
        self._flow.__exit__()

    def read(self) -> Status:
        """The status now. It takes up to ten seconds where ``curated`` is large."""
        started = time.monotonic()
        flow = self._flow.read()
        self._rates.update(flow)
        settings, cluster = self._settings, self._cluster
        examples = self._count.read(_COUNT_SECONDS)
        acceptance = read_acceptance(cluster, settings)
        mix = read_mix(cluster, settings.curation.mix)
        releases = read_releases(cluster)
        workers, others = self._flow.workers(), self._flow.others()
        rates = self._rates_in(flow)
        if self._is_first and not all(rates.get(one.stage) for one in flow.stages if one.lag):
            time.sleep(max(0.0, _RATE_SECONDS - (time.monotonic() - started)))
            flow = self._flow.read()
            self._rates.update(flow)
            rates = self._rates_in(flow)
        self._is_first = False
        messages = {cluster.topic(topic): flow.messages[topic.name] for topic in TOPICS}
        if self._count.complete:
            messages[cluster.topic(CURATED)] = examples
        else:
            del messages[cluster.topic(CURATED)]
        serving, refused = None, {}
        if self._base is not None:
            found = serving_here(releases, self._base, release_store(settings))
            serving, refused = found.release, found.refused
        progress = None
        if serving is not None and settings.rates_again:
            progress = rerating(cluster, serving, settings.rerating.after_seconds)
        stages = _stages(flow, rates, workers)
        dead_letters = flow.messages[DEAD_LETTERS.name]
        remote = read_usage(settings.usage_file)
        limits = RemoteLimits(settings.remote.budget_tokens, settings.remote.budget_cost)
        kept_nothing = self._count.complete and not examples and flow.messages[REJECTED.name]
        broker = settings.kafka.bootstrap_servers
        return Status(
            broker=broker,
            stages=stages,
            messages=messages,
            release=serving.id if serving else self._base,
            refused=refused,
            pinned={str(role): name for role in Role if (name := settings.pinned(role))},
            releases=len(releases),
            deployed=sum(one.status is ReleaseStatus.IN_SERVICE for one in releases),
            rerating=progress,
            remote=remote,
            remote_limits=limits,
            acceptance=acceptance,
            mix=mix,
            dead_letters=dead_letters,
            in_the_way=[
                *obstacles(
                    stages,
                    dead_letters,
                    acceptance,
                    worker_options(settings),
                    failing=read_failing(settings.state_dir),
                    others=others,
                    messages=flow.messages,
                    budget=limits.spent(remote),
                    refusals=_last_refusals(cluster) if kept_nothing else (),
                ),
                *_training(settings, serving),
            ],
        )

    def _rates_in(self, flow: Flow) -> Mapping[str, float]:
        """Messages a second of the stages.

        A stage commits once a second, or seldom. So the rate of one that has something to do, and
        of which no commit was seen, is that of what it wrote in the last minute.
        """
        rates = {**self._rates.per_second}
        waiting = {stage.stage for stage in flow.stages if stage.lag}
        slow = [
            spec
            for spec in stages_of(self._settings)
            if spec.name in waiting and not rates.get(spec.name)
        ]
        written = self._flow.write_rates(_WRITES_SECONDS) if slow else {}
        return rates | {spec.name: rate_of_writes(spec, flow, written) for spec in slow}


def _stages(
    flow: Flow, rates: Mapping[str, float], workers: Mapping[str, int]
) -> list[StageStatus]:
    return [
        StageStatus(
            stage.stage,
            stage.topic,
            stage.done,
            stage.lag,
            round(rates.get(stage.stage, 0.0), 2),
            workers.get(stage.stage, 0),
            {one.partition: one.deleted_unread for one in stage.partitions if one.deleted_unread},
            {one.partition: one.held for one in stage.partitions if one.held},
        )
        for stage in flow.stages
    ]


def _last_refusals(cluster: Cluster) -> list[str]:
    """The reasons of the last rejections."""
    reader = RecordReader()
    found = (
        reader.read_record(received, Rejection)
        for received in replay(cluster, REJECTED, last=_REFUSALS)
    )
    return [rejection.reason for rejection in found if rejection is not None]


def _training(settings: Settings, serving: Release | None) -> list[str]:
    try:
        waiting = training_wait(settings, serving)
    except TrainingError as error:
        return [str(error)]
    return [] if waiting is None else [str(waiting)]
