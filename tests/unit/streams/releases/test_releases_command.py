"""What ``releases show`` prints."""

from pathlib import Path

from models.releases.signing import SIGNATURE, SigningKey, TrustedKeys
from models.releases.store import ReleaseStore
from schemas.release import Release, ReleaseStatus
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


def test_metrics_are_shown_beside_the_parents_with_intervals_and_the_verdict(
    tmp_path: Path,
) -> None:
    text = describe_release(_RELEASE, ReleaseStore(tmp_path))
    lines = [line.split() for line in text.splitlines()]
    assert ["instruction_nll", "3.000", "3.200", "-0.200", "-0.300", "to", "+0.100"] in lines
    assert ["pairs", "24.000", "24.000"] in lines
    assert ["nll", "(mean", "of", "both)", "-0.150", "-0.250", "to", "+0.050"] in lines
    assert "when it was trained: the fall of the held-out NLL may be chance" in text
    assert f"not in {tmp_path}; the trainer's is '/nowhere'" in text


def test_the_path_of_the_report_is_shown(tmp_path: Path) -> None:
    (tmp_path / "r-1").mkdir()
    (tmp_path / "r-1" / "report.md").write_text("# Release r-1\n", encoding="utf-8")
    text = describe_release(_RELEASE, ReleaseStore(tmp_path))
    assert text.splitlines()[-1] == f"  report in {tmp_path / 'r-1' / 'report.md'}"


def test_it_is_shown_who_signed_it(tmp_path: Path) -> None:
    key = SigningKey.generate(tmp_path / "key.pem")
    directory = tmp_path / "r-1"
    directory.mkdir()
    (directory / "manifest.json").write_bytes(b"{}")
    (directory / SIGNATURE).write_bytes(key.sign(b"{}"))

    def shown(*trusted: str) -> str:
        return describe_release(_RELEASE, ReleaseStore(tmp_path, TrustedKeys(trusted)))

    assert f"signed with {key.public}, trusted" in shown(key.public)
    other = SigningKey.generate(tmp_path / "other.pem").public
    assert f"signed with {key.public}, NOT in releases.trusted_keys" in shown(other)
    assert f"signed with {key.public}; releases.trusted_keys is empty" in shown()
    (directory / "manifest.json").write_bytes(b"{} ")
    assert "WRONGLY SIGNED: its manifest.sig is not that of its manifest" in shown()
    (directory / SIGNATURE).unlink()
    assert "not signed" in shown()


def test_a_release_without_intervals_is_shown(tmp_path: Path) -> None:
    release = _RELEASE.model_copy(update={"intervals": {}, "reason": ""})
    text = describe_release(release, ReleaseStore(tmp_path))
    assert "0.750" in text
    assert "when it was trained" not in text
