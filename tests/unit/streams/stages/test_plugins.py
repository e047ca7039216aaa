"""Agents of other packages: found by real entry points, held to the rules of every stage."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.plugin import Draft, Filter, Generator
from agents.refusal import Refusal
from schemas.errors import RemoteUnavailable, SettingsError
from schemas.records import Candidate, Rejection, Segment
from streams.cli.probes import probe_agents
from streams.kafka.topics import CANDIDATES, SEGMENTS
from streams.observe.evidence import Evidence
from streams.settings import Settings
from streams.stages.making import agent_makers
from streams.stages.rehearsal import rehearse
from streams.stages.topology import plugged_agents, stages_of
from tests.plugin_package import blocks, entry_points, install

_Installed = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Installed]:
    """Installs a package whose entry points are given."""
    for module in ("definitions", "broken", "odd"):  # another test may have imported them
        monkeypatch.delitem(sys.modules, module, raising=False)
    known = {*sys.modules}

    def put(points: str, files: dict[str, str] | None = None, name: str = "example") -> None:
        directory = tmp_path / name
        directory.mkdir()
        install(directory, files if files is not None else blocks(), points, name)
        monkeypatch.syspath_prepend(str(directory))

    yield put
    for module in {*sys.modules} - known:
        if module in ("definitions", "broken", "odd"):
            del sys.modules[module]


def _segment(text: str, id: str = "a1") -> Segment:
    return Segment(id=id, document_id="d1", source="s", position=0, text=text, headings=("H",))


def _settings(**agents: dict[str, Any]) -> Settings:
    return Settings(agents=agents)


def test_the_tests_of_the_example_pass(tmp_path: Path) -> None:
    install(tmp_path, blocks(), entry_points())
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{root}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_what_is_installed_runs_only_where_the_settings_name_it(installed: _Installed) -> None:
    installed(entry_points())
    assert "definitions" not in [spec.name for spec in stages_of(Settings())]
    assert "definitions (example 1.0)" in probe_agents(Settings())
    assert "definitions" not in sys.modules, "what is not named is not imported"
    settings = _settings(definitions={"longest": 5}, advertising={})
    (spec,) = (spec for spec in stages_of(settings) if spec.plugged)
    assert (spec.name, spec.source, spec.role) == ("definitions", SEGMENTS, None)
    assert CANDIDATES in spec.outputs
    assert [each.name for each in plugged_agents(settings)] == ["definitions", "advertising"]
    assert probe_agents(settings).startswith("of other packages: definitions (example 1.0)")


async def test_a_generator_and_a_filter_run_as_the_topology_has_them(
    installed: _Installed,
) -> None:
    installed(entry_points())
    settings = _settings(definitions={}, advertising={})
    agent = agent_makers(settings, {})["definitions"]()
    (candidate,) = await agent.handle(_segment("A queue is a list."))
    assert isinstance(candidate, Candidate)
    origin = candidate.provenance
    assert candidate.instruction == "What is a queue?"
    assert (origin.generator, origin.request_id) == ("definitions", "definitions/a1")
    assert (origin.segment_id, origin.document_id) == ("", "d1")
    assert origin.release == "definitions-1.0"
    (again,) = await agent.handle(_segment("A queue is a list."))
    assert again == candidate
    (refused,) = await agent.handle(_segment("Buy now: a queue is a list."))
    assert isinstance(refused, Rejection)
    assert (refused.stage, refused.reason) == ("definitions", "advertising.advertising")


async def test_the_evidence_accounts_for_a_stage_of_another_package(installed: _Installed) -> None:
    installed(entry_points())
    settings = _settings(definitions={}, advertising={})
    stages = [spec for spec in stages_of(settings) if spec.plugged]
    agent = agent_makers(settings, {})["definitions"]()
    evidence = Evidence(stages)
    (candidate,) = await agent.handle(_segment("A queue is a list.", "a1"))
    (nothing,) = await agent.handle(_segment("Nothing.", "a2"))
    (filtered,) = await agent.handle(_segment("Buy now", "a3"))
    assert isinstance(candidate, Candidate)
    assert isinstance(nothing, Rejection)
    assert isinstance(filtered, Rejection)
    evidence.add_candidate(candidate)
    assert evidence.add_rejection(nothing)
    assert evidence.add_rejection(filtered)
    assert evidence.is_followed("definitions", "a1")
    assert not evidence.is_followed("backward", "a1"), "each stage accounts for itself"
    for id in ("a2", "a3"):
        assert evidence.is_rejected("definitions", id)
        assert not evidence.is_rejected("backward", id)
    assert not evidence.is_followed("definitions", "a4")
    # A candidate that is refused later accounts for what it was made from as well.
    later = Evidence(stages)
    assert later.add_rejection(candidate.refuse("scorer", "unrated"))
    assert later.is_followed("definitions", "a1")


@pytest.mark.parametrize(
    ("section", "files", "points", "reason"),
    [
        ("absent", {}, "", "no package that is installed here has an agent absent"),
        ("backward", {}, "backward = m:x", "backward is a stage of Backstream"),
        ("Bad", {}, "Bad = m:x", "lower-case letters"),
        ("broken", {"broken.py": "1 / 0"}, "broken = broken:x", "ZeroDivisionError"),
        ("broken", {"broken.py": "raise SystemExit(3)"}, "broken = broken:x", "SystemExit"),
        ("broken", {}, "broken = broken:x", "ModuleNotFoundError"),
        ("broken", {"broken.py": ""}, "broken = broken:x", "AttributeError"),
        ("broken", {"broken.py": "x = 1"}, "broken = broken:x", "neither an agents.plugin"),
    ],
)
def test_an_agent_that_cannot_be_used_is_named(
    installed: _Installed, section: str, files: dict[str, str], points: str, reason: str
) -> None:
    installed(f"[backstream.agents]\n{points}\n", files)
    with pytest.raises(SettingsError, match=reason):
        stages_of(_settings(**{section: {}}))


def test_what_cannot_be_used_is_named_beside_what_can(installed: _Installed) -> None:
    points = entry_points() + "\nbroken = broken:x\n"
    installed(points.replace("[backstream.agents]", "[backstream.agents]"))
    with pytest.raises(SettingsError) as refused:
        probe_agents(_settings(definitions={"longest": "x"}, broken={}, advertising={}))
    assert "agents.definitions.longest" in str(refused.value)
    assert "agents.broken" in str(refused.value)
    assert "advertising" not in str(refused.value)
    assert plugged_agents(_settings(advertising={}))


def test_a_name_that_two_packages_have_is_refused(installed: _Installed) -> None:
    installed(entry_points())
    installed(entry_points(), {}, "other")
    with pytest.raises(SettingsError, match=r"example 1\.0, other 1\.0"):
        stages_of(_settings(definitions={}))


def test_a_generator_may_replace_a_stage(installed: _Installed) -> None:
    code = (
        "from agents.plugin import Generator\nfrom schemas.records import Question, Segment\n"
        "x = Generator(Segment, lambda s, m: None, replaces='backward')\n"
        "y = Generator(Question, lambda s, m: None, replaces='backward')\n"
    )
    installed("[backstream.agents]\nmine = odd:x\nyours = odd:x\nodd = odd:y\n", {"odd.py": code})
    names = [spec.name for spec in stages_of(_settings(mine={}))]
    assert "mine" in names
    assert "backward" not in names
    with pytest.raises(SettingsError, match="several agents replace the stage backward"):
        stages_of(_settings(mine={}, yours={}))
    with pytest.raises(SettingsError, match="does not read what it reads, Question"):
        stages_of(_settings(odd={}))


class _Made:
    """A generator that returns or raises what it was given, and counts."""

    def __init__(self, made: Any) -> None:
        self.made = made
        self.calls = 0

    async def generate(self, record: Any) -> Sequence[Draft | Refusal]:
        self.calls += 1
        if isinstance(self.made, BaseException):
            raise self.made
        return self.made

    def check(self, record: Any) -> Refusal | None:
        self.calls += 1
        if isinstance(self.made, BaseException):
            raise self.made
        return self.made


@pytest.mark.parametrize(
    "made",
    [
        ValueError("no"),
        SystemExit(1),
        OSError("a file of its own"),
        None,
        "text",
        [1],
        [Draft("", "text")],
        [Draft("What?", 3)],  # type: ignore[arg-type]
        [Refusal("A reason.", "")],
        [Draft("What?", "That.")] * 65,
    ],
    ids=repr,
)
async def test_an_error_of_its_code_is_a_dead_letter_and_the_others_go_on(made: Any) -> None:
    bad = _Made(made)

    class Sometimes:
        async def generate(self, record: Any) -> Sequence[Draft | Refusal]:
            if record.text == "bad":
                return await bad.generate(record)
            return [Draft("What is it?", record.text)]

    plugin = Generator(Segment, lambda settings, model: Sometimes())
    found = await rehearse(plugin, [_segment("one"), _segment("bad", "b"), _segment("two", "c")])
    assert [candidate.response for candidate in found.candidates] == ["one", "two"]
    assert len(found.dead) == 1
    assert "the agent rehearsed" in found.dead[0]
    assert bad.calls == 3, "it was tried three times"


@pytest.mark.parametrize("made", [ValueError("no"), SystemExit(1), OSError("no"), True, 3])
async def test_an_error_of_a_filter_lets_nothing_pass(made: Any) -> None:
    bad = _Made(made)
    found = await rehearse(Filter(Segment, lambda settings: bad), [_segment("one")])
    assert found.passed == []
    assert "the filter rehearsed" in found.dead[0]


async def test_what_its_code_depends_on_is_waited_for() -> None:
    class Away(_Made):
        async def generate(self, record: Any) -> Sequence[Draft | Refusal]:
            self.calls += 1
            if self.calls < 6:
                raise RemoteUnavailable("away")
            return []

    away = Away(None)
    async with asyncio.timeout(30):
        found = await rehearse(Generator(Segment, lambda settings, model: away), [_segment("one")])
    assert [each.reason for each in found.rejections] == ["nothing_made"]
    assert found.dead == []


def test_only_what_can_be_accounted_for_is_read(installed: _Installed) -> None:
    code = (
        "from agents.plugin import Filter\nfrom schemas.records import Scored\n"
        "x = Filter(Scored, lambda s: None)\n"
    )
    installed("[backstream.agents]\nodd = odd:x\n", {"odd.py": code})
    with pytest.raises(SettingsError, match="it must read one of Segment, Bootstrap, Question"):
        stages_of(_settings(odd={}))
