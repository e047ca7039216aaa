"""What a rewritten text says that is not in its passage, in several languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rewriting.grounding import covered, missing_names, missing_numbers, says_more, unfounded

_ENGLISH = (
    "The Panama Canal was opened in 1914. It has locks that raise ships 26 metres above the sea, "
    "and about 14,000 ships pass it in a year. John Stevens planned it for the United States."
)
_GERMAN = (
    "Der Nord-Ostsee-Kanal verbindet die Nordsee mit der Ostsee. Er wurde 1895 eröffnet und ist "
    "98,6 Kilometer lang. Jedes Jahr fahren rund 30.000 Schiffe durch seine Schleusen, die in "
    "Brunsbüttel und in Kiel liegen. Kaiser Wilhelm legte den Grundstein."
)
_RUSSIAN = (
    "Канал имени Москвы соединяет Москву с Волгой. Его длина равна 128 км, он открыт в 1937 году. "
    "Суда проходят через одиннадцать шлюзов у Дмитрова и Яхромы."
)
_FRENCH = (
    "Le canal du Midi relie Toulouse à la mer Méditerranée. Pierre-Paul Riquet le fit creuser de "
    "1666 à 1681. Il a 240 kilomètres et 63 écluses."
)
_JAPANESE = (
    "パナマ運河は1914年に開通した。水門は船を26メートル持ち上げる。設計はスティーブンスによる。"
)
_CHINESE = "巴拿马运河于1914年开通,船闸把船抬高26米,每年约有14000艘船通过,由Stevens设计。"
_ARABIC = "افتتحت قناة السويس عام ١٨٦٩ ويبلغ طولها ١٩٣ كيلومترا وتربط البحر المتوسط بالبحر الأحمر."
_HINDI = "पनामा नहर १९१४ में खुली। इसके ताले जहाज़ों को २६ मीटर ऊपर उठाते हैं।"


@pytest.mark.parametrize(
    ("text", "source", "language"),
    [
        (
            "The Panama Canal opened in 1914. Its locks raise a ship 26 metres, and roughly 14000 "
            "ships pass every year.",
            _ENGLISH,
            "en",
        ),
        ("1. It was opened in 1914.\n2. John Stevens planned it.", _ENGLISH, "en"),
        (
            "Der Kanal ist 98,6 Kilometer lang. Die Schleusen des Kanals liegen in Kiel und in "
            "Brunsbüttel; jährlich fahren etwa 30 000 Schiffe hindurch.".replace("30 000", "30000"),
            _GERMAN,
            "de",
        ),
        ("Длина канала равна 128 км. Канал открыт в 1937 году и идёт от Москвы.", _RUSSIAN, "ru"),
        ("Le canal relie Toulouse à la Méditerranée et compte 63 écluses.", _FRENCH, "fr"),
        ("パナマ運河は1914年に開通し、水門は船を26メートル持ち上げます。", _JAPANESE, "ja"),
        ("巴拿马运河在1914年开通,由Stevens设计,船闸把船抬高26米。", _CHINESE, "zh"),
        ("يبلغ طول قناة السويس 193 كيلومترا وقد افتتحت عام 1869.", _ARABIC, "ar"),
        ("पनामा नहर 1914 में खुली। ताले जहाज़ों को 26 मीटर ऊपर उठाते हैं।", _HINDI, "hi"),
    ],
)
def test_what_keeps_to_the_passage_passes(text: str, source: str, language: str) -> None:
    assert list(unfounded(text, source, 0.7, language=language)) == []


@pytest.mark.parametrize(
    ("text", "source", "missing"),
    [
        ("It opened in 1915.", _ENGLISH, ["1915"]),
        ("Some 140,000 ships pass it.", _ENGLISH, ["140,000"]),
        ("Er ist 986 Kilometer lang.", _GERMAN, ["986"]),
        ("Канал открыт в 1938 году.", _RUSSIAN, ["1938"]),
        ("パナマ運河は1915年に開通した。", _JAPANESE, ["1915"]),
        ("افتتحت القناة عام ١٨٧٠.", _ARABIC, ["1870"]),
        ("नहर १९१५ में खुली।", _HINDI, ["1915"]),
    ],
)
def test_a_number_that_is_not_in_the_passage_is_found(
    text: str, source: str, missing: list[str]
) -> None:
    assert missing_numbers(text, source) == missing


@pytest.mark.parametrize(
    ("text", "source", "language", "missing"),
    [
        ("It was planned by Ferdinand Lesseps.", _ENGLISH, "en", ["Ferdinand", "Lesseps"]),
        ("It was planned by John Johnson.", _ENGLISH, "en", ["Johnson"]),
        ("The canal is run by the ACP.", _ENGLISH, "en", ["ACP"]),
        ("Call open_lock to raise it.", _ENGLISH, "en", ["open_lock"]),
        ("Его построили в Ленинграде.", _RUSSIAN, "ru", ["Ленинграде"]),
        ("Il relie Bordeaux à la mer.", _FRENCH, "fr", ["Bordeaux"]),
        ("設計はレセップスによる。", _JAPANESE, "ja", ["レセップス"]),
        ("由Lesseps设计。", _CHINESE, "zh", ["Lesseps"]),
    ],
)
def test_a_name_that_is_not_in_the_passage_is_found(
    text: str, source: str, language: str, missing: list[str]
) -> None:
    assert missing_names(text, source, language) == missing


def test_nouns_with_capitals_are_no_names() -> None:
    text = "Es gibt dort einen Hafen mit einer Brücke."
    assert missing_names(text, _GERMAN, "de") == []
    assert missing_names(text, _GERMAN) == [], "told from the passage"


def test_what_was_made_up_has_words_of_its_own() -> None:
    made_up = "Photosynthesis turns sunlight into sugar inside the leaves of green plants."
    for source in (_ENGLISH, _GERMAN, _JAPANESE):
        assert covered(made_up, source) < 0.2
    assert covered("Vögel singen morgens besonders laut.", _GERMAN) < 0.2
    assert covered("植物把阳光变成糖分。", _CHINESE) < 0.5
    [refusal] = unfounded(made_up, _ENGLISH, 0.7)
    assert refusal.reason == "words_not_in_passage"


def test_words_of_the_instruction_are_allowed_but_not_its_numbers_and_names() -> None:
    text = "Waterways of commerce: the canal was opened in 1914."
    assert list(unfounded(text, _ENGLISH, 0.7, asked="Describe waterways of commerce.")) == []
    assert [one.reason for one in unfounded("In 1915.", _ENGLISH, 0.7, asked="In 1915?")] == [
        "number_not_in_passage"
    ]


@pytest.mark.parametrize(
    ("text", "asked", "more"),
    [
        ("Mongolia is the capital of Mongolia.", "What is the capital of Mongolia?", False),
        ("It is Ulan.", "What is the capital of Mongolia?", True),
        ("In 12.", "When was the capital of Mongolia founded?", True),
        ("Das ist die Hauptstadt der Mongolei.", "Was ist die Hauptstadt der Mongolei?", False),
        ("蒙古的首都是蒙古。", "蒙古的首都是什么?", False),
        ("首都是乌兰巴托。", "蒙古的首都是什么?", True),
        ("", "Why?", False),
    ],
)
def test_an_answer_says_more_than_its_instruction(text: str, asked: str, more: bool) -> None:
    assert says_more(text, asked) is more


def test_texts_without_words_are_covered() -> None:
    assert covered("", "") == 1.0
    assert covered("42", "") == 1.0
    assert list(unfounded("", "", 1.0)) == []


@given(st.text(max_size=300))
def test_a_text_keeps_to_itself(text: str) -> None:
    assert missing_names(text, text) == []
    assert missing_numbers(text, text) == []
    assert covered(text, text) == 1.0


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_are_compared(text: str, source: str) -> None:
    for refusal in unfounded(text, source, 0.5):
        assert refusal.detail
