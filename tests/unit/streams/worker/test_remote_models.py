"""Roles behind addresses: keys, usage and metrics, as settings and environment want them."""

import asyncio
from pathlib import Path

import pytest

from models.remote.model import RemoteModel
from models.remote.usage import Tokens, Usage, read_usage
from schemas.errors import SettingsError
from streams.cli.prepare import prepare
from streams.cli.status import RemoteLimits
from streams.settings import Role, Settings, load
from streams.stages.metrics import REMOTE_COST, REMOTE_REQUESTS, REMOTE_TOKENS, Metrics
from streams.worker.remote_models import RemoteModels
from streams.worker.role_models import RoleModels
from tests.remote.server import KEY, serving

_NOWHERE = "openai:tiny@http://127.0.0.1:9/v1"


def test_both_roles_behind_addresses_need_no_server_and_no_release(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(backward=_NOWHERE, forward=_NOWHERE, state_dir=tmp_path / "state")
    models = asyncio.run(RoleModels.load(settings, tmp_path / "no-release"))
    assert models.following == set()
    assert {type(handle.model) for handle in models.handles.values()} == {RemoteModel}
    assert models.handles[Role.FORWARD].device == "remote"
    asyncio.run(models.aclose())
    assert not settings.state_dir.exists()
    assert caplog.text.count("has no judge: it rates by digits") == 1
    assert "`backstream models judge`" in caplog.text


@pytest.mark.parametrize("role", ["backward", "forward"])
def test_an_address_with_a_password_is_refused_without_it(role: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(flags={role: "openai:tiny@http://user:s3cret@host/v1"})
    assert "BACKSTREAM_REMOTE_KEY" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_what_is_served_elsewhere_cannot_be_trained_or_exported() -> None:
    with pytest.raises(SettingsError, match="--backward or --forward"):
        load(flags={"model": _NOWHERE})
    with pytest.raises(Exception, match="is not exported"):
        prepare(_NOWHERE)


def test_a_cost_needs_prices() -> None:
    with pytest.raises(SettingsError, match="without prices"):
        load(assignments=("remote.budget_cost=5",))
    load(assignments=("remote.budget_cost=5", "remote.prices.backward.prompt=1"))


async def test_keys_usage_and_metrics_are_those_of_the_role(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKSTREAM_REMOTE_KEY", "another-key")
    monkeypatch.setenv("BACKSTREAM_REMOTE_KEY_FORWARD", KEY)
    prices = ("remote.prices.forward.prompt=1", "remote.prices.forward.completion=10")
    settings = load(None, {"state_dir": tmp_path / "state"}, prices)
    metrics = Metrics()
    async with serving(house) as server:
        server.key = KEY
        model = RemoteModels(settings, metrics, creates_state=True).make(
            Role.FORWARD, f"openai:tiny@{server.url}"
        )
        await model.probe()
        await model.aclose()
    used = read_usage(settings.usage_file)["forward"]
    assert (used.prompt_tokens, used.completion_tokens) == (
        server.prompt_tokens,
        server.completion_tokens,
    )
    cost = (server.prompt_tokens + 10 * server.completion_tokens) / 1e6
    assert used.cost == pytest.approx(cost)

    def value(definition: object, **labels: str) -> float:
        return metrics.counter(definition, role="forward", **labels)._value.get()  # type: ignore[arg-type]

    assert value(REMOTE_REQUESTS, outcome="answered") == 1
    assert value(REMOTE_TOKENS, kind="prompt") == server.prompt_tokens
    assert value(REMOTE_COST) == pytest.approx(cost)


async def test_a_key_on_its_way_in_the_clear_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKSTREAM_REMOTE_KEY", KEY)
    models = RemoteModels(Settings(state_dir=tmp_path / "state"))
    models.make(Role.BACKWARD, "openai:tiny@https://example.org/v1")
    models.make(Role.BACKWARD, _NOWHERE)
    assert not caplog.text
    models.make(Role.BACKWARD, "openai:tiny@http://example.org/v1")
    assert "is sent unencrypted" in caplog.text
    assert KEY not in caplog.text


def test_status_has_a_line_for_each_role_and_for_the_budget() -> None:
    usage = {"backward": Usage(12, 3000, 400, 64, 0.25, 0.01), "forward": Usage(3, 100, 9)}
    lines = RemoteLimits(tokens=10_000, cost=5.0).as_text(usage)
    assert lines == [
        "remote backward: 12 requests, 3,000 tokens read and 400 written, cost 0.25; up to 64 more "
        "without an answer",
        "remote forward: 3 requests, 100 tokens read and 9 written",
        "remote budget: 3,573 of 10,000 tokens",
        "remote budget: a cost of 0.26 of 5",
    ]
    assert RemoteLimits(None, None).as_text({}) == []
    assert Tokens(1, 2).total == 3
