"""Conversations that are fed: from rows and messages to replies without their requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table, parquet

from agents.segmenter import Segmenter, SegmenterSettings
from schemas.conversations import NotAConversation, conversation_text, parse_conversation
from schemas.errors import SourceError, WireError
from schemas.ids import segment_id
from schemas.records import Document, Rejection, Segment
from schemas.text.media_types import CONVERSATION
from schemas.wire import decode_document
from streams.data.sources import read
from streams.observe.preview import cut_documents, explained_documents
from streams.settings import Settings

_REPLY = (
    "The bridge was built of stone by the monks of the abbey, who asked a toll of a penny from "
    "everybody that crossed it with a cart, and nothing from those on foot. The second one came "
    "a century later, and it was made of oak from the forest beyond the river."
)
_LATER = _REPLY.replace("bridge", "barn").replace("abbey", "town") + " It burned down in a night."


def _exchange(asked: str | None, answered: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


_CHAT = [*_exchange("Who built it?", _REPLY), *_exchange("And the other?", _LATER)]
_TREE = {
    "message_tree_id": "1",
    "prompt": {
        "text": "Who built it?",
        "role": "prompter",
        "replies": [
            {"text": "A worse one.", "role": "assistant", "rank": 1, "replies": []},
            {
                "text": _REPLY,
                "role": "assistant",
                "rank": 0,
                "replies": [
                    {
                        "text": "And the other?",
                        "role": "prompter",
                        "replies": [{"text": _LATER, "role": "assistant", "replies": []}],
                    }
                ],
            },
        ],
    },
}


def _read(tmp_path: Path, *rows: Any) -> list[Any]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read(file))


async def _segments(document: Document, **settings: Any) -> list[Segment | Rejection]:
    return await Segmenter(SegmenterSettings(**settings)).handle(document)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, *_CHAT]},
        {
            "conversations": [
                {"from": "human" if m["role"] == "user" else "gpt", "value": m["content"]}
                for m in _CHAT
            ]
        },
        _TREE,
        {"messages": [*_CHAT[:2], *_exchange(None, _LATER)], "source": "log"},
    ],
    ids=["messages", "sharegpt", "tree", "without the last message of the user"],
)
async def test_each_reply_is_a_segment_with_what_was_said_before(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    (document,) = _read(tmp_path, row)
    assert isinstance(document, Document)
    assert document.media_type == CONVERSATION
    assert document.source == row.get("source", document.source)
    first, second = await _segments(document)
    assert isinstance(first, Segment)
    assert isinstance(second, Segment)
    assert (first.text, first.turns) == (_REPLY, ())
    assert first.id == segment_id(_REPLY), "the id that the text alone has"
    assert second.text == _LATER
    assert [turn.text for turn in second.turns] == ["Who built it?", _REPLY]
    assert second.id == segment_id(_LATER, None, ["Who built it?", _REPLY]) != segment_id(_LATER)
    assert (second.position, second.language) == (1, "en")


async def test_a_table_of_chats_is_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    parquet.write_table(Table.from_pylist([{"messages": _CHAT, "id": 5}]), file)
    (document,) = read(file)
    assert isinstance(document, Document)
    assert len(await _segments(document)) == 2


def test_a_text_counts_before_a_chat(tmp_path: Path) -> None:
    (document,) = _read(tmp_path, {"text": "A text.", "messages": _CHAT})
    assert document.media_type == "text/plain"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"messages": _CHAT[1:]}, "#2: not a conversation: message 1 is the assistant's"),
        ({"messages": [{"role": "user"}]}, "#2: not a conversation: a part of it has no 'value'"),
        ({"conversation": "x"}, "#2: not a conversation: its fields do not hold"),
        ({"messages": []}, "#2: no 'text'"),
        (
            {"message_tree_id": "1", "prompt": {"text": "a", "role": "assistant"}},
            "a message of the role 'assistant' where the user's is wanted",
        ),
        ({"message_id": "1", "role": "prompter", "text": "a"}, "taken out of a conversation"),
    ],
)
def test_what_is_no_conversation_is_named_with_its_line(
    tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    good = {"messages": _CHAT}
    first, error, third = _read(tmp_path, good, row, good)
    assert isinstance(first, Document)
    assert isinstance(error, SourceError)
    assert says in str(error)
    assert isinstance(third, Document)


async def test_replies_that_are_too_short_or_follow_too_much_are_refused() -> None:
    text = conversation_text({"messages": [*_CHAT, *_exchange("Thanks!", "You are welcome.")]})
    document = Document(id="d", source="s", text=text, media_type=CONVERSATION)
    kept, short = (await _segments(document))[1:]
    assert isinstance(kept, Segment)
    assert isinstance(short, Rejection)
    assert (short.reason, short.count) == ("too_short", 1)
    assert "at least 200 are wanted" in short.detail
    first, second = (await _segments(document, max_history_characters=50))[:2]
    assert isinstance(first, Segment)
    assert isinstance(second, Rejection)
    assert (second.reason, second.document_id) == ("history_too_long", "d")
    assert "at most 50 are read" in second.detail


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"messages": 5}', "[" * 100_000, "\u0000"])
async def test_a_document_that_should_be_a_conversation_is_rejected(text: str) -> None:
    document = Document(id="d", source="s", text=text, media_type=CONVERSATION)
    (rejection,) = await _segments(document)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.document_id) == ("not_a_conversation", "d")


def test_a_refused_conversation_is_explained_by_its_rejection_alone() -> None:
    document = Document(id="d", source="s", text="{}", media_type=CONVERSATION)
    assert list(explained_documents(Settings(), [document])) == list(
        cut_documents(Settings(), [document])
    )


def test_a_tree_that_is_too_deep_is_no_conversation() -> None:
    tree: dict[str, Any] = {"text": "x", "role": "assistant", "replies": []}
    for number in range(3001):
        role = "assistant" if number % 2 else "prompter"
        tree = {"text": "x", "role": role, "replies": [tree]}
    with pytest.raises(NotAConversation, match=r"512 messages|nested too deep"):
        conversation_text({"message_tree_id": "1", "prompt": tree})


def test_a_text_of_a_conversation_says_the_same_and_nothing_else() -> None:
    row = {"messages": [{**message, "name": "Jane", "id": 7} for message in _CHAT], "user": "Jane"}
    text = conversation_text(row)
    assert "Jane" not in text
    assert parse_conversation(text) == parse_conversation(json.dumps({"messages": _CHAT}))
    pruned = conversation_text({**_TREE, "prompt": {**_TREE["prompt"], "user_id": "Jane"}})  # type: ignore[dict-item]
    assert "Jane" not in pruned
    assert parse_conversation(pruned) == parse_conversation(json.dumps(_TREE))


async def test_foreign_producers_write_conversations() -> None:
    value = json.dumps({"messages": _CHAT, "source": "support"}).encode()
    document = decode_document(value, {"content-type": b"application/json"})
    assert (document.media_type, document.source) == (CONVERSATION, "support")
    typed = decode_document(
        json.dumps({"messages": _CHAT}).encode(),
        {"content-type": CONVERSATION.encode(), "source": b"support"},
    )
    assert typed.source == "support"
    for each in (document, typed):
        assert [one.id for one in await _segments(each)] == [
            segment_id(_REPLY),
            segment_id(_LATER, None, ["Who built it?", _REPLY]),
        ]
    assert decode_document(value, {"content-type": b"application/json"}).id == document.id
    with pytest.raises(WireError, match="not a conversation: message 1"):
        decode_document(
            json.dumps({"messages": _CHAT[1:]}).encode(), {"content-type": b"application/json"}
        )
