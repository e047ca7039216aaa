"""What ``releases show`` prints."""

from pathlib import Path

from schemas.records import Release, ReleaseStatus
from streams.releases.describe import describe_release

_RELEASE = Release(
    id="r-1",
    parent="house-1",
    base="house-1",
    status=ReleaseStatus.KEPT,
    location="/nowhere",
    created_at=1.0,
    metrics={"instruction_nll": 3.0, "pairs": 24.0, "rating_auc": 0.75},
    parent_metrics={"instruction_nll": 3.2, "pairs": 24.0, "rating_auc": 0.8},
    intervals={
        "instruction_nll": (-0.2, -0.3, 0.1),
        "nll": (-0.15, -0.25, 0.05),
        "rating_auc": (-0.05, -0.1, 0.02),
    },
    reason="the fall of the held-out NLL may be chance",
    examples=1200,
    seeds=96,
)


def test_metrics_are_shown_beside_the_parents_with_intervals_and_the_verdict() -> None:
    lines = [line.split() for line in describe_release(_RELEASE).splitlines()]
    assert ["instruction_nll", "3.000", "3.200", "-0.200", "-0.300", "to", "+0.100"] in lines
    assert ["pairs", "24.000", "24.000"] in lines
    assert ["nll", "(mean", "of", "both)", "-0.150", "-0.250", "to", "+0.050"] in lines
    assert "when it was trained: the fall of the held-out NLL may be chance" in describe_release(
        _RELEASE
    )
    assert lines[-1] == ["in", "/nowhere"]


def test_the_path_of_the_report_is_shown(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("# Release r-1\n", encoding="utf-8")
    text = describe_release(_RELEASE.model_copy(update={"location": str(tmp_path)}))
    assert text.splitlines()[-1] == f"  report in {tmp_path / 'report.md'}"


def test_a_release_without_intervals_is_shown() -> None:
    text = describe_release(_RELEASE.model_copy(update={"intervals": {}, "reason": ""}))
    assert "0.750" in text
    assert "when it was trained" not in text
