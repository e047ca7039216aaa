"""Passages, words, repetition and rules in languages and scripts other than English."""

import re

import pytest

from agents.curation.instruction_rules import InstructionRules
from agents.curation.leakage import find_leak
from agents.curation.novelty import NoveltyIndex
from agents.curation.settings import CuratorSettings
from agents.passages.filters import letter_share, repetition
from agents.passages.language import language_of
from agents.passages.length import length_of
from agents.passages.sentences import TERMINALS, has_sentence
from agents.segmenter import Segmenter
from models.evaluation.words import count_words, words
from schemas.records import Document, Rejection, Segment
from tests.unit.agents.languages import SAMPLES

CODES = tuple(SAMPLES)
SEGMENTER = Segmenter()
RULES = InstructionRules()


async def outcomes(text: str) -> list[Segment | Rejection]:
    return await SEGMENTER.handle(Document(id="d", source="s", text=text))


@pytest.mark.parametrize("code", CODES)
async def test_a_passage_in_any_language_passes_and_its_language_is_told(code: str) -> None:
    passage = SAMPLES[code].passage
    [found] = await outcomes(passage)
    assert isinstance(found, Segment)
    assert (found.text, found.language) == (passage, code)
    assert letter_share(passage) > 0.9


@pytest.mark.parametrize("code", CODES)
async def test_a_long_text_is_divided_at_the_ends_of_sentences(code: str) -> None:
    numbered = [
        re.sub(r"(?=[\s\u3002\u0964.]*\Z)", f" {number}", sentence, count=1)
        for number, sentence in enumerate([SAMPLES[code].sentence] * 120)
    ]
    passages = list(SEGMENTER.passages(Document(id="d", source="s", text="".join(numbered))))
    assert len(passages) > 1
    for each in passages:
        assert 600 <= length_of(each.text) <= 3000
        assert each.text.rstrip()[-1] in f"{TERMINALS}0123456789"


@pytest.mark.parametrize("code", CODES)
async def test_the_same_sentence_again_and_again_is_repetitive(code: str) -> None:
    sample = SAMPLES[code]
    assert repetition(sample.passage, 0.3) < 0.1
    [found] = await outcomes(sample.passage[:100] + "\n\n" + sample.sentence * 25)
    assert isinstance(found, Rejection)
    assert found.reason == "repetitive"


@pytest.mark.parametrize("code", CODES)
def test_an_instruction_in_any_language_passes(code: str) -> None:
    assert RULES.refuse(SAMPLES[code].instruction) is None


@pytest.mark.parametrize("code", CODES)
def test_novelty_and_leaks_in_any_language(code: str) -> None:
    sample = SAMPLES[code]
    index = NoveltyIndex()
    index.add("one", sample.instruction)
    assert index.nearest(sample.instruction + " !") is not None
    assert index.nearest(sample.sentence) is None
    leak = find_leak(sample.instruction, sample.instruction + sample.passage)
    assert leak is not None
    assert leak.reason == "response_echoes_instruction"
    assert find_leak(sample.instruction, sample.passage) is None


def test_an_ascii_start_can_be_asked_for() -> None:
    refusal = InstructionRules(CuratorSettings(ascii_start=True)).refuse(SAMPLES["de"].instruction)
    assert refusal is not None
    assert refusal.reason == "instruction_start"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is __init__?", ["what", "is", "__init__"]),
        ("Wie öffnet man's?", ["wie", "öffnet", "man", "s"]),
        ("船闸怎样工作？", ["船闸", "怎样", "工作"]),
        ("運河の水位が上がる。", ["運河", "の", "水位", "が", "上がる"]),
        ("갑문은 어떻게 작동합니까?", ["갑문은", "어떻게", "작동합니까"]),
        ("ประตูน้ำของคลอง", ["ประตู", "น้ำ", "ของ", "คลอง"]),
        ("नहर का जलपाश।", ["नहर", "का", "जलपाश"]),
        ("هُوِيس القناة", ["هُوِيس", "القناة"]),
        ("Python 的 list 类型", ["python", "的", "list", "类型"]),
    ],
)
def test_words_of_every_script(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_words_are_counted_where_no_spaces_are() -> None:
    assert count_words("How do canal locks work, step-by-step?") == 6
    assert count_words("请解释船闸怎样工作。") == 5
    assert count_words(" \n ") == 0
    assert RULES.refuse("请解释船闸怎样工作。" * 60) is not None


def test_lengths_are_comparable_between_scripts() -> None:
    assert length_of("a lock") == 6
    assert length_of("é ж") == 3
    assert length_of("船闸") == 6
    assert length_of("とびら") == 6
    assert length_of("갑문") == 4


def test_a_language_that_is_not_wanted_is_refused() -> None:
    settings = CuratorSettings(languages=("de", "fr"))
    assert settings.refuse_language("de") is None
    assert settings.refuse_language(None) is None
    refusal = settings.refuse_language("en")
    assert refusal is not None
    assert (refusal.reason, refusal.detail) == ("language", "en, not de or fr")
    assert CuratorSettings().refuse_language("en") is None


def test_a_language_that_cannot_be_told_is_not_known() -> None:
    assert language_of("") is None
    assert language_of("12 345 67 89") is None
    assert language_of("Die Schleuse\x01 verbindet \x85 zwei Teile des Kanals.") == "de"
    assert language_of("התעלה מחברת בין שני חלקים של הנהר בגבהים שונים") == "he"
    assert language_of("運河的船閘連接兩段高低不同的水道，船駛入閘室以後守閘人關好閘門") == "zh"
    assert language_of("A lock joins two reaches of a canal that lie at different heights.") == "en"


@pytest.mark.parametrize("code", SAMPLES)
def test_sentences_of_every_script_are_seen(code: str) -> None:
    assert has_sentence(SAMPLES[code].passage)


def test_lists_of_names_have_no_sentence() -> None:
    assert not has_sentence("Регистрация\nКонтакты - Новости - Подписка - Поиск - Архив")
