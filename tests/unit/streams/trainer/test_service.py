"""What the trainer passes on to a training run."""

from pathlib import Path

from models.judging.evidence import EvidenceKind
from models.training.__main__ import _parser
from streams.settings import load
from streams.trainer.service import TrainerService


def test_a_run_rates_and_keeps_as_the_settings_say(tiny_release: Path, tmp_path: Path) -> None:
    chosen = ("scorer.evidence=likelihood", "curation.target_precision=0.9")
    settings = load(None, {"state_dir": tmp_path}, (*chosen, "curation.threshold=3.5"))
    launcher = TrainerService(settings, tiny_release, print)._launcher
    given = launcher._options(tiny_release, tiny_release, tmp_path, tmp_path)
    parsed = vars(_parser().parse_args(given))
    assert parsed["evidence"] is EvidenceKind.LIKELIHOOD
    assert (parsed["threshold"], parsed["target_precision"]) == (3.5, 0.9)
