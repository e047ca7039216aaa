"""Readers for published human pairs."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from models.seeds import split, split_key
from models.seeds.formats import Reading, Turns, make_seed, read_pairs
from schemas.errors import SourceError
from schemas.records import Example, ExampleOrigin, Provenance, Rating, Turn
from schemas.text import Warned
from streams.data.exports import Shape, write_jsonl, write_parquet
from streams.data.trees import write_messages, write_trees


def _message(text: str, role: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"text": text, "role": role, "replies": list(replies), **fields}


_TREE = {
    "message_tree_id": "1",
    "prompt": _message(
        "Name a bird.",
        "prompter",
        _message("A stone.", "assistant", rank=2),
        _message(
            "A wren.",
            "assistant",
            _message("And a larger one?", "prompter", _message("A heron.", "assistant", rank=None)),
            _message("Spam", "prompter", _message("No.", "assistant", rank=0), deleted=True),
            _message("Thanks", "prompter"),
            rank=0,
        ),
        _message("A bat.", "assistant", rank=-1, review_result=False),
    ),
}


def _read(
    tmp_path: Path, *rows: Any, turns: Turns = Turns.FIRST, replies: int = 1
) -> list[Example | SourceError | Warned]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_pairs(file, Reading(turns, replies)))


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        (
            {"instruction": " Ask ", "context": "Given", "response": "Answer", "category": "x"},
            ("Ask", "Given", "Answer"),
        ),
        ({"instruction": "Ask", "context": "", "response": "Answer"}, ("Ask", None, "Answer")),
        ({"instruction": "Ask", "input": "Given", "output": "Answer"}, ("Ask", "Given", "Answer")),
        ({"instruction": "Ask", "output": "Answer"}, ("Ask", None, "Answer")),
        ({"input": "Ask", "output": "Answer"}, ("Ask", None, "Answer")),
    ],
)
def test_dolly_and_alpaca(
    tmp_path: Path, row: dict[str, str], pair: tuple[str, str | None, str]
) -> None:
    (seed,) = _read(tmp_path, row)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == pair
    assert seed.origin is ExampleOrigin.SEED


def test_self_instruct_gives_a_pair_for_each_instance(tmp_path: Path) -> None:
    row = {
        "instruction": "Add.",
        "instances": [{"input": "1 1", "output": "2"}, {"input": "", "output": "0"}],
    }
    assert [(s.context, s.response) for s in _read(tmp_path, row) if isinstance(s, Example)] == [
        ("1 1", "2"),
        (None, "0"),
    ]


def test_a_tree_gives_the_best_reply_that_people_let_stand(tmp_path: Path) -> None:
    (seed,) = _read(tmp_path, _TREE)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == ("Name a bird.", None, "A wren.")


def test_a_tree_gives_what_follows_with_what_was_said(tmp_path: Path) -> None:
    first, second = (s for s in _read(tmp_path, _TREE, turns=Turns.ALL) if isinstance(s, Example))
    assert first.response == "A wren."
    assert (second.instruction, second.response) == ("And a larger one?", "A heron.")
    assert second.context is None
    assert _said(second) == [("user", "Name a bird."), ("assistant", "A wren.")]
    assert first.turns == ()
    assert first.provenance.conversation == second.provenance.conversation != ""


def _said(seed: Example) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in seed.turns]


def test_further_replies_of_a_tree_are_followed_by_rank(tmp_path: Path) -> None:
    seeds = [
        s for s in _read(tmp_path, _TREE, replies=2, turns=Turns.ALL) if isinstance(s, Example)
    ]
    assert [(s.instruction, s.response) for s in seeds] == [
        ("Name a bird.", "A wren."),
        ("And a larger one?", "A heron."),
        ("Name a bird.", "A stone."),
    ]
    assert len({s.provenance.conversation for s in seeds}) == 1
    assert len(_read(tmp_path, _TREE, replies=2)) == 2, "the first exchanges alone"


def test_the_exchanges_of_a_conversation_are_on_one_side_of_a_split(tmp_path: Path) -> None:
    rows = [
        {"messages": [m for n in range(3) for m in _exchange(f"Ask {i} {n}", f"Answer {i} {n}")]}
        for i in range(40)
    ]
    seeds = [s for s in _read(tmp_path, *rows, turns=Turns.ALL) if isinstance(s, Example)]
    assert len(seeds) == 120
    training, held_out = split(seeds)
    sides = [{seed.provenance.conversation for seed in side} for side in (training, held_out)]
    assert min(map(len, sides)) > 2
    assert sides[0].isdisjoint(sides[1])
    # One that names no conversation, as another producer may write it, is on the side of its own.
    bare = seeds[1].model_copy(update={"provenance": Provenance()})
    assert split_key(bare) == split_key(seeds[1]) == split_key(seeds[0])


def test_a_seed_without_turns_has_the_id_that_it_always_had() -> None:
    assert make_seed("Ask", None, "Answer").id == "e5aee1e0ec9ae0505f2675a8733857b4"
    turns = (Turn(role="user", text="a"), Turn(role="assistant", text="b"))
    assert make_seed("Ask", None, "Answer", turns).id != make_seed("Ask", None, "Answer").id


def _exchange(asked: str, answered: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


def test_the_same_pair_has_the_same_id(tmp_path: Path) -> None:
    row = {"instruction": "Ask", "response": "Answer"}
    one, other = _read(tmp_path, row, {**row, "category": "y"})
    assert isinstance(one, Example)
    assert isinstance(other, Example)
    assert one.id == other.id


@pytest.mark.parametrize(
    "row",
    [
        [],
        3,
        {"text": "a"},
        {"instruction": "a", "response": 3},
        {"instruction": "", "response": "b"},
    ],
)
def test_a_line_that_is_none_is_named_and_the_next_is_read(tmp_path: Path, row: Any) -> None:
    error, seed = _read(tmp_path, row, {"instruction": "Ask", "response": "Answer"})
    assert isinstance(error, SourceError)
    assert "rows.jsonl#1" in str(error)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"instruction": "Ask", "response": ' + b"9" * 5000 + b"}",
    ],
    ids=["deep", "digits"],
)
def test_a_line_that_json_stumbles_over_is_named(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(line + b'\n{"instruction": "Ask", "response": "Answer"}\n')
    error, seed = read_pairs(file)
    assert isinstance(error, SourceError)
    assert "rows.jsonl#1" in str(error)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "nothing",
    [
        *("<noinput>", "<No input>", "No input.", "[no input]", "(no input.)", "No input required"),
        *("None", "[None]", "null", "Not applicable.", "n/a", "No context", "no context provided."),
    ],
)
def test_a_word_for_no_context_is_none(tmp_path: Path, nothing: str) -> None:
    row = {"instruction": "Ask", "input": nothing, "output": "Answer"}
    assert _read(tmp_path, row) == [make_seed("Ask", None, "Answer")]


@pytest.mark.parametrize("text", ["No input is read by it.", "[]", "None of them", "(b)", "<p>."])
def test_a_text_that_only_resembles_one_is_a_context(tmp_path: Path, text: str) -> None:
    row = {"instruction": "Ask", "input": text, "output": "Answer"}
    assert _read(tmp_path, row) == [make_seed("Ask", text, "Answer")]


@pytest.mark.parametrize("text", ["None", "null", "Not applicable.", "No input is required."])
def test_an_answer_may_be_a_word_that_is_no_context(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, {"question": "Ask", "answer": text}) == [make_seed("Ask", None, text)]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Ask", "completion": "Answer", "label": True},
        {"prompt": "Ask", "completion": "Answer", "label": 0},
        {"question": "Is it so?", "answer": "No", "label": False},
    ],
    ids=["good", "number", "question"],
)
def test_a_label_that_rejects_no_answer_changes_nothing(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    (seed,) = _read(tmp_path, row)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Ask", "completion": "Answer"},
        {"prompt": "Ask", "response": "Answer"},
        {"question": "Ask", "answer": "Answer"},
        {"instruction": "Ask", "input": "<noinput>", "output": "Answer"},
        {"instruction": "Ask", "input": float("nan"), "output": "Answer"},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Ask"},
                {"role": "assistant", "content": "Answer"},
            ]
        },
        {"conversations": [{"from": "human", "value": "Ask"}, {"from": "gpt", "value": "Answer"}]},
        {
            "prompt": [{"role": "user", "content": "Ask"}],
            "completion": [{"role": "assistant", "content": "Answer"}],
        },
    ],
    ids=lambda row: " ".join(row),
)
def test_other_shapes_of_a_pair(tmp_path: Path, row: dict[str, Any]) -> None:
    (seed,) = _read(tmp_path, row)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == ("Ask", None, "Answer")


def test_a_chat_gives_what_follows_with_what_was_said(tmp_path: Path) -> None:
    texts = ("One?", "1", "Two?", "2")
    messages = [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant") * 2, texts, strict=True)
    ]
    _, second = _read(tmp_path, {"messages": messages}, turns=Turns.ALL)
    assert isinstance(second, Example)
    assert (second.instruction, second.response) == ("Two?", "2")
    assert _said(second) == [("user", "One?"), ("assistant", "1")]


@pytest.mark.parametrize("name", ["turns", "history"])
def test_a_pair_may_name_its_turns(tmp_path: Path, name: str) -> None:
    said: Any = {"turns": json.dumps(_exchange("One?", "1")), "history": [["One?", "1"]]}[name]
    row = {"instruction": "Two?", "output": "2", name: said}
    (seed,) = _read(tmp_path, row, turns=Turns.ALL)
    assert isinstance(seed, Example)
    assert _said(seed) == [("user", "One?"), ("assistant", "1")]
    assert _read(tmp_path, {**row, name: 3 if name == "turns" else []}, turns=Turns.ALL) == [
        make_seed("Two?", None, "2")
    ]


_U, _A = ({"role": role, "content": role} for role in ("user", "assistant"))


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([_A, _U, _A], "message 1 is the assistant's at the beginning"),
        ([_U, _U, _A], "message 2 is the user's after the user's"),
        ([_U, _A, _A], "message 3 is the assistant's after the assistant's"),
        ([_U, _A, _U], "it ends with message 3, the user's, which nothing answers"),
        ([_U, {"role": "system", "content": "x"}, _A], "message 2 has the role 'system' after"),
        ([_U, {"role": "narrator", "content": "x"}, _A], "message 2 has the role 'narrator'"),
        ([{"role": "user", "content": ""}, _A, _U, _A], "message 3 follows one of the user's"),
        (
            [_U, {"role": "assistant", "content": [{"type": "speech", "text": "a"}]}],
            "message 2 has its text in parts of the type speech; what is read: text, input_text",
        ),
        ([_U, {"role": "assistant", "content": {}}], "dict stands where text is wanted"),
        ([_U, _A] * 300, "600 messages; at most 512"),
    ],
)
def test_messages_that_are_no_conversation_are_refused_by_name(
    tmp_path: Path, messages: Any, says: str
) -> None:
    good = {"messages": [_U, _A]}
    first, error, third = _read(tmp_path, good, {"messages": messages}, good)
    assert isinstance(first, Example)
    assert isinstance(third, Example)
    assert "rows.jsonl#2: not a conversation: " in str(error)
    assert says in str(error)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"instruction": "Draw.", "output": "<nooutput>"}, "no instruction with a response"),
        ({"instruction": "Ask", "input": "N/A", "output": "N/A"}, "no instruction"),
        ({"instruction": "Ask", "output": "<No output>."}, "no instruction"),
        ({"prompt": "Ask", "completion": "Bad", "label": False}, "its label is false"),
        ({"prompt": "Ask", "response": "Bad", "label": "False"}, "its label is false"),
        ({"messages": [{"role": "user", "content": "Ask"}], "kto_tag": False}, "kto_tag is false"),
        ({"text": "a", "label": 1}, "its fields are text, label"),
        ({"messages": [{"role": "user"}]}, "no 'value'"),
        (
            {
                "message_tree_id": "1",
                "prompt": _message(
                    "Ask", "prompter", _message("Made", "assistant", rank=0, synthetic=True)
                ),
            },
            "people wrote",
        ),
    ],
)
def test_a_row_that_is_no_human_pair_is_said_to_be_none(
    tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    (error,) = _read(tmp_path, row)
    assert isinstance(error, SourceError)
    assert says in str(error)


def test_a_list_is_read_like_lines(tmp_path: Path) -> None:
    rows = [{"instruction": f"Ask {i}", "input": "", "output": "Answer"} for i in range(2)]
    file = tmp_path / "alpaca_data.json"
    file.write_text(json.dumps(rows, indent=4))
    assert [s.instruction for s in read_pairs(file) if isinstance(s, Example)] == ["Ask 0", "Ask 1"]


def test_bytes_are_read_as_everywhere(tmp_path: Path) -> None:
    row = b'{"instruction": "Ask", "response": "%s"}\n'
    data = b"\xef\xbb\xbf" + row % b"caf\xe9" + row % rb"half \ud800" + row % b"d\xc3\xa9j\xc3\xa0"
    file = tmp_path / os.fsdecode(b"r\xf6ws.jsonl.gz")
    file.write_bytes(gzip.compress(data) + b"what follows")
    *seeds, warning = read_pairs(file)
    assert [seed.response for seed in seeds if isinstance(seed, Example)] == [
        "caf\ufffd",
        "half \ufffd",
        "déjà",
    ]
    assert isinstance(warning, Warned)
    assert "r\\xf6ws.jsonl.gz" in warning.message


def test_damaged_gzip_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"instruction": "Ask", "response": "Answer"}\n'))
    packed[12:20] = b"\xff" * 8
    (tmp_path / "rows.jsonl.gz").write_bytes(packed)
    (error,) = read_pairs(tmp_path / "rows.jsonl.gz")
    assert isinstance(error, SourceError)


def test_gzip_and_what_cannot_be_read(tmp_path: Path) -> None:
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"instruction": "Ask", "response": "Answer"}\n'))
    assert len(list(read_pairs(packed))) == 1
    packed.write_bytes(packed.read_bytes()[:-9])
    for file in (packed, tmp_path / "nowhere.jsonl"):
        (error,) = read_pairs(file)
        assert isinstance(error, SourceError)
        assert file.name in str(error)


_CHAT = [{"role": "user", "content": "Ask"}, {"role": "assistant", "content": "Answer"}]


def _pairs(file: Path) -> list[tuple[str, str | None, str]]:
    found = list(read_pairs(file))
    assert all(isinstance(each, Example) for each in found), found
    return [(s.instruction, s.context, s.response) for s in found if isinstance(s, Example)]


@pytest.mark.parametrize(
    "columns",
    [
        {"instruction": ["Ask"], "context": [None], "response": ["Answer"]},
        {"messages": [_CHAT], "source": ["x"]},
        {"messages": [None], "prompt": ["Ask"], "completion": ["Answer"]},
        {
            "conversations": [
                [{"from": "human", "value": "Ask"}, {"from": "gpt", "value": "Answer"}]
            ]
        },
    ],
    ids=lambda columns: " ".join(columns),
)
def test_parquet_and_arrow(tmp_path: Path, columns: dict[str, list[Any]]) -> None:
    table = pyarrow.table(columns)
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pyarrow.ipc.new_stream(tmp_path / "rows.arrow", table.schema) as writer:
        writer.write_table(table)
    for name in ("rows.parquet", "rows.arrow"):
        assert _pairs(tmp_path / name) == [("Ask", None, "Answer")]


@pytest.mark.parametrize("name", ["rows.arrow", "rows.feather"])
def test_the_first_version_of_feather_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"FEA1\0\0\0\0" + bytes(64) + b"FEA1")
    (error,) = read_pairs(tmp_path / name)
    assert f"{name}: Feather's version 1, which is not read; write it as Arrow IPC" in str(error)


def test_csv(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress(b'instruction;input;output\nAsk;;"An;\nswer"\n'))
    assert _pairs(file) == [("Ask", None, "An;\nswer")]


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_table_without_pairs_is_one_error_that_names_its_columns(
    tmp_path: Path, extension: str
) -> None:
    file = tmp_path / f"rows.{extension}"
    if extension == "csv":
        file.write_text("label,text\n1,a\n2,b\n")
    else:
        parquet.write_table(pyarrow.table({"label": [1, 2], "text": ["a", "b"]}), file)
    (error,) = read_pairs(file)
    assert "not human pairs: its fields are label, text; what is read: instruction and resp" in str(
        error
    )


def _flat(id: str, parent: str | None, text: str, **fields: Any) -> dict[str, Any]:
    role = fields.pop("role", "assistant")
    row = {"message_id": id, "parent_id": parent, "text": text, "role": role, **fields}
    return row if parent else {name: value for name, value in row.items() if name != "parent_id"}


def test_flat_messages_of_open_assistant_are_trees_again(tmp_path: Path) -> None:
    rows = [
        _flat("1b", "1", "A wren.", rank=0),
        _flat("1c", "1b", "And a larger one?", role="prompter"),
        _flat("1", None, "Name a bird.", role="prompter"),
        _flat("1a", "1", "A stone.", rank=1),
        _flat("1d", "1", "Made.", rank=-1, synthetic=True),
        _flat("1e", "1c", "A heron.", rank=None),
    ]
    (first, second) = _read(tmp_path, *rows, turns=Turns.ALL)
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert (first.instruction, first.response) == ("Name a bird.", "A wren.")
    assert (second.instruction, second.response) == ("And a larger one?", "A heron.")


def test_messages_that_hang_in_the_air_are_said(tmp_path: Path) -> None:
    rows = [
        _flat("1", None, "Name a bird.", role="prompter"),
        _flat("2", "9", "Lost."),
        _flat("3", "3", "Its own parent."),
        _flat("1", None, "Twice.", role="prompter"),
        {**_flat("5", None, "No id."), "message_id": 5},
    ]
    same, no_text, alone, lost = map(str, _read(tmp_path, *rows))
    assert "#4: the same message_id as" in same
    assert "#5: its message_id or parent_id is no text" in no_text
    assert "#1: no instruction with a response" in alone
    assert "#2: replies to a message that is not in the file" in lost


def test_a_chain_of_messages_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    rows = [_flat(str(i), str(i - 1) if i else None, "x", rank=0) for i in range(5000)]
    (error,) = _read(tmp_path, *rows, turns=Turns.ALL)
    assert isinstance(error, SourceError)


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
@pytest.mark.parametrize("shape", Shape)
def test_own_exports_are_read_in_every_shape(
    tmp_path: Path, write: Callable[..., int], shape: Shape
) -> None:
    examples = [
        make_seed("Ask", None, "Answer"),
        make_seed("Sum it up.", "Long text.", "Short.").model_copy(
            update={
                "origin": ExampleOrigin.AUGMENTED,
                "rating": Rating(
                    score=4.5, probabilities=(0, 0, 0, 0.5, 0.5), release="r", template="t"
                ),
            }
        ),
    ]
    write(examples, tmp_path / "out", shape)
    bare, full = _pairs(tmp_path / "out")
    assert bare == ("Ask", None, "Answer")
    assert full == (
        ("Sum it up.\n\nLong text.", None, "Short.")
        if shape in (Shape.CHAT, Shape.SHAREGPT, Shape.PROMPT_COMPLETION)
        else ("Sum it up.", "Long text.", "Short.")
    )


@pytest.mark.parametrize("write", [write_jsonl, write_parquet, write_trees, write_messages])
@pytest.mark.parametrize("shape", [Shape.TRIPLES, Shape.CHAT, Shape.SHAREGPT])
def test_own_exports_of_conversations_come_back(
    tmp_path: Path, write: Callable[..., int], shape: Shape
) -> None:
    rows = [{"messages": [m for n in range(3) for m in _exchange(f"Ask {n}", f"Say {n}")]}]
    seeds = [s for s in _read(tmp_path, *rows, turns=Turns.ALL) if isinstance(s, Example)]
    assert len(seeds) == 3
    own = write in (write_jsonl, write_parquet)
    write(seeds, tmp_path / "out", *([shape] if own else []))
    found = [one for one in read_pairs(tmp_path / "out") if isinstance(one, Example)]
    # A chat has its earlier exchanges in it, so each of them comes several times, as one id.
    assert {one.id: one.turns for one in found} == {one.id: one.turns for one in seeds}
    assert {split_key(one) for one in found} <= {split_key(one) for one in seeds} | {seeds[0].id}


def test_parts_of_a_message_are_joined(tmp_path: Path) -> None:
    parts = [
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "As"},
        {"type": "text", "text": "k"},
    ]
    (seed,) = _read(tmp_path, {"messages": [{"role": "user", "content": parts}, _CHAT[1]]})
    assert isinstance(seed, Example)
    assert seed.instruction == "As\n\nk"


def test_parts_of_the_responses_api_are_text(tmp_path: Path) -> None:
    asked = {"role": "user", "content": [{"type": "input_text", "text": "Ask"}]}
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "output_text", "text": "Answer"}]
    row = {"messages": [asked, {"role": "assistant", "content": parts}]}
    assert _read(tmp_path, row) == [make_seed("Ask", None, "Answer")]


_ASK, _ANSWER = {"role": "User", "content": "Ask"}, {"role": "assistant", "content": "Answer"}


def test_calls_of_tools_in_a_chat_are_passed_over(tmp_path: Path) -> None:
    call: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [{}]}
    row = {"messages": [_ASK, call, {"role": "tool", "content": "5"}, _ANSWER, {"role": "call"}]}
    (seed,) = _read(tmp_path, row, turns=Turns.ALL)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.response) == ("Ask", "Answer")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"messages": []}, "its messages are empty"),
        ({"messages": "x"}, "do not hold what their names say"),
        ({"messages": [5, _ANSWER]}, "do not hold what their names say"),
        ({"messages": [{"role": "user"}, _ANSWER]}, "a part of it has no 'value'"),
        ({"instruction": "Ask", "output": ["a"]}, "do not hold what their names say"),
        ({"message_tree_id": "1", "prompt": None}, "do not hold what their names say"),
    ],
)
def test_a_row_with_a_bad_part_is_said_in_words(tmp_path: Path, row: Any, says: str) -> None:
    (error,) = _read(tmp_path, row)
    assert says in str(error)


def test_a_directory_without_rows_is_said(tmp_path: Path) -> None:
    (error,) = read_pairs(tmp_path)
    assert "a directory with no file in it" in str(error)
