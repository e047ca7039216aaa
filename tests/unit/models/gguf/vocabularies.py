"""Two small vocabularies, and texts in which the ways to tokenize differ."""

from collections.abc import Iterable

from tokenizers import pre_tokenizers

from tests.unit.models.gguf.files import CONTROL, NORMAL, USER, Words

TEXTS = (
    "The cat sat on the mat.",
    "the  the   the    the",
    "  the\tthe\n\n\nthe \n the\r\nthe  ",
    "don't DON'T it's IT'S we'll 's",
    "1 12 123 1234 12345 1,234.50 ١٢٣ x² ½",
    "the1the 1the the1",
    "theThe THEthe theTHE XtheX",
    "!!! the!the ?? the-the the_the $the #the",
    "if (the):\n    the()\n\t\tthe += 1;\n",
    "été É éa ÉCOLE naïve e\u0301",
    "日本語の本、日本。",
    "한국어 the 한국",
    "Привет, мир",
    "مرحبا",
    "हिन्दी",
    "😀👍🏽 👩‍👩‍👧 the",
    "\u00a0the\u3000the\u200bthe",
    "<|im_start|>the<|im_end|> <s>the</s> <unk><|use|>the <|use|> the",
    "<|im_start|",
    "▁the ▁",
    "the\x00the\x7f",
    "日本the x:\n\ny!\n\n e\u0301té the?\nthe",
)
PRE_TOKENIZER_NAMES = (
    "smollm",
    "llama-bpe",
    "qwen2",
    "gpt-2",
    "default",
    "tekken",
    "gpt-4o",
    "glm4",
    "dbrx",
    "deepseek-v3",
    "deepseek-coder",
    "falcon",
    "seed-coder",
)
"""One name of each kind of ``models.gguf.pretokenizers``."""

_WORDS = (
    "the",
    " the",
    "The",
    "THE",
    "123",
    "1234",
    "12345",
    " 12",
    "1t",
    "'t",
    "'s",
    "'S",
    "t's",
    "n't",
    "  ",
    "    ",
    "   t",
    "\n\n",
    " \n",
    "\r\n",
    "\t\t",
    "\tt",
    "!!",
    "!t",
    " !",
    "-t",
    "e-",
    "_t",
    "();",
    "):",
    ":\n",
    "?\n",
    "eT",
    "ÉC",
    "té",
    "é",
    "e\u0301",
    "\u0301t",
    "日本t",
    "日本",
    "本語",
    "한국",
    "ри",
    "ет",
    "<|",
    "|>",
    "im_",
)
_SPECIAL = {"<|im_start|>": CONTROL, "<|im_end|>": CONTROL, "<s>": CONTROL, "</s>": CONTROL}
_USER = {"<|use|>": USER}
_BYTE = 6
_UNKNOWN = 2


def byte_level(pre: str) -> Words:
    """A vocabulary of bytes and a few words, with merges across what pre-tokenizers cut."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    words: dict[str, None] = {}
    for word in _WORDS:
        for left, right in _chain(_in_bytes(word)):
            if left + right not in words:
                words[left + right] = None
                merges.append(f"{left} {right}")
    tokens = {**_SPECIAL, **_USER, **dict.fromkeys([*alphabet, *words], NORMAL)}
    ids = {token: id for id, token in enumerate(tokens)}
    entries = {"bos_token_id": ids["<s>"], "eos_token_id": ids["<|im_end|>"]}
    return Words("gpt2", list(tokens), list(tokens.values()), pre, merges, entries=entries)


def pieces(*, prefix: bool) -> Words:
    """A vocabulary of SentencePiece: bytes, characters and words, with scores."""
    words = [word.replace(" ", "▁") for word in _WORDS if word.isprintable()]
    characters = sorted(set("".join(words)) | set("abcdefghijklmnopqrstuvwxyz.,"))
    parts = dict.fromkeys(
        left + right for word in words for left, right in _chain(word) if len(word) > 1
    )
    tokens = {"<unk>": _UNKNOWN, **_SPECIAL, **_USER}
    tokens |= {f"<0x{byte:02X}>": _BYTE for byte in range(256)}
    tokens |= dict.fromkeys([*parts, *characters], NORMAL)
    scores = [0.0] * (len(tokens) - len(parts) - len(characters))
    scores += [-float(rank) for rank in range(len(parts) + len(characters))]
    ids = {token: id for id, token in enumerate(tokens)}
    return Words(
        "llama",
        list(tokens),
        list(tokens.values()),
        scores=scores,
        entries={
            "bos_token_id": ids["<s>"],
            "eos_token_id": ids["</s>"],
            "unknown_token_id": ids["<unk>"],
            "add_space_prefix": prefix,
        },
    )


def every() -> Iterable[tuple[str, Words]]:
    """Each vocabulary, with a name."""
    for pre in PRE_TOKENIZER_NAMES:
        yield pre, byte_level(pre)
    yield "pieces", pieces(prefix=True)
    yield "pieces-without-prefix", pieces(prefix=False)


def _in_bytes(word: str) -> str:
    [(text, _)] = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    ).pre_tokenize_str(word)
    return str(text)


def _chain(word: str) -> Iterable[tuple[str, str]]:
    for end in range(1, len(word)):
        yield word[:end], word[end]
