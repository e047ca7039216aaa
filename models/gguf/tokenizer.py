"""Builds a tokenizer of package ``tokenizers`` from a GGUF file's metadata.

Two kinds are known, by ``tokenizer.ggml.model``:

- ``gpt2``: byte-level BPE with a list of merges, and a pre-tokenizer by name.
- ``llama``: SentencePiece's BPE. It has a score for each token: of the neighbours whose
  concatenation is a token, those with the highest score merge first. That order of pairs is written
  as a list of merges. Characters that are no token become bytes.

The ids of a text are those of llama.cpp; ``tests/unit/models/gguf`` compares them. Control tokens
are never made of the characters of a text, unless they are parsed as such.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers import models as tokenizer_models
from tokenizers.processors import TemplateProcessing

from models.gguf.metadata import Metadata
from models.gguf.pretokenizers import PRE_TOKENIZERS, PreTokenizer
from schemas.errors import ModelError

_UNKNOWN, _CONTROL, _USER, _BYTE = 2, 3, 4, 6
"""Kinds of tokens in ``tokenizer.ggml.token_type``. A normal one is 1, an unused one 5."""
_ENDS = frozenset(
    (
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eom_id|>",
        "</s>",
        "<EOT>",
    )
)
"""Tokens that end a generation and are control tokens, whatever the file says of them."""
_SPACE = "▁"
_LONGEST_PIECE = 256
"""Characters of a token that is built by merges. A longer one means that the file is damaged."""
_MOST_ADDED = 1 << 14
"""Tokens that are looked for in every text. Gemma 3 has 6,400."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer, and the special tokens that a checkpoint states beside it."""

    tokenizer: Tokenizer
    specials: dict[str, str]
    """Text of ``bos_token``, ``eos_token``, ``unk_token`` and ``pad_token``, of those there are."""
    ids: dict[str, int]
    """Their ids, as ``bos_token_id`` and so on."""
    end_ids: list[int]
    """Ids that end a generation, that of ``eos_token`` first."""


def read_vocabulary(metadata: Metadata) -> Vocabulary:
    """Build the tokenizer.

    Raises ModelError where its kind or its pre-tokenizer is unknown, or its lists contradict each
    other.
    """
    kind = metadata.text("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise ModelError(
            f"{metadata.path} has a tokenizer of kind {kind}, and gpt2 and llama are supported: "
            "give the model as a transformers checkpoint"
        )
    tokens = _Tokens.read(metadata)
    tokenizer = _byte_level(metadata, tokens) if kind == "gpt2" else _pieces(metadata, tokens)
    tokenizer.add_special_tokens([_added(text, True) for text in tokens.special])
    tokenizer.add_tokens([_added(text, False) for text in tokens.user_defined])
    ids = _special_ids(metadata, tokens, kind)
    begins = PRE_TOKENIZERS[_pre(metadata)].begins if kind == "gpt2" else True
    _add_ends(metadata, tokenizer, tokens, ids, begins)
    eos = ids.get("eos_token_id")
    ends = [id for id, text in enumerate(tokens.texts) if text in _ENDS and id != eos]
    return Vocabulary(
        tokenizer,
        {name.removesuffix("_id"): tokens.texts[id] for name, id in ids.items()},
        ids,
        ([] if eos is None else [eos]) + ends,
    )


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The vocabulary: texts by id, and the kind of each."""

    texts: list[str]
    kinds: list[int]

    @classmethod
    def read(cls, metadata: Metadata) -> "_Tokens":
        texts = [
            text or f"[EMPTY_{id}]"
            for id, text in enumerate(metadata.texts("tokenizer.ggml.tokens"))
        ]
        if len(set(texts)) != len(texts):
            raise ModelError(f"{metadata.path} has a token twice: get the file again")
        kinds = metadata.numbers("tokenizer.ggml.token_type", len(texts))
        found = cls(texts, [1] * len(texts) if kinds is None else kinds.tolist())
        if len(found.special) + len(found.user_defined) > _MOST_ADDED:
            raise ModelError(
                f"{metadata.path} has more than {_MOST_ADDED:,} special tokens: get the file again"
            )
        return found

    @property
    def vocabulary(self) -> dict[str, int]:
        return {text: id for id, text in enumerate(self.texts)}

    @property
    def special(self) -> list[str]:
        """Control tokens, and the one for what is unknown."""
        return [
            text
            for text, kind in zip(self.texts, self.kinds, strict=True)
            if kind in (_CONTROL, _UNKNOWN) or text in _ENDS
        ]

    @property
    def user_defined(self) -> list[str]:
        """Tokens that are found in every text before it is cut into words."""
        return [
            text
            for text, kind in zip(self.texts, self.kinds, strict=True)
            if kind == _USER and text not in _ENDS
        ]


def _added(text: str, special: bool) -> AddedToken:
    return AddedToken(text, special=special, normalized=False)


def _byte_level(metadata: Metadata, tokens: _Tokens) -> Tokenizer:
    pre = PRE_TOKENIZERS[_pre(metadata)]
    vocabulary = tokens.vocabulary
    merges = []
    for line in metadata.texts("tokenizer.ggml.merges"):
        cut = line.find(" ", 1)
        left, right = line[:cut], line[cut + 1 :]
        if cut < 0 or not {left, right, left + right} <= vocabulary.keys():
            raise ModelError(
                f"{metadata.path} has a merge {line[:40]!r} of what are not tokens: get it again"
            )
        merges.append((left, right))
    tokenizer = Tokenizer(tokenizer_models.BPE(vocabulary, merges, ignore_merges=pre.whole_words))
    tokenizer.pre_tokenizer = _pre_tokenizer(pre)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pre(metadata: Metadata) -> str:
    name = metadata.text("tokenizer.ggml.pre", "default")
    if name not in PRE_TOKENIZERS:
        raise ModelError(
            f"{metadata.path} has the pre-tokenizer {name}, which is not supported: give the model "
            "as a transformers checkpoint"
        )
    return name


def _pre_tokenizer(pre: PreTokenizer) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in pre.patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _pieces(metadata: Metadata, tokens: _Tokens) -> Tokenizer:
    scores = metadata.numbers("tokenizer.ggml.scores", len(tokens.texts))
    if scores is None:
        raise ModelError(
            f"{metadata.path} has no tokenizer.ggml.scores, which its kind of tokenizer needs: "
            "give the model as a transformers checkpoint"
        )
    unknown = next(
        (text for text, kind in zip(tokens.texts, tokens.kinds, strict=True) if kind == _UNKNOWN),
        None,
    )
    tokenizer = Tokenizer(
        tokenizer_models.BPE(
            tokens.vocabulary,
            _merges_by_score(metadata.path, tokens, scores.tolist()),
            unk_token=unknown,
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    prefixed = metadata.flag("tokenizer.ggml.add_space_prefix", True)
    tokenizer.normalizer = normalizers.Sequence(
        [
            *([normalizers.Prepend(_SPACE)] if prefixed else []),
            normalizers.Replace(" ", _SPACE),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if prefixed else []),
        ]
    )
    return tokenizer


def _merges_by_score(path: Path, tokens: _Tokens, scores: list[float]) -> list[tuple[str, str]]:
    """Every cut of a token into two tokens, the best scored tokens first."""
    parts = {
        text: id
        for id, (text, kind) in enumerate(zip(tokens.texts, tokens.kinds, strict=True))
        if kind not in (_CONTROL, _UNKNOWN, _BYTE)
    }
    longest = max(map(len, parts), default=0)
    if longest > _LONGEST_PIECE:
        raise ModelError(f"{path} has a token of {longest:,} characters: get the file again")
    ranked = sorted(parts, key=lambda text: -scores[parts[text]])
    return [
        (text[:cut], text[cut:])
        for text in ranked
        for cut in range(1, len(text))
        if text[:cut] in parts and text[cut:] in parts
    ]


def _special_ids(metadata: Metadata, tokens: _Tokens, kind: str) -> dict[str, int]:
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    defaults = {"bos": 1, "eos": 2, "unknown": 0} if kind == "llama" else {}
    found = {}
    for theirs, ours in names.items():
        missing = len(tokens.texts)
        id = metadata.integer(f"tokenizer.ggml.{theirs}_token_id", defaults.get(theirs, missing))
        if id < len(tokens.texts):  # llama.cpp passes over ids beyond the vocabulary
            found[f"{ours}_token_id"] = id
    return found


def _add_ends(
    metadata: Metadata, tokenizer: Tokenizer, tokens: _Tokens, ids: dict[str, int], begins: bool
) -> None:
    """Add the tokens that begin and end a text, where the file asks for them."""
    around = []
    for name, default in (("bos", begins), ("eos", False)):
        id = ids.get(f"{name}_token_id")
        if metadata.flag(f"tokenizer.ggml.add_{name}_token", default) and id is not None:
            around.append({"id": name, "ids": [id], "tokens": [tokens.texts[id]]})
    if around:
        names = [token["id"] for token in around]
        before, after = names[: names.count("bos")], names[names.count("bos") :]
        once = [*before, "$A", *after]
        tokenizer.post_processor = TemplateProcessing(
            single=once, pair=[*once, *before, "$B:1", *after], special_tokens=around
        )
