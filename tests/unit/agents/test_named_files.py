"""Filters that read files: benchmarks and lists of words; and faithfulness to a context."""

import asyncio
import gzip
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from agents.curation.faithfulness import k_precision
from agents.curation.named_files import read_benchmark, read_word_list
from agents.curation.settings import CuratorSettings
from agents.curation.word_list import WordList
from agents.curator import Curator
from schemas.errors import SettingsError
from schemas.records import Example, Rejection, Scored
from tests.unit.agents.test_curator import scored

_LONG = "A lock raises boats from the lower level to the upper one, when its lower gates are shut."
_SHORT = "Which gate opens first?"
_ROWS = [{"question": _SHORT, "choices": ["upper", {"text": _LONG}], "answer": 1}, {"id": None}]


def outcome(settings: CuratorSettings, record: Scored) -> Example | Rejection:
    [found] = asyncio.run(Curator(settings).handle(record))
    assert isinstance(found, Example | Rejection)
    return found


def reason(settings: CuratorSettings, record: Scored) -> str | None:
    found = outcome(settings, record)
    return found.reason if isinstance(found, Rejection) else None


def written(directory: Path, name: str) -> Path:
    """The same two texts in a format that is told by the name."""
    file = directory / name
    match name.split(".")[1]:
        case "jsonl":
            file.write_text("\n".join(map(json.dumps, _ROWS)), "utf-8")
        case "json":
            file.write_text(json.dumps(_ROWS, indent=1), "utf-8")
        case "csv":
            file.write_text(f'question,answer\n{_SHORT},"{_LONG}"\n', "utf-8")
        case "parquet":
            parquet.write_table(pyarrow.table({"q": [_SHORT], "a": [[_LONG]]}), file)
        case _:
            file.write_text(f"{_SHORT}\n{_LONG}\n", "utf-8")
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    return file


@pytest.mark.parametrize(
    "name", ["b.jsonl", "b.json", "b.csv", "b.parquet", "b.txt", "b.jsonl.gz", "b.TXT"]
)
def test_text_of_a_benchmark_is_refused(tmp_path: Path, name: str) -> None:
    settings = CuratorSettings(benchmarks=(written(tmp_path, name),))
    quoting = scored(response=f"It is said: {_LONG.upper().replace(',', ' -')} So it is.")
    refused = outcome(settings, quoting)
    assert isinstance(refused, Rejection)
    assert refused.reason == "benchmark"
    assert refused.detail == (
        f"'a lock raises boats from the lower level to the upper one when' is in {name}"
    )
    assert reason(settings, scored(instruction=_LONG, response="Yes.")) == "benchmark"
    asked = outcome(settings, scored(instruction="which gate opens  FIRST"))
    assert isinstance(asked, Rejection)
    assert asked.detail == f"the instruction is in {name}"
    twelve = " ".join(_LONG.split()[:12])
    assert reason(settings, scored(response=f"It is said: {twelve} and so on.")) is None
    assert reason(settings, scored(response=f"A short text of it, {_SHORT}, is no run.")) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"curation\.benchmarks: .*b\.jsonl cannot be read: No such file"),
        (b"", r"cannot be read: .*no line in it"),
        (b"{]", r"cannot be read: .*not JSON"),
        (b"[1, 2]", "there is no text in it"),
        (b"\x1f\x8b\x08cut", "cannot be read"),
    ],
)
def test_a_benchmark_that_cannot_be_read_is_an_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "b.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_benchmark(file)


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.parquet").write_bytes(b"no parquet")
    (tmp_path / "words.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    with pytest.raises(SettingsError, match=r"b\.parquet cannot be read"):
        read_benchmark(tmp_path / "b.parquet")
    with pytest.raises(SettingsError, match=r"curation\.toxic_words: .*words\.txt"):
        read_word_list(tmp_path / "words.txt")
    with pytest.raises(SettingsError, match="there is no word in it"):
        read_word_list(tmp_path / "empty.txt")


def test_words_of_a_list_are_refused_whole_and_in_any_case(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# fruit\nplum\nrotten apple\nh*ll\n梅干し\n", "utf-8")
    settings = CuratorSettings(toxic_words=file)
    for text, word in (
        ("You PLUM!", "plum"),
        ("You rotten\napple.", "rotten apple"),
        ("What the h*ll", "h ll"),
        ("これは梅干しです。", "梅干し"),
    ):
        refused = outcome(settings, scored(response=text))
        assert isinstance(refused, Rejection), text
        assert (refused.reason, refused.detail) == ("toxic", word)
    for text in ("A plumber plumbs.", "A rotten egg and an apple.", "これは梅です。"):
        assert reason(settings, scored(response=text)) is None
    assert reason(settings, scored(instruction="Is a plum a fruit?")) == "toxic"
    assert WordList([]).first("anything") is None


def test_a_response_must_keep_to_its_context() -> None:
    settings = CuratorSettings(faithfulness=0.6)
    context = "Locks raise boats between two levels of a canal."
    record = scored(response="Locks raise boats between levels.")

    def given(text: str | None, response: str) -> Scored:
        made = record.candidate.model_copy(update={"context": text, "response": response})
        return record.model_copy(update={"candidate": made})

    assert reason(settings, given(context, "Locks raise boats between levels.")) is None
    refused = outcome(settings, given(context, "Weirs hold water back; boats pass by Locks."))
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.detail) == (
        "unfaithful",
        "25% of the response's words are in the context, at least 60%",
    )
    for none in (None, "", " \n"):
        assert reason(settings, given(none, "Weirs hold water back.")) is None
    assert reason(CuratorSettings(), given(context, "Weirs hold water back.")) is None
    assert k_precision("a a b", "a b b") == pytest.approx(2 / 3)
    assert k_precision("", "a") == 0
