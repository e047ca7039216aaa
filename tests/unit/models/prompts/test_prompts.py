"""Prompts: text from outside is never special, and training prompts equal those of inference."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from models.prompts.exemplars import exemplars
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker
from models.prompts.tasks.rating import DIGITS
from models.prompts.template import AUGMENTED_TAG, BOTH_TAGS, MARKERS, SEED_TAG, Family, Task
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair
from schemas.errors import ModelError
from tests.unit.checkpoints import make_tokenizer

_CHAT = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{{ "
    "eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_SPECIALS = (*MARKERS, "<|end|>", "<|pad|>")
_Change = Callable[[dict[str, object]], object]


def _config(directory: Path, change: _Change) -> None:
    file = directory / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    change(config)
    file.write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture(scope="module")
def prompters(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Prompter]:
    """A prompter of each family."""
    made = {}
    for family in Family:
        directory = tmp_path_factory.mktemp(family)
        chat = _CHAT if family is Family.CHAT else ""
        make_tokenizer(directory, markers=family is Family.MARKERS, chat_template=chat)
        _config(directory, lambda config: config.update(bos_token="<|pad|>"))
        made[family] = Prompter.load(directory)
    return made


@pytest.fixture(params=Family)
def prompter(request: pytest.FixtureRequest, prompters: dict[Family, Prompter]) -> Prompter:
    return prompters[request.param]


def _special_ids(prompter: Prompter) -> set[int]:
    return {id for id in map(prompter.tokenizer.token_to_id, _SPECIALS) if id is not None}


def _spelt(prompter: Prompter, ids: list[int]) -> str:
    return prompter.tokenizer.decode(ids, skip_special_tokens=False)


def test_the_family_is_what_the_tokenizer_offers(prompters: dict[Family, Prompter]) -> None:
    for family, prompter in prompters.items():
        assert prompter.family is family
        assert (prompter.chat is not None) == (family is Family.CHAT)
        assert all(prompter.template(task).family is family for task in Task)


def test_markers_win_over_a_chat_template(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, markers=True, chat_template=_CHAT)
    prompter = Prompter.load(tmp_path)
    assert (prompter.family, prompter.chat) == (Family.MARKERS, None)


def test_prompts_read_as_their_templates(prompters: dict[Family, Prompter]) -> None:
    markers, chat, plain = (
        prompters[family] for family in (Family.MARKERS, Family.CHAT, Family.PLAIN)
    )
    assert _spelt(markers, markers.backward("R")) == "<|response|>R<|instruction|>"
    assert _spelt(markers, markers.backward("R", "C")) == "<|context|>C<|response|>R<|instruction|>"
    assert _spelt(markers, markers.rating("I", "R")) == "<|response|>R<|instruction|>I<|score|>"
    assert _spelt(markers, markers.forward("I")) == f"{BOTH_TAGS}<|instruction|>I<|response|>"
    assert _spelt(plain, plain.backward("R")).endswith(
        "\n\n\n### Answer:\nR\n\n### The request that it answers:\n"
    )
    assert _spelt(plain, plain.rating("I", "R", "C")).endswith("perfectly):\nScore: ")
    asked = _spelt(chat, chat.forward("I", "C", SEED_TAG))
    assert asked == f"<|pad|><system>{SEED_TAG}<|end|><user>I\n\nC<|end|><assistant>"
    assert _spelt(chat, chat.rating("I", "R")).endswith(
        '"Score: " and the number.<|end|><assistant>Score: '
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(
        st.sampled_from([*_SPECIALS, "{response}", "{tag}", "{{", "a", " ", "\n", "ü", "🙂"]),
        max_size=8,
    )
)
def test_text_from_outside_is_never_special_and_never_a_placeholder(
    prompter: Prompter, pieces: list[str]
) -> None:
    text = "x" + "".join(pieces) + "x"
    specials = _special_ids(prompter)

    def scaffold(ids: list[int]) -> list[int]:
        return [id for id in ids if id in specials]

    for hostile, harmless in (
        (prompter.backward(text, text), prompter.backward("x", "x")),
        (prompter.forward(text, text, text), prompter.forward("x", "x", "x")),
        (prompter.rating(text, text, text), prompter.rating("x", "x", "x")),
    ):
        assert scaffold(hostile) == scaffold(harmless)
        assert _spelt(prompter, hostile).count(text) >= 2, "as it was spelt"
    target = prompter.target(text)
    assert scaffold(target) == [prompter.stop_ids[0]] == target[-1:]
    assert prompter.literal.decode(target[:-1], skip_special_tokens=False) == text


def test_the_ids_of_a_long_text_are_not_kept(prompter: Prompter) -> None:
    prompter.backward("rain")
    tracemalloc.start()
    try:
        for number in range(3):
            prompter.backward(f"{number} rain " * 50_000)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000  # bytes, of three texts of 350 kB


def test_digits_are_found_where_a_rating_is_read(prompter: Prompter) -> None:
    assert [prompter.tokenizer.decode([id]) for id in prompter.digit_ids] == list(DIGITS)
    prompt = prompter.rating("What?", "That.", None)
    for digit, id in zip(DIGITS, prompter.digit_ids, strict=True):
        whole = prompter.tokenizer.encode(
            _spelt(prompter, prompt) + digit, add_special_tokens=False
        ).ids
        assert whole == [*prompt, id], "the digit is the very next token"


def test_training_and_inference_use_the_same_prompts(prompter: Prompter) -> None:
    maker = SequenceMaker(prompter)
    for pair in (Pair("Why, 2 times?", "Because of <|score|>."), Pair("Ä?", "B\n\nC", "given")):
        context = pair.context or None
        rating = list(maker.rating(pair, 3).ids)
        assert rating == [
            *prompter.rating(pair.instruction, pair.response, context),
            prompter.digit_ids[2],
        ]
        backward = list(maker.backward(pair).ids)
        assert backward == prompter.backward(pair.response, context) + prompter.target(
            pair.instruction
        )
        for tag in (SEED_TAG, AUGMENTED_TAG):
            forward = list(maker.forward(pair, tag).ids)
            assert forward == prompter.forward(pair.instruction, context, tag) + prompter.target(
                pair.response
            )


def test_a_rating_continues_its_backward_prompt(prompters: dict[Family, Prompter]) -> None:
    prompter = prompters[Family.MARKERS]
    backward = prompter.backward("An answer.", "given")
    assert prompter.rating("A question?", "An answer.", "given")[: len(backward)] == backward


def test_what_is_decoded_has_no_special_tokens(prompter: Prompter) -> None:
    assert prompter.decode(prompter.target("  What is it?\n")) == "What is it?"
    assert prompter.decode([]) == ""


def _write_bytes_tokenizer(directory: Path, without: str) -> None:
    make_tokenizer(directory, markers=False)
    file = directory / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["vocab"] = {
        token: id for token, id in content["model"]["vocab"].items() if token not in without
    }
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("without", ["3", "12345"])
def test_a_tokenizer_without_a_digit_is_refused(tmp_path: Path, without: str) -> None:
    _write_bytes_tokenizer(tmp_path, without)
    with pytest.raises(ModelError, match="no single token for each of the digits"):
        Prompter.load(tmp_path)


def test_a_directory_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Prompter.load(tmp_path)
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Prompter.load(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": {"type": "Oracle"}}'])
def test_a_tokenizer_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read as a tokenizer"):
        Prompter.load(tmp_path)


def test_a_configuration_that_is_no_json_is_refused(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json is not JSON"):
        Prompter.load(tmp_path)


def test_a_model_that_would_never_stop_is_refused(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    _config(tmp_path, lambda config: config.pop("eos_token"))
    with pytest.raises(ModelError, match="end-of-sequence"):
        Prompter.load(tmp_path)


@pytest.mark.parametrize(("declared", "more"), [(7, (7,)), ([8, 7], (8, 7)), ([], ()), (None, ())])
def test_stop_tokens_are_those_of_the_tokenizer_and_the_generation(
    tmp_path: Path, declared: object, more: tuple[int, ...]
) -> None:
    make_tokenizer(tmp_path)
    _config(tmp_path, lambda config: config.update(eos_token={"content": "<|end|>"}))
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"eos_token_id": declared}), encoding="utf-8"
    )
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    markers = tuple(
        tokenizer.token_to_id(marker) for marker in MARKERS
    )  # a marker opens the next field, so it ends this one
    assert Prompter.load(tmp_path).stop_ids == (tokenizer.token_to_id("<|end|>"), *more, *markers)


def test_padding_and_truncation_of_a_tokenizer_are_switched_off(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    file = str(tmp_path / "tokenizer.json")
    tokenizer = Tokenizer.from_file(file)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(file)
    prompter = Prompter.load(tmp_path)
    assert len(prompter.target("twelve bytes")) == 13


@pytest.mark.parametrize("place", ["list", "file"])
def test_a_chat_template_is_found_wherever_it_lies(
    tmp_path: Path, place: str, prompters: dict[Family, Prompter]
) -> None:
    make_tokenizer(tmp_path, markers=False)
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": _CHAT}]
    _config(
        tmp_path,
        lambda config: config.update(
            bos_token="<|pad|>", **({"chat_template": named} if place == "list" else {})
        ),
    )
    if place == "file":
        (tmp_path / "chat_template.jinja").write_text(_CHAT, encoding="utf-8")
    assert Prompter.load(tmp_path).backward("R") == prompters[Family.CHAT].backward("R")


@pytest.mark.parametrize("task", Task)
def test_a_base_model_is_shown_worked_examples(
    task: Task, prompters: dict[Family, Prompter]
) -> None:
    plain = prompters[Family.PLAIN]
    shown = _spelt(plain, list(plain.shots[task]))
    for pair, answer in exemplars(task):
        assert pair.response in shown
        assert f"{answer}\n\n\n" in shown
    assert not prompters[Family.MARKERS].shots
    assert not prompters[Family.MARKERS].rated


def test_a_chat_models_rating_comes_after_three_rated_turns(
    prompters: dict[Family, Prompter],
) -> None:
    chat = replace(prompters[Family.CHAT], system="Be brief.")
    spelt = _spelt(chat, chat.rating("I", "R"))
    assert spelt.startswith("<|pad|><system>Be brief.<|end|><user>Rate how well")
    turns = spelt.split("<|end|><assistant>Score: ")
    answers = [(turn[0], turn[1:]) for turn in turns[1:-1]]
    assert [digit for digit, _ in answers] == [digit for _, digit in exemplars(Task.RATING)]
    assert all(rest.startswith("<|end|><user>Rate how well") for _, rest in answers)
    for turn, (pair, _) in zip(turns, exemplars(Task.RATING), strict=False):
        assert f"Request:\n{pair.instruction}\n\nAnswer:\n{pair.response}\n\nReply" in turn
    assert "Request:\nI\n\nAnswer:\nR\n\nReply" in turns[-2]
    assert spelt.endswith("<assistant>Score: ")
    for task in (chat.backward("R"), chat.forward("I")):
        assert "Score: " not in _spelt(chat, task)


def test_the_rated_turns_are_the_same_for_every_pair_and_count_where_room_is_reckoned(
    prompters: dict[Family, Prompter],
) -> None:
    chat = prompters[Family.CHAT]
    alone = replace(chat, rated=())
    turns = len(chat.rating("", "")) - len(alone.rating("", ""))
    assert turns > sum(len(pair.instruction) + len(pair.response) for pair, _ in chat.rated)
    one, other = chat.rating("I", "R"), chat.rating("Another?", "And more.", "Given.")
    assert one[:turns] == other[:turns], "so that an engine reads them once"
    assert one[turns + 1 :] == alone.rating("I", "R")[1:], "after the token that opens the text"


def test_a_rated_turn_cannot_forge_a_special_token(prompters: dict[Family, Prompter]) -> None:
    chat = prompters[Family.CHAT]
    hostile = replace(
        chat,
        rated=tuple(
            (Pair(f"x{end}x", f"{end}{{response}}"), digit)
            for end, (_, digit) in zip(
                ("<|end|>", "<|pad|>", "<assistant>"), chat.rated, strict=True
            )
        ),
    )
    specials = _special_ids(chat)
    assert [i for i in hostile.rating("I", "R") if i in specials] == [
        i for i in chat.rating("I", "R") if i in specials
    ]


@pytest.mark.parametrize(
    "template",
    [
        "{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + _CHAT,
        "{{ messages[-1].content }}",
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_that_does_not_take_several_turns_gets_one(
    tmp_path: Path, template: str
) -> None:
    chat = _chat_prompter(tmp_path, template)
    assert chat.rated == ()
    assert _spelt(chat, chat.rating("I", "R")).count("Rate how well") == 1


def test_worked_examples_are_never_held_out_seeds_and_span_the_scale() -> None:
    _, held_out = split(read_seeds())
    hidden = {seed.response for seed in held_out}
    assert not any(pair.response in hidden for task in Task for pair, _ in exemplars(task))
    assert sorted(answer for _, answer in exemplars(Task.RATING)) == ["1", "3", "5"]


def test_a_base_models_instruction_ends_with_its_line(prompters: dict[Family, Prompter]) -> None:
    plain = prompters[Family.PLAIN]
    (newline,) = plain.tokenizer.encode("\n", add_special_tokens=False).ids
    assert newline in plain.instruction_stop_ids
    assert plain.instruction(plain.tokenizer.encode(" Why?").ids, newline) == "Why?"
    joined = replace(
        plain, line_ends=frozenset({plain.tokenizer.token_to_id("?")})
    )  # stands for a token such as "?\n"
    assert (
        joined.instruction(plain.tokenizer.encode("Why").ids, plain.tokenizer.token_to_id("?"))
        == "Why?"
    )
    for family in (Family.CHAT, Family.MARKERS):
        assert prompters[family].instruction_stop_ids == frozenset(prompters[family].stop_ids)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Describe the delivery \nprocess of `a`.", "Describe the delivery process of `a`."),
        ("How is it called with\n`b`?", "How is it called with `b`?"),
        ("List these:\nred", "List these:\nred"),
        ("Which of these?\nred", "Which of these?\nred"),
        ("Compare\n- red\n- blue", "Compare\n- red\n- blue"),
        ("Compare\n\nred", "Compare\n\nred"),
        ("Compare\n  1. red", "Compare\n  1. red"),
    ],
)
def test_a_wrapped_sentence_is_one_line(
    prompters: dict[Family, Prompter], written: str, text: str
) -> None:
    chat = prompters[Family.CHAT]
    assert chat.instruction(chat.tokenizer.encode(written, add_special_tokens=False).ids) == text


def test_a_base_models_prompt_opens_as_its_tokenizer_opens_a_text(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, markers=False)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    beginning = tokenizer.token_to_id("<|pad|>")
    tokenizer.post_processor = TemplateProcessing(
        single="<|pad|> $A", special_tokens=[("<|pad|>", beginning)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for prompt in (Prompter.load(tmp_path).backward("R"), Prompter.load(tmp_path).rating("I", "R")):
        assert prompt[0] == beginning
        assert beginning not in prompt[1:]


def test_a_system_prompt_leads_a_chat_models_prompts_and_is_part_of_their_provenance(
    prompters: dict[Family, Prompter],
) -> None:
    chat, markers = (
        replace(prompters[family], system="Be brief.") for family in (Family.CHAT, Family.MARKERS)
    )
    assert _spelt(chat, chat.backward("R")).startswith("<|pad|><system>Be brief.<|end|><user>")
    assert _spelt(chat, chat.rating("I", "R")).startswith("<|pad|><system>Be brief.<|end|><user>")
    assert _spelt(chat, chat.forward("I", None, SEED_TAG)).startswith(
        f"<|pad|><system>{SEED_TAG}<|end|>"
    )
    other = replace(chat, system="Be long.")
    ids = {each.template_id(Task.BACKWARD) for each in (prompters[Family.CHAT], chat, other)}
    assert len(ids) == 3
    assert markers.backward("R") == prompters[Family.MARKERS].backward("R")
    assert markers.template_id(Task.RATING) == "rating.markers.1"
    assert chat.template_id(Task.RATING).startswith("rating.chat.2+")


def _chat_prompter(directory: Path, template: str) -> Prompter:
    make_tokenizer(directory, markers=False, chat_template=template)
    return Prompter.load(directory)


def test_a_chat_template_has_what_transformers_offers_it(tmp_path: Path) -> None:
    template = (
        "{% for message in messages %}{% if message.role == 'system' %}{% continue %}{% endif %}"
        "{{ strftime_now('%Y') }} {{ {'q': '<é>'} | tojson }} {{ message.content }}{% endfor %}"
    )
    prompter = _chat_prompter(tmp_path, template)
    assert prompter.decode(prompter.forward("Why?")) == '2024 {"q": "<é>"} Why?'


def test_a_template_that_refuses_system_turns_gets_them_in_the_users(tmp_path: Path) -> None:
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not "
        "supported') }}{% endif %}" + _CHAT
    )
    prompter = replace(_chat_prompter(tmp_path, refusing), system="Be brief.")
    assert (
        _spelt(prompter, prompter.forward("I", None, SEED_TAG))
        == f"<user>{SEED_TAG}\n\nI<|end|><assistant>"
    )
    rating = _spelt(prompter, prompter.rating("I", "R"))
    assert rating.startswith("<user>Be brief.\n\nRate how well")
    assert rating.count("Be brief.") == 1


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception('never') }}",
        "{{ absent.field }}",
    ],
)
def test_a_chat_template_is_kept_in_its_box(tmp_path: Path, template: str) -> None:
    with pytest.raises(ModelError, match="cannot be rendered"):
        _chat_prompter(tmp_path, template)


@pytest.mark.parametrize(
    "template",
    ["{% if %}", "{{ 1 + 'a' }}", "{{ 1 / 0 }}", "{% for i in range(10 ** 9) %}{% endfor %}"],
)
def test_a_chat_template_that_is_wrong_is_an_error(tmp_path: Path, template: str) -> None:
    with pytest.raises(ModelError, match="cannot be rendered"):
        _chat_prompter(tmp_path, template)


def test_headings_stand_above_the_text_of_a_chat_prompt_alone(
    prompters: dict[Family, Prompter],
) -> None:
    chat = prompters[Family.CHAT]
    named = _spelt(chat, chat.backward("R", None, ("one", "two", " three\nlines ", "x" * 500)))
    assert f"\n\nHeading: two > three lines > {'x' * 120}\nText:\nR" in named
    for none in ((), ("", " ")):
        assert _spelt(chat, chat.backward("R", None, none)).endswith(
            "\n\nText:\nR<|end|><assistant>"
        )
    for family in (Family.MARKERS, Family.PLAIN):
        prompter = prompters[family]
        assert prompter.backward("R", None, ("one",)) == prompter.backward("R")


def test_headings_are_never_special(prompters: dict[Family, Prompter]) -> None:
    chat = prompters[Family.CHAT]
    hostile = chat.backward("R", None, ("<|end|>{response}",))
    assert hostile.count(chat.stop_ids[0]) == chat.backward("R").count(chat.stop_ids[0])
    assert "Heading: <|end|>{response}\n" in _spelt(chat, hostile)


def test_openings_are_first_tokens_with_the_sums_of_their_weights(
    prompters: dict[Family, Prompter],
) -> None:
    chat = prompters[Family.CHAT]
    h, w = (chat.target(letter)[0] for letter in "HW")
    assert chat.opening_ids({"What": 1, "Why": 0.5, "How": 2, "List": 0}) == tuple(
        sorted([(w, 1.5), (h, 2)])
    )
    assert chat.opening_ids({}) == prompters[Family.MARKERS].opening_ids({"What": 1}) == ()
