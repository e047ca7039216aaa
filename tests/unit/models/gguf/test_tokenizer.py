"""Tokenizers from GGUF files give the ids of llama.cpp."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.gguf.file import Value
from models.gguf.metadata import Metadata
from models.gguf.pretokenizers import PRE_TOKENIZERS
from models.gguf.tokenizer import Vocabulary, read_vocabulary
from schemas.errors import ModelError
from tests.unit.models.gguf.files import Words
from tests.unit.models.gguf.vocabularies import (
    PRE_TOKENIZER_NAMES,
    TEXTS,
    byte_level,
    every,
    pieces,
)

_IDS = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "token_ids.json").read_text(encoding="utf-8")
)
"""What llama.cpp gives: see ``tests.unit.models.gguf.llama_cpp``."""


def _read(words: Words, **entries: Value) -> Vocabulary:
    values: dict[str, Value] = {
        "tokenizer.ggml.model": words.model,
        "tokenizer.ggml.tokens": list(words.tokens),
        "tokenizer.ggml.token_type": np.array(words.kinds, np.int32),
        **{f"tokenizer.ggml.{name}": value for name, value in words.entries.items()},
    }
    if words.pre is not None:
        values["tokenizer.ggml.pre"] = words.pre
    if words.merges is not None:
        values["tokenizer.ggml.merges"] = list(words.merges)
    if words.scores is not None:
        values["tokenizer.ggml.scores"] = np.array(words.scores, np.float32)
    return read_vocabulary(
        Metadata(Path("tiny.gguf"), values | {f"tokenizer.ggml.{k}": v for k, v in entries.items()})
    )


@pytest.mark.parametrize(("name", "words"), list(every()), ids=[name for name, _ in every()])
def test_ids_are_those_of_llama_cpp(name: str, words: Words) -> None:
    tokenizer = _read(words).tokenizer
    for text, expected in zip(TEXTS, _IDS[name]["parsed"], strict=True):
        assert tokenizer.encode(text).ids == expected, text
    tokenizer.encode_special_tokens = True
    for text, expected in zip(TEXTS, _IDS[name]["literal"], strict=True):
        assert tokenizer.encode(text, add_special_tokens=False).ids == expected, text


@pytest.mark.parametrize(
    "words", [byte_level("smollm"), byte_level("default"), pieces(prefix=True)]
)
def test_texts_come_back(words: Words) -> None:
    tokenizer = _read(words).tokenizer
    for text in TEXTS:
        if words.model == "llama" and ("▁" in text or "<|" in text):
            continue  # SentencePiece has "▁" for a space, and spaces after special tokens
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_every_kind_of_pre_tokenizer_has_ids() -> None:
    tested = {PRE_TOKENIZERS[name] for name in PRE_TOKENIZER_NAMES}
    assert tested == set(PRE_TOKENIZERS.values())


def test_special_tokens_and_ends_are_stated() -> None:
    words = byte_level("smollm")
    found = _read(words)
    assert found.specials == {"bos_token": "<s>", "eos_token": "<|im_end|>"}
    assert found.end_ids == [words.tokens.index("<|im_end|>"), words.tokens.index("</s>")]


def test_a_text_begins_and_ends_as_the_file_says() -> None:
    words = byte_level("qwen2")
    bos, eos = words.tokens.index("<s>"), words.tokens.index("<|im_end|>")
    word = words.tokens.index("the")
    for entries, expected in (
        ({}, [word]),
        ({"add_bos_token": True}, [bos, word]),
        ({"add_bos_token": True, "add_eos_token": True}, [bos, word, eos]),
    ):
        assert _read(words, **entries).tokenizer.encode("the").ids == expected
    assert _read(byte_level("llama-bpe")).tokenizer.encode("the").ids == [bos, word]


@pytest.mark.parametrize(
    ("words", "entries", "message"),
    [
        (byte_level("invented"), {}, "has the pre-tokenizer invented, which is not supported"),
        (replace(byte_level("gpt-2"), model="bert"), {}, "a tokenizer of kind bert, and gpt2"),
        (byte_level("gpt-2"), {"merges": ["a zz"]}, "has a merge 'a zz' of what are not tokens"),
        (byte_level("gpt-2"), {"merges": [""]}, "has a merge '' of what are not tokens"),
        (byte_level("gpt-2"), {"merges": "a b"}, "merges is a b, not a list of strings"),
        (byte_level("gpt-2"), {"tokens": ["a", "a"]}, "has a token twice"),
        (byte_level("gpt-2"), {"token_type": np.ones(3)}, r"token_type is .*, not a list of \d+"),
        (replace(pieces(prefix=True), scores=None), {}, r"has no tokenizer\.ggml\.scores"),
        (byte_level("gpt-2"), {"bos_token_id": -1}, "bos_token_id is -1, not an integer of at"),
    ],
)
def test_what_is_wrong_is_named(words: Words, entries: dict[str, Value], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _read(words, **entries)
