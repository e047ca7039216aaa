"""``describe``: the tables and the diagram name everything that runs."""

import json
import re

from typer.testing import CliRunner

from streams.cli.main import app
from streams.kafka.cluster import Cluster
from streams.kafka.topics import BOOTSTRAPS, DECISIONS, DOCUMENTS, QUESTIONS, TOPICS
from streams.observe.describe import as_mermaid, as_table
from streams.stages.topology import ACCOUNTED_STAGES, EVERY_STAGE, RECURATOR, STAGES

_CLUSTER = Cluster({})
_RUNNING = (*STAGES, RECURATOR)
"""What runs with the default settings."""


def test_the_tables_have_a_row_for_each_stage_and_topic() -> None:
    table = as_table(_CLUSTER)
    assert [row["stage"] for row in table["stages"]] == [spec.name for spec in _RUNNING]
    assert [row["topic"] for row in table["topics"]] == [topic.name for topic in TOPICS]
    assert all(
        isinstance(value, str) and value
        for rows in table.values()
        for row in rows
        for value in row.values()
    )
    assert {len(row) for row in table["stages"]} == {5}


def test_every_stage_refuses_and_buries_somewhere() -> None:
    for row in as_table(_CLUSTER)["stages"]:
        assert {"rejected", "dead-letters"} < set(row["writes"].split(", "))


def test_stages_hang_together() -> None:
    written = {topic for spec in EVERY_STAGE for topic in spec.outputs}
    fed = {DOCUMENTS, BOOTSTRAPS, QUESTIONS, DECISIONS}
    assert all(spec.source in written or spec.source in fed for spec in EVERY_STAGE), (
        "what is read is written by someone"
    )
    assert len({spec.name for spec in EVERY_STAGE}) == len(EVERY_STAGE)
    assert all(spec.state is None or spec.state in spec.outputs for spec in EVERY_STAGE)


def test_the_diagram_names_every_stage_and_topic() -> None:
    diagram = as_mermaid(_CLUSTER)
    lines = diagram.splitlines()
    assert lines[0] == "flowchart LR"
    for topic in TOPICS:
        assert f"  {topic.name}[({topic.name})]" in lines
    for spec in _RUNNING:
        assert f"  {spec.source.name} --> {spec.name}[{spec.name}]" in lines
        for topic in spec.outputs:
            assert f"  {spec.name} --> {topic.name}" in lines
    assert "  curated --> trainer[trainer]" in lines
    assert "  trainer --> releases" in lines
    names = {topic.name for topic in TOPICS} | {spec.name for spec in _RUNNING} | {"trainer"}
    assert set(re.findall(r"[a-z][a-z-]*[a-z]", "\n".join(lines[1:]))) == names


def test_the_command_prints_them() -> None:
    run = CliRunner().invoke
    assert json.loads(run(app, ["describe", "--json"]).stdout) == as_table(_CLUSTER)
    assert run(app, ["describe", "--mermaid"]).stdout == as_mermaid(_CLUSTER) + "\n"
    plain = run(app, ["describe"])
    assert plain.exit_code == 0
    for name in [spec.name for spec in _RUNNING] + [topic.name for topic in TOPICS]:
        assert re.search(rf"^{name}\b", plain.stdout, re.MULTILINE)


def test_topics_are_described_by_their_names_on_the_cluster() -> None:
    prefixed = ["describe", "-s", "kafka.topic_prefix=team-a."]
    run = CliRunner().invoke
    table = json.loads(run(app, [*prefixed, "--json"]).stdout)
    assert [row["topic"] for row in table["topics"]] == [f"team-a.{t.name}" for t in TOPICS]
    assert {row["reads"] for row in table["stages"]} <= {row["topic"] for row in table["topics"]}
    assert "  curated[(team-a.curated)]" in run(app, [*prefixed, "--mermaid"]).stdout.splitlines()


def test_stages_that_are_set_are_described() -> None:
    optional = ["-s", "rewriting.enabled=true", "-s", "preferences.enabled=true"]
    run = CliRunner().invoke
    table = json.loads(run(app, ["describe", "--json", *optional]).stdout)
    names = [spec.name for spec in (*ACCOUNTED_STAGES, RECURATOR)]
    assert [row["stage"] for row in table["stages"]] == names
    diagram = run(app, ["describe", "--mermaid", *optional]).stdout.splitlines()
    assert {"  curated --> rewriter[rewriter]", "  pairer --> preferences"} <= set(diagram)
