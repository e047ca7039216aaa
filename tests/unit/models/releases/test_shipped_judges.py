"""The judges that the bundled models ship, and when an export takes them."""

import shutil
from pathlib import Path

import pytest

from models.engine import chosen_precision
from models.judging.judge import VERSION
from models.judging.rated import RATED_FILE, read_rated
from models.prompts.layout import Prompter
from models.prompts.template import TRAINED_TASKS
from models.releases.adapters import write_merged
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.releases.checkpoints import HOUSE_CHECKPOINT, checkpoint_digest
from models.releases.names import WRITER_ADAPTER
from models.releases.release import read_manifest
from models.releases.shipped_judges import (
    JUDGES_FILE,
    ShippedJudges,
    judging_files,
    read_shipped_judges,
)
from schemas.errors import ModelError

_AGAIN = "run `python -m bench.shipped_judges` again for this model"


def _templates(directory: Path) -> dict[str, str]:
    prompter = Prompter.load(directory)
    return {task.value: prompter.template(task).id for task in TRAINED_TASKS}


def test_the_house_models_are_for_its_weights_and_prompts() -> None:
    shipped = read_shipped_judges(HOUSE_CHECKPOINT)
    assert shipped is not None
    assert shipped.checkpoint == checkpoint_digest(HOUSE_CHECKPOINT), _AGAIN
    assert shipped.templates == _templates(HOUSE_CHECKPOINT), _AGAIN
    assert shipped.judges.version == VERSION, _AGAIN


def test_the_writers_have_learned_from_its_rated_pairs() -> None:
    shipped = read_shipped_judges(WRITER_ADAPTER)
    assert shipped is not None
    rated = read_rated(WRITER_ADAPTER)
    assert shipped.judges.rated_pairs == len(rated) > 100
    assert shipped.judges.version == VERSION, _AGAIN
    # The adapter's directory has the writer's chat template, but no tokenizer.
    assert shipped.templates.keys() == {task.value for task in TRAINED_TASKS}


def test_the_writers_are_for_its_weights_and_prompts(tmp_path: Path) -> None:
    """On the real base, where an earlier command has converted it."""
    found = sorted((default_cache() / "checkpoints").glob("SmolLM2-135M-Instruct.Q4_1-*"))
    if not found:
        pytest.skip("smollm2 is not in the cache: `backstream models add smollm2`")
    write_merged(found[-1], WRITER_ADAPTER, tmp_path / "writer")
    shipped = read_shipped_judges(tmp_path / "writer")
    assert shipped is not None
    assert shipped.checkpoint == checkpoint_digest(tmp_path / "writer"), _AGAIN
    assert shipped.templates == _templates(tmp_path / "writer"), _AGAIN
    assert (tmp_path / "writer" / RATED_FILE).read_bytes() == (
        WRITER_ADAPTER / RATED_FILE
    ).read_bytes()


def test_an_export_takes_those_that_fit_it(house: Path) -> None:
    shipped = read_shipped_judges(HOUSE_CHECKPOINT)
    assert shipped is not None
    digest = checkpoint_digest(HOUSE_CHECKPOINT)
    fits = shipped.fit(digest, house)
    assert fits == (shipped.precision == str(chosen_precision(house)))
    assert (read_manifest(house).judges == shipped.judges) == fits
    assert not shipped.fit("another checkpoint", house)
    changes: tuple[dict[str, object], ...] = (
        {"precision": "another"},
        {"templates": {}},
        {"judges": shipped.judges.model_copy(update={"version": 0})},
    )
    for change in changes:
        assert not shipped.model_copy(update=change).fit(digest, house)


def test_a_file_that_holds_no_judges_is_named(tmp_path: Path) -> None:
    assert read_shipped_judges(tmp_path) is None
    assert judging_files(tmp_path) == ()
    (tmp_path / JUDGES_FILE).write_text('{"checkpoint": "a"}')
    assert judging_files(tmp_path) == (tmp_path / JUDGES_FILE,)
    with pytest.raises(ModelError, match=r"judges\.json does not hold judges: precision"):
        read_shipped_judges(tmp_path)
    (tmp_path / JUDGES_FILE).unlink()
    (tmp_path / JUDGES_FILE).mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_shipped_judges(tmp_path)


def test_what_is_written_is_read_again(house: Path, tmp_path: Path) -> None:
    judges = read_manifest(house).judges
    assert judges is not None
    made = ShippedJudges.of(judges, "digest", house)
    made.write(tmp_path)
    assert read_shipped_judges(tmp_path) == made


@pytest.mark.parametrize("name", [JUDGES_FILE, RATED_FILE])
def test_a_malformed_file_ends_an_export_before_it_begins(name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "model"
    shutil.copytree(HOUSE_CHECKPOINT, checkpoint)
    (checkpoint / name).write_text("{}\n")
    lines: list[str] = []
    with pytest.raises(ModelError, match=name):
        prepare(str(checkpoint), tmp_path / "cache", progress=lines.append)
    assert len(lines) == 1
