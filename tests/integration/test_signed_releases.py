"""The trainer signs what it announces; the command line makes keys and signatures."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.swap import copy_release
from models.releases.signing import SIGNATURE, SigningKey
from schemas.errors import SettingsError
from streams.cli.main import app
from streams.releases.announcements import announce, read_releases
from streams.releases.store import release_store
from streams.run.processes import run_trainer
from streams.settings import ReleaseSettings, Settings
from streams.trainer.curated_set import CuratedSet
from streams.trainer.service import TrainerService


def _with_keys(settings: Settings, file: Path, *trusted: str) -> Settings:
    keys = ReleaseSettings(signing_key=file, trusted_keys=trusted)
    return settings.model_copy(update={"releases": keys})


def test_a_release_is_signed_before_it_is_announced(
    settings: Settings, judge_release: Path, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    key = SigningKey.generate(file)
    settings = _with_keys(settings, file, key.public)
    cluster = settings.kafka.cluster()
    # As a trainer leaves it that is killed between the end of a run and its announcement.
    with CuratedSet(settings.dataset_file) as curated:
        for id in ("r-1", "r-2"):
            made = copy_release(judge_release, settings.releases_dir / id, id)
            curated.record_run(made, arrival=0, at=1.0)
    shutil.rmtree(settings.releases_dir / "r-2")

    for _ in range(2):
        run_trainer(settings, judge_release, print, once=True, signals=())
        (release,) = read_releases(cluster)
        assert release.id == "r-1", "what cannot be signed is not announced"
        release_store(settings).verify(release).confirm()


def test_a_trainer_whose_key_nobody_trusts_does_not_start(
    settings: Settings, judge_release: Path, tmp_path: Path
) -> None:
    file, other = tmp_path / "key.pem", SigningKey.generate(tmp_path / "other.pem").public
    public = SigningKey.generate(file).public
    with pytest.raises(SettingsError, match=r"trusted_keys lacks"):
        TrainerService(_with_keys(settings, file, other), judge_release, print)
    TrainerService(_with_keys(settings, file, other, public), judge_release, print)
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        TrainerService(_with_keys(settings, file), judge_release, print)


def test_keys_and_signatures_of_the_command_line(
    settings: Settings, judge_release: Path, tmp_path: Path
) -> None:
    file, releases = tmp_path / "key.pem", settings.releases_dir
    announce(settings.kafka.cluster(), copy_release(judge_release, releases / "r-1", "r-1"))
    state = ["--state-dir", str(settings.state_dir)]
    shown = ["releases", "show", "r-1", *state, "--broker", settings.kafka.bootstrap_servers]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    def signed_by() -> str | None:
        return json.loads(run(*shown, "--json").stdout)["signed_by"]  # type: ignore[no-any-return]

    public = run("releases", "keygen", str(file)).stdout.strip()
    assert signed_by() is None
    assert "no key" in str(run("releases", "sign", "r-1", *state).exception)
    signing = ["releases", "sign", *state, "--key", str(file)]
    assert run(*signing, "r-1").stdout.strip() == f"r-1 is signed with {public}"
    assert signed_by() == public
    trusting = ("-s", f"releases.trusted_keys=[{public}]")
    assert f"signed with {public}, trusted" in run(*shown, *trusting).stdout
    assert "no directory" in str(run(*signing, "r-9").exception)
    assert (releases / "r-1" / SIGNATURE).stat().st_size < 200
    (releases / "r-1" / SIGNATURE).write_text("ed25519 A B")
    assert "WRONGLY SIGNED" in run(*shown).stdout
