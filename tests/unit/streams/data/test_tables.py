"""CSV, Arrow and the directories of Hugging Face's data sets as documents."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.feather
import pytest
from pyarrow import parquet

from schemas.errors import SourceError
from schemas.records import Document
from schemas.text import PassedOver
from streams.data.sources import ROWS, Columns, Outcome, discover, read

TABLE = pyarrow.table(
    {"id": [1, 2, 3], "text": ["one", None, "three"], "title": ["A", "B", None], "n": [[1], [], []]}
)


def csv(tmp_path: Path, data: bytes | str, name: str = "rows.csv", **options: object) -> list[str]:
    """The texts of a file, and what its errors say."""
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    found: Iterator[Outcome] = read(tmp_path / name, **options)  # type: ignore[arg-type]
    return [each.text if isinstance(each, Document) else str(each) for each in found]


class TestCsv:
    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_the_header_shows_the_delimiter(self, tmp_path: Path, mark: str, end: str) -> None:
        rows = [
            ("source", "text", "title"),
            ("a", f'"one, two{mark} and\n""three"""', "T"),
            ("", "four", ""),
        ]
        data = end.join(mark.join(row) for row in rows)
        assert csv(tmp_path, data) == [f'one, two{mark} and\n"three"', "four"]
        first, second = read(tmp_path / "rows.csv")
        assert isinstance(first, Document)
        assert isinstance(second, Document)
        assert (first.source, first.title) == ("a", "T")
        assert (second.source, second.title) == (f"{tmp_path}/rows.csv#2", None)

    def test_a_single_column_may_have_any_delimiter_in_it(self, tmp_path: Path) -> None:
        assert csv(tmp_path, "text\na, b; c\td | e\n\n\nf\n") == ["a, b; c\td | e", "f"]

    def test_a_first_line_may_name_the_delimiter(self, tmp_path: Path) -> None:
        assert csv(tmp_path, 'sep=;\r\ntext;a,b,c\r\none;"2"\r\n') == ["one"]
        assert "no column 'text'" in csv(tmp_path, "sep=;\nn;m\n1;2\n")[0]
        assert "no column 'text'" in csv(tmp_path, "sep=;\n")[0]

    def test_a_table_without_a_header_is_said_in_a_short_line(self, tmp_path: Path) -> None:
        (error,) = csv(tmp_path, f"{'word ' * 10_000},1\nmore,2\n")
        assert len(error) < 500

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_byte_order_marks(self, tmp_path: Path, encoding: str) -> None:
        data = 'text;other\n"déjà\nvu";1\nnaïve;2\n'.encode(encoding)
        assert csv(tmp_path, data) == ["déjà\nvu", "naïve"]

    def test_another_charset_is_refused_and_a_bad_byte_is_not(self, tmp_path: Path) -> None:
        rows = "text,n\n" + "déjà vu,1\n" * 3
        (error,) = csv(tmp_path, rows.encode("latin-1"))
        assert "rows.csv: after row 0: not UTF-8" in error
        assert "iconv" in error
        assert csv(tmp_path, rows.encode() + b"caf\xe9,1\n")[-1] == "caf\ufffd"
        (error,) = csv(tmp_path, b"text\n\0\0\0\n")
        assert "binary data" in error
        assert csv(tmp_path, b"text\n" + b"x" * 300_000 + b"\nGIF89a is a mark\n")[-1][:3] == "GIF"

    def test_a_column_can_be_named_and_a_missing_one_is_said(self, tmp_path: Path) -> None:
        data = "body of it;author\nwords, many;me\n"
        (error,) = csv(tmp_path, data)
        assert "its columns are: body of it, author. Name the text's with --text-column" in error
        assert csv(tmp_path, data, columns=Columns(text=("body of it",))) == ["words, many"]

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            ("", "the file is empty"),
            ("\n\n", "the file is empty"),
            ("text,n\n", "no row below its header"),
            ("text,n\na,b,c\n", "#1: 3 cells where the header has 2"),
            ('text,n\n"never closed' + "x" * 26_000_000, "mend the file there"),
            ('text,n\n"never closed,1\nnext,2\n', "#1: a quotation mark is not closed"),
            ("n,text\n1\n", "no 'text'"),
            ('0,"words\nand more"\n1,"words"\n', "no column 'text'"),
        ],
        ids=["empty", "blank", "header", "cells", "quote", "open", "short", "no header"],
    )
    def test_what_cannot_be_read_is_said(self, tmp_path: Path, data: str, says: str) -> None:
        (error,) = csv(tmp_path, data)
        assert says in error

    def test_a_last_row_without_a_newline_is_read(self, tmp_path: Path) -> None:
        assert csv(tmp_path, 'text,n\na,1\n"b\nc",2') == ["a", "b\nc"]

    def test_other_names_and_standard_compression(self, tmp_path: Path) -> None:
        assert csv(tmp_path, "text\tn\na\t1\n", "rows.tsv") == ["a"]
        assert csv(tmp_path, "text\tn\na\t1\n", "rows.TAB") == ["a"]
        assert csv(tmp_path, "text,n\na,1\n", "rows.log", format="csv") == ["a"]

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "rows.csv").write_bytes(b"n,text\n" + b'1,"%b"\n' % (b"x" * 10_000) * 2000)
        tracemalloc.start()
        assert sum(isinstance(each, Document) for each in read(tmp_path / "rows.csv")) == 2000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6_000_000


def save_to_disk(folder: Path, table: pyarrow.Table) -> None:
    """Write what ``datasets.Dataset.save_to_disk`` writes."""
    folder.mkdir(parents=True)
    with pyarrow.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    (folder / "dataset_info.json").write_text('{"features": {}}')
    (folder / "state.json").write_text('{"_split": null}')


def test_rows_of_human_pairs_are_said_to_be_for_seed(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Ask", "output": "Answer"}\n{"n": 1}\n')
    pair, other = map(str, read(tmp_path / "rows.jsonl"))
    assert "human pairs are for `backstream seed`" in pair
    assert "seed" not in other


class TestDatasets:
    def test_rows_of_a_saved_data_set_are_found(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            save_to_disk(tmp_path / split, TABLE)
        (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
        (tmp_path / "train" / "cache-1a2b.arrow").write_bytes(b"left by a map")
        found = list(discover([str(tmp_path)]))
        assert [each.name for each in found if isinstance(each, Path)] == [
            "data-00000-of-00001.arrow"
        ] * 2
        reasons = [each.reason for each in found if isinstance(each, PassedOver)]
        assert reasons.count("description of a data set") == 5
        assert reasons.count("cache of a data set") == 1
        one, error, three = read(tmp_path / "train" / "data-00000-of-00001.arrow")
        assert isinstance(one, Document)
        assert (one.text, one.title, one.source[-7:]) == ("one", "A", "arrow#0")
        assert isinstance(error, SourceError)
        assert "'text' is null" in str(error)
        assert isinstance(three, Document)

    def test_json_of_others_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "state.json").write_text('{"text": "words"}')
        (found,) = discover([str(tmp_path)])
        assert isinstance(found, Path)

    def test_only_rows_are_found_for_human_pairs(self, tmp_path: Path) -> None:
        for name in ("a.md", "b.jsonl", "c.csv", "README"):
            (tmp_path / name).write_text("")
        found = list(discover([str(tmp_path)], formats=ROWS))
        assert [each.name for each in found if isinstance(each, Path)] == ["b.jsonl", "c.csv"]
        assert {each.reason for each in found if isinstance(each, PassedOver)} == {
            ".md file",
            "unnamed file",
        }

    def test_files_with_an_index_and_damaged_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.arrow"
        with pyarrow.ipc.new_file(path, TABLE.schema) as writer:
            writer.write_table(TABLE)
        assert [each.text for each in read(path) if isinstance(each, Document)] == ["one", "three"]
        whole = path.read_bytes()
        with pyarrow.ipc.new_stream(path, TABLE.schema) as writer:
            writer.write_table(TABLE)
        for data in (whole[:-20], path.read_bytes()[:-60], b"", b"no table", b"\xff" * 4 + b"\x7f"):
            path.write_bytes(data)
            *_, last = read(path)
            assert isinstance(last, SourceError)
            assert "rows.arrow" in str(last)

    def test_feather_is_arrow(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.feather"
        pyarrow.feather.write_feather(TABLE, path)
        assert [each.text for each in read(path) if isinstance(each, Document)] == ["one", "three"]

    def test_directories_of_parquet_and_json_lines(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        parquet.write_table(TABLE, tmp_path / "data" / "train-00000-of-00001.parquet")
        (tmp_path / "more.jsonl").write_text(json.dumps({"text": "line"}))
        texts = [
            each.text
            for path in discover([str(tmp_path)])
            if isinstance(path, Path)
            for each in read(path)
            if isinstance(each, Document)
        ]
        assert texts == ["line", "one", "three"]
