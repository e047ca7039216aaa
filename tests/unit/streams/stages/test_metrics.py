"""Metrics: named by the rules, documented from the list, and counted where they are named."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from streams.stages import metrics
from streams.stages.metrics import METRICS, MetricDefinition, Metrics, MetricType, as_markdown

_DOCUMENT = Path(metrics.__file__).parents[2] / "docs" / "metrics.md"
_UNITS = ("_total", "_records", "_examples", "_seconds", "_bytes")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_has_its_prefix_and_unit(metric: MetricDefinition) -> None:
    assert metric.full_name == f"backstream_{metric.name}"
    assert metric.name.endswith(_UNITS)
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    assert metric.meaning.endswith(".")
    assert not any("id" in label.split("_") for label in metric.labels), (
        "an id as a label is a series for each record"
    )


def test_the_list_is_whole_and_names_none_twice() -> None:
    defined = [value for value in vars(metrics).values() if isinstance(value, MetricDefinition)]
    assert sorted(m.name for m in defined) == sorted(m.name for m in METRICS)
    assert len({m.name for m in METRICS}) == len(METRICS)


def test_the_document_is_the_list() -> None:
    told = _DOCUMENT.read_text(encoding="utf-8")
    assert told == as_markdown(), "run python -m streams.stages.metrics > docs/metrics.md"
    for metric in METRICS:
        assert f"| `{metric.full_name}` | {metric.type} |" in told
        assert metric.meaning in told


def test_each_is_served_under_its_name() -> None:
    measured = Metrics()
    makers = {
        MetricType.COUNTER: measured.counter,
        MetricType.GAUGE: measured.gauge,
        MetricType.HISTOGRAM: measured.histogram,
    }
    for metric in METRICS:
        labels = dict.fromkeys(metric.labels, "x")
        made = makers[metric.type](metric, **labels)
        assert makers[metric.type](metric, **labels) is made, "asked again, the same"
    page = generate_latest(measured.registry).decode()
    for metric in METRICS:
        assert f"# HELP {metric.full_name} {metric.meaning}" in page
        assert f"# TYPE {metric.full_name} {metric.type}" in page


def test_two_processes_worth_of_metrics_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.counter(metrics.RETRIES, stage="backward").inc(3)
    other.counter(metrics.RETRIES, stage="backward").inc()
    assert b'backstream_retries_total{stage="backward"} 3.0' in generate_latest(one.registry)
    assert b'backstream_retries_total{stage="backward"} 1.0' in generate_latest(other.registry)
