"""How messages of ``releases`` are folded, without a broker."""

import pytest
from kafka.errors import InvalidProducerEpochError, KafkaTimeoutError

from schemas.errors import BrokerError, FencedError, SettingsError
from schemas.release import Release, ReleaseStatus
from schemas.wire import encode, headers_for
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.releases import announcements
from streams.releases.announcements import Announcer, fold, in_service, in_service_before
from streams.settings import KafkaSettings

_NOW = 1_800_000_000.0


def _release(id: str, announced_at: float = 0.0, base: str = "base") -> Release:
    return Release(
        id=id,
        parent=base,
        base=base,
        status=ReleaseStatus.IN_SERVICE,
        location="",
        created_at=1.0,
        announced_at=announced_at,
    )


def _folded(*messages: tuple[Release, float | None]) -> tuple[dict[str, Release], list[str]]:
    passed_over: list[str] = []
    reader = RecordReader(passed_over.append)
    found: dict[str, Release] = {}
    for offset, (release, at) in enumerate(messages):
        received = Received(
            "releases",
            0,
            offset,
            release.id.encode(),
            encode(release),
            headers_for(Release),
            timestamp_ms=None if at is None else int(at * 1000),
        )
        fold(found, received, reader, _NOW)
    return found, passed_over


@pytest.mark.parametrize("said", [0.0, _NOW, _NOW + 1e6, 253_000_000_000.0])
def test_the_time_of_an_announcement_is_that_of_its_message(said: float) -> None:
    found, passed_over = _folded((_release("r-1", said), _NOW - 5))
    assert found["r-1"].announced_at == _NOW - 5
    assert found["r-1"].term == 1
    assert passed_over == []


def test_a_message_without_a_time_says_its_own() -> None:
    found, _ = _folded((_release("r-1", _NOW - 7), None))
    assert found["r-1"].announced_at == _NOW - 7


@pytest.mark.parametrize("at", [_NOW + 3700, 253_000_000_000.0])
def test_an_announcement_from_the_future_is_passed_over(at: float) -> None:
    found, passed_over = _folded((_release("r-1"), _NOW), (_release("r-1"), at))
    assert found["r-1"].term == 1, "the one before it stays"
    assert passed_over == ["releases"]


def test_the_last_announced_serves_and_those_before_it_stand_in() -> None:
    found, _ = _folded(*((_release(id), _NOW) for id in ("r-1", "r-2", "r-1", "r-3")))
    assert [r.id for r in in_service_before(found.values(), "base")] == ["r-3", "r-1", "r-2"]
    serving = in_service(found.values(), "base")
    assert serving is not None
    assert serving.id == "r-3"
    assert in_service_before(found.values(), "other") == []


@pytest.mark.parametrize("id", ["../r-1", "/etc", ".hidden", "r-1\n", "r 1", "r\x1b[2J", "..", "é"])
def test_an_id_that_is_no_directorys_name_is_passed_over(id: str) -> None:
    release = _release("r-1").model_copy(update={"id": id})
    found, passed_over = _folded((release, _NOW))
    assert found == {}
    assert passed_over == ["releases"]


class _Producer:
    """Stands in for kafka-python's. Commits fail with ``error``, where there is one."""

    _sender = None

    def __init__(self, error: Exception | None, calls: list[str]) -> None:
        self._error = error
        self._calls = calls

    def init_transactions(self) -> None:
        self._calls.append("init")

    def begin_transaction(self) -> None:
        pass

    def send(self, *_: object, **__: object) -> "_Producer":
        return self

    def get(self, _: float) -> None:
        pass

    def commit_transaction(self) -> None:
        if self._error is not None:
            raise self._error
        self._calls.append("commit")

    def close(self, timeout: float) -> None:
        self._calls.append("close")


def _announcer(
    monkeypatch: pytest.MonkeyPatch, *errors: Exception | None
) -> tuple[Announcer, list[str]]:
    calls: list[str] = []
    left = list(errors)
    monkeypatch.setattr(announcements, "connect", lambda *_, **__: _Producer(left.pop(0), calls))
    return Announcer(KafkaSettings(bootstrap_servers="nowhere:1").cluster(), "trainer"), calls


def test_after_a_failure_the_next_announcement_connects_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announcer, calls = _announcer(monkeypatch, KafkaTimeoutError("no answer"), None)
    with announcer:
        with pytest.raises(BrokerError, match=r"release r-1 .*announced.*no answer"):
            announcer.announce(_release("r-1"))
        announcer.announce(_release("r-1"))
    assert calls == ["init", "close", "init", "commit", "close"]


@pytest.mark.parametrize(
    ("there", "deployed"),
    [
        ([], "no release is deployed"),
        ([_release("r-1", base="other")], "no release is deployed"),
        ([_release("base")], "base is deployed"),
    ],
)
def test_what_cannot_be_rolled_back_is_told_as_status_tells_it(
    there: list[Release], deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "read_releases", lambda _: there)
    cluster = KafkaSettings(bootstrap_servers="nowhere:1").cluster()
    with pytest.raises(SettingsError, match=f"^{deployed}: there is nothing to roll back$"):
        announcements.roll_back(cluster, "base")


@pytest.mark.parametrize(("timeout_ms", "raised"), [(15_000, FencedError), (-1, BrokerError)])
def test_a_transaction_that_has_expired_was_not_fenced(
    timeout_ms: int, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "_TIMEOUT_MS", timeout_ms)
    announcer, _ = _announcer(monkeypatch, InvalidProducerEpochError())
    with announcer, pytest.raises(BrokerError) as error:
        announcer.announce(_release("r-1"))
    assert type(error.value) is raised
