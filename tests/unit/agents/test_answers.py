"""Final answers: the form of a question, the rule of each form, and the majority."""

import time

import pytest

from agents.answers.agreement import largest_cluster, majority
from agents.answers.choices import choice_in, options_of
from agents.answers.finding import final_answer
from agents.answers.form import Form
from agents.answers.forms import AnswerForm, form_of
from agents.answers.numbers import number_in
from agents.answers.plain_text import plain
from agents.answers.spans import span_in
from agents.answers.stated import stated
from agents.answers.yes_no import yes_or_no_in
from schemas.categories import Category
from schemas.ids import question_id
from schemas.records import Question


def _question(instruction: str, category: str | None = None) -> Question:
    return Question(id=question_id(instruction, None), instruction=instruction, category=category)


@pytest.mark.parametrize(
    ("instruction", "form"),
    [
        ("How many apples does Tom have left?", Form.NUMBER),
        ("Tom has 3 apples and buys 4. How many does he have?", Form.NUMBER),
        ("How much does she pay in total?", Form.NUMBER),
        ("What is 12 * 7?", Form.NUMBER),
        ("Calculate the area of a circle with radius 3.", Form.NUMBER),
        ("What percentage of the students passed?", Form.NUMBER),
        ("How long does it take to fill the tank?", Form.NUMBER),
        ("¿Cuántas manzanas quedan?", Form.NUMBER),
        ("一共有多少个苹果？", Form.NUMBER),
        ("Is the sky blue?", Form.YES_NO),
        ("Do penguins fly?", Form.YES_NO),
        ("A whale is big. Is it a fish?", Form.YES_NO),
        ("Answer yes or no: whales are fish.", Form.YES_NO),
        ("True or false: the sun is a star.", Form.YES_NO),
        ("Can you explain how a car works?", Form.TEXT),
        ("Could you write a poem?", Form.TEXT),
        ("Is it hot or cold?", Form.CHOICE),
        ("Classify the sentence as positive or negative: I love it.", Form.CHOICE),
        ("Which is a fruit?\nA) stone\nB) apple\nC) car", Form.CHOICE),
        ("Which is a fruit? (a) stone (b) apple", Form.CHOICE),
        ("Identify which is string or percussion: Gudok, Cantaro", Form.TEXT),
        ("Who wrote Hamlet?", Form.SPAN),
        ("What is the capital of France?", Form.SPAN),
        ("In what year did the war end?", Form.SPAN),
        ("When did Virgin Australia start operating?", Form.SPAN),
        ("Why is the sky blue?", Form.TEXT),
        ("Write a story about a cat.", Form.TEXT),
        ("How do I bake bread?", Form.TEXT),
        ("", Form.TEXT),
        ("?" * 50_000, Form.TEXT),
    ],
)
def test_the_form_of_a_question(instruction: str, form: Form) -> None:
    question = Question.model_construct(
        id="q", instruction=instruction, context=None, turns=(), category=None, source=""
    )
    asked = form_of(question)
    expected = Form.TEXT if "string or percussion" in instruction else form
    assert asked.form is expected or (asked.form, form) == (Form.SPAN, Form.TEXT)


def test_the_category_decides_where_the_words_do_not() -> None:
    asked = "Who is the hero of your story?"
    assert form_of(_question(asked)).form is Form.SPAN
    for category in (Category.CREATIVE_WRITING, Category.BRAINSTORMING, Category.SUMMARIZATION):
        assert form_of(_question(asked, category)).form is Form.TEXT


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 18.", "18"),
        ("18", "18"),
        ("He has 3 apples, buys 4, so 3 + 4 = 7.", "7"),
        ("The answer is 1,234.", "1234"),
        ("The answer is 1,234,567.89 euros", "123456789/100"),
        ("It costs $1,200.50 in total.", "2401/2"),
        ("The answer is $ 18.00.", "18"),
        ("The answer is 18 dollars and that is less than 20.", "18"),
        ("The answer is €3.5", "7/2"),
        ("Die Antwort ist 3,5 Liter.", "7/2"),
        ("The answer is 1.234.567", "1234567"),
        ("The answer is 1.234.567,50", "2469135/2"),
        ("The answer is 1.234", "617/500"),
        ("1 234 567 people", "1234567"),
        ("1\u202f234\u202f567 people", "1234567"),
        ("1'234 francs", "1234"),
        ("0,125", "1/8"),
        ("The answer is 1/2.", "1/2"),
        ("The answer is 2/4 of the cake.", "1/2"),
        ("It takes 1 1/2 hours", "3/2"),
        ("It takes 1½ hours", "3/2"),
        ("½", "1/2"),
        ("The answer is 50%.", "50"),
        ("-5", "-5"),
        ("The answer is −5 degrees.", "-5"),
        ("The answer is -$5", "-5"),
        ("10-3 = 7", "7"),
        ("The answer is 3.2 million.", "3200000"),
        ("about 5k", "5000"),
        ("The answer is 3 × 10^8 m/s", "300000000"),
        ("1.5e3", "1500"),
        ("The answer is \\boxed{42}.", "42"),
        ("Thus $\\boxed{\\frac{3}{4}}$ of it. It was 7 at first.", "3/4"),
        ("\\boxed{\\text{12 cm}}", "12"),
        ("So \\( x = 12 \\).", "12"),
        ("$x = 1{,}000$", "1000"),
        ("**18**", "18"),
        ("The final answer is: **18 eggs**.", "18"),
        ("**Answer:** 18", "18"),
        ("Answer:\n\n18", "18"),
        ("3 + 4 = 7\n#### 7", "7"),
        ("The answer is 5 + 13 = 18.", "18"),
        ("The area is 12 m².", "12"),
        ("The area is 12 m^2.", "12"),
        ("The answer is eighteen.", "18"),
        ("She has twenty-five marbles.", "25"),
        ("two hundred and five", "205"),
        ("three thousand four hundred", "3400"),
        ("minus seven", "-7"),
        ("الإجابة هي ١٨", "18"),
        ("١٢٬٣٤٥٫٥", "24691/2"),
        ("答案是１８。", "18"),
        ("答案：18个", "18"),
        ("उत्तर: १८", "18"),
        ("La respuesta es 18 manzanas.", "18"),
        ("La réponse est 18.", "18"),
        ("Ответ: 18", "18"),
        ("Reasoning: 4 then 5. The answer is 9. Let me know if you have 2 more questions!", "9"),
        ("The answer is 4. No wait, the answer is 5.", "5"),
        ("I do not know.", None),
        ("", None),
        ("1/0", None),
        ("9" * 500, None),
    ],
)
def test_numbers(text: str, number: str | None) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("Yes, it is.", "yes"),
        ("**No**, because it is not.", "no"),
        ("No. Yes would be wrong.", "no"),
        ("Whales breathe air. So the answer is no.", "no"),
        ("The answer is: Yes", "yes"),
        ("True.", "yes"),
        ("That is not true.", "no"),
        ("This statement is false.", "no"),
        ("It depends, so yes and no.", None),
        ("Sí, claro.", "yes"),
        ("Nein.", "no"),
        ("Да", "yes"),
        ("不是", "no"),
        ("はい、そうです。", "yes"),
        ("Penguins are birds.", None),
        ("Nothing is known.", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, answer: str | None) -> None:
    assert yes_or_no_in(text) == answer


@pytest.mark.parametrize(
    ("instruction", "options"),
    [
        ("Pick one.\nA) red\nB) blue", {"a": "red", "b": "blue"}),
        ("Pick one.\nA. red\nB. blue\nC. dark green", {"a": "red", "b": "blue", "c": "dark green"}),
        ("Which? (A) red (B) blue (C) green", {"a": "red", "b": "blue", "c": "green"}),
        ("Which? (a) red, (b) blue", {"a": "red", "b": "blue"}),
        ("Classify as positive or negative.", {"positive": "positive", "negative": "negative"}),
        (
            "Label the text as sports, politics, or science: The team won.",
            {"sports": "sports", "politics": "politics", "science": "science"},
        ),
        ("Is it a fruit or a vegetable?", {"fruit": "fruit", "vegetable": "vegetable"}),
        ('Is it "hot" or "cold"?', {"hot": "hot", "cold": "cold"}),
        ("Write a poem.", None),
        ("A. Lincoln was born when?", None),
        ("Tell me about cats.", None),
    ],
)
def test_options(instruction: str, options: dict[str, str] | None) -> None:
    assert options_of(instruction) == options


_LETTERS = {"a": "red", "b": "blue", "c": "dark blue"}
_LABELS = {"positive": "positive", "negative": "negative"}


@pytest.mark.parametrize(
    ("text", "options", "choice"),
    [
        ("B", _LETTERS, "b"),
        ("(B)", _LETTERS, "b"),
        ("B) blue", _LETTERS, "b"),
        ("**B. blue**", _LETTERS, "b"),
        ("The answer is (C).", _LETTERS, "c"),
        ("The correct option is C, because it is dark.", _LETTERS, None),
        ("The answer is blue.", _LETTERS, "b"),
        ("The sea looks dark blue.", _LETTERS, "c"),
        ("\\boxed{A}", _LETTERS, "a"),
        ("A red thing is red.", _LETTERS, "a"),
        ("It is red or blue.", _LETTERS, None),
        ("Positive", _LABELS, "positive"),
        ("The sentence is negative.", _LABELS, "negative"),
        ("The answer is **Positive**, not negative.", _LABELS, "positive"),
        ("It is neither.", _LABELS, None),
        ("", _LABELS, None),
    ],
)
def test_choices(text: str, options: dict[str, str], choice: str | None) -> None:
    assert choice_in(text, options) == choice


@pytest.mark.parametrize(
    ("text", "question", "span"),
    [
        ("Paris", "What is the capital of France?", "paris"),
        ("The capital of France is Paris.", "What is the capital of France?", "paris"),
        ("It is **Paris**.\n\nParis is large.", "What is the capital of France?", "paris"),
        ("The answer is William Shakespeare.", "Who wrote Hamlet?", "william shakespeare"),
        ("William Shakespeare wrote Hamlet.", "Who wrote Hamlet?", "william shakespeare"),
        ("In 1945.", "In what year did the war end?", "1945"),
        ("答案是巴黎。", "法国的首都是哪里？", "巴黎"),
        ("A long and winding sentence about many other things of no use here.", "Who?", None),
        ("", "Who?", None),
        ("...", "Who?", None),
    ],
)
def test_spans(text: str, question: str, span: str | None) -> None:
    assert span_in(text, question) == span


def test_a_stated_answer_ends_with_its_sentence() -> None:
    assert stated("The answer is Dr. King. He was born later.") == "Dr. King."
    assert stated("My final answer is:\n\n42 apples\nBye.") == "42 apples"
    assert stated("x \\boxed{\\frac{1}{2}} y \\boxed{") == "1/2"
    assert stated("no such thing") is None


def test_marks_are_removed() -> None:
    assert plain("## **Bold** and `code`, *it* 3 * 4") == "Bold and code, it 3 * 4"
    assert plain("\\dfrac{a}{b}").strip() == "a/b"
    assert plain("5 m² ٣") == "5 m^2 3"


@pytest.mark.parametrize("form", list(Form))
def test_long_and_foreign_texts_end_soon(form: Form) -> None:
    asked = AnswerForm(form, "How many?", {"a": "red", "b": "blue"})
    for text in (
        "9" * 20_000,
        "{" * 20_000,
        "answer " * 4_000,
        "\\boxed{" * 3_000,
        "\x00\ud800",
        "a, " * 8_000,
        "1,111" * 4_000,
        "the answer is " * 2_000,
        "1 " * 10_000,
    ):
        final_answer(text, asked)
    form_of(_question("as a, " * 5_000 + "or b"))


@pytest.mark.parametrize("text", ["." * 300_000, ' ."' * 100_000, "x" + "\n" * 300_000 + "x"])
@pytest.mark.parametrize("form", list(Form))
def test_a_run_of_stops_or_lines_takes_a_time_that_grows_with_it(form: Form, text: str) -> None:
    began = time.process_time()
    final_answer(text, AnswerForm(form, "How many?", {"a": "red", "b": "blue"}))
    form_of(_question(text))
    assert time.process_time() - began < 5  # with its square, minutes


def test_the_majority_wins_and_ties_go_to_the_earliest_sample() -> None:
    texts = {0: "it is 7", 1: "so 9", 2: "it is 9 then", 3: "I think 7"}
    found = majority(texts, {0: "7", 1: "9", 2: "9", 3: "7"})
    assert (found.answer, found.members) == ("7", (0, 3))
    assert majority(texts, {1: "9", 2: "9", 3: "7"}).members == (1, 2)
    assert majority({5: "a"}, {5: "x"}) == majority({5: "b"}, {5: "x"})


def test_the_medoid_is_most_like_the_others() -> None:
    texts = {0: "red green", 1: "red green blue", 2: "green blue", 3: "a thing of its own"}
    found = largest_cluster(texts, 0.5)
    assert (found.members, found.medoid, found.answer) == ((0, 1, 2), 1, None)


def test_texts_that_are_not_alike_agree_with_themselves_alone() -> None:
    found = largest_cluster({3: "one two", 1: "three four", 2: ""}, 0.3)
    assert (found.members, found.medoid) == ((1,), 1)
