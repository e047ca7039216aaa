"""The backward and the scorer agent on a real engine with a tiny model."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from agents.backward import Backward
from agents.scorer import Scorer
from models.engine.static.batching import StaticBatching
from models.prompts.categories import FIRST_WORDS
from models.prompts.layout import Prompter
from models.prompts.prompt import Prompt
from models.prompts.template import MARKERS, SEED_TAG, Task
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.served_model import ServedModel
from models.serving.written import WrittenInstruction
from schemas.categories import Category
from schemas.errors import EngineError, ModelError, PromptTooLong
from schemas.ids import example_id
from schemas.records import Candidate, Offset, Provenance, Rejection, Scored, Segment, Turn
from tests.unit.checkpoints import make_tokenizer
from tests.unit.engine_model import CONTEXT, VOCABULARY, TinyModel, engine_of, open_tiny

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ.,?!-'Ġ"
_SAMPLED = Sampling(temperature=1.0, max_tokens=12)
_GREEDY = Sampling(max_tokens=12)
_SEGMENT = Segment(
    id="segment-1",
    document_id="document-1",
    source="notes",
    document_at=Offset(topic="documents", partition=1, offset=7),
    position=2,
    headings=("Rain", "Why"),
    text="rain falls when the air is full.",
)
_CANDIDATE = Candidate(
    id="example-1",
    instruction="why does rain fall?",
    response="the air is full.",
    provenance=Provenance(
        document_id="document-1",
        segment_id="segment-1",
        release="r-0",
        template="backward.markers.1",
    ),
)


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    """A tokenizer with one token for each of a few letters, as many as the tiny model has."""
    directory: Path = tmp_path_factory.mktemp("letters")
    make_tokenizer(directory)
    file = directory / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["vocab"] = {letter: id for id, letter in enumerate(_LETTERS)}
    for id, special in enumerate(content["added_tokens"], len(_LETTERS)):
        special["id"] = id
    file.write_text(json.dumps(content), encoding="utf-8")
    loaded = Prompter.load(directory)
    assert loaded.tokenizer.get_vocab_size() <= VOCABULARY
    return loaded


@pytest.fixture(scope="module")
def model(tiny_model: TinyModel, prompter: Prompter) -> Iterator[ServedModel]:
    engine = engine_of(StaticBatching(open_tiny(tiny_model)))
    yield ServedModel("r-1", engine, prompter)
    engine.close()


def _stopping_at(model: ServedModel, stop_ids: tuple[int, ...]) -> ServedModel:
    """The same model with other stop tokens."""
    return dataclasses.replace(
        model, prompter=dataclasses.replace(model.prompter, stop_ids=stop_ids)
    )


async def _stopping_late(
    model: ServedModel, sampling: Sampling, segment: Segment = _SEGMENT
) -> ServedModel:
    """The model with a stop token that it generates after a first letter."""
    endless = _stopping_at(model, (VOCABULARY - 1,))
    written = (
        await endless.engine.generate(
            model.prompter.backward(segment.text, segment.context, turns=segment.turns),
            sampling,
            (),
        )
    ).ids
    letters = range(len(_LETTERS) - 1)
    first = next(id for id in written if id in letters)
    stop = next(id for id in written[written.index(first) :] if id != first)
    assert stop not in written[: written.index(first)]
    return _stopping_at(model, (stop,))


async def test_a_segment_becomes_a_candidate_that_knows_where_it_came_from(
    model: ServedModel,
) -> None:
    model = await _stopping_late(model, _GREEDY)
    (candidate,) = await Backward(ModelHandle(model), _GREEDY).handle(_SEGMENT)
    assert isinstance(candidate, Candidate)
    assert candidate.id == example_id("segment-1", "r-1", "backward.markers.1", 0)
    assert candidate.instruction
    assert candidate.instruction == candidate.instruction.strip()
    assert not any(marker in candidate.instruction for marker in MARKERS)
    assert (candidate.response, candidate.context) == (_SEGMENT.text, None)
    assert candidate.provenance == Provenance(
        source="notes",
        document_id="document-1",
        document_at=_SEGMENT.document_at,
        segment_id="segment-1",
        headings=("Rain", "Why"),
        release="r-1",
        template="backward.markers.1",
        sample=0,
    )


async def test_a_context_stays_with_its_example(model: ServedModel) -> None:
    given = _SEGMENT.model_copy(update={"context": "a note on rain"})
    (candidate,) = await Backward(
        ModelHandle(await _stopping_late(model, _GREEDY, given)), _GREEDY
    ).handle(given)
    assert isinstance(candidate, Candidate)
    assert candidate.context == "a note on rain"


async def test_the_same_segment_is_answered_the_same_again(model: ServedModel) -> None:
    agent = Backward(ModelHandle(model), _SAMPLED, samples=4)
    first, again = await agent.handle(_SEGMENT), await agent.handle(_SEGMENT)
    assert first == again
    assert len({one.id for one in first}) == 4
    endless = _stopping_at(model, (VOCABULARY - 1,))
    texts = [
        (await endless.write_instruction("segment-1", _SEGMENT.text, None, _SAMPLED, n)).instruction
        for n in range(4)
    ]
    assert len(set(texts)) > 1, "each sample has a seed of its own"
    other = await endless.write_instruction("segment-2", _SEGMENT.text, None, _SAMPLED, 0)
    assert other.instruction != texts[0], "and so has each segment"


async def test_an_instruction_cut_by_the_limit_is_unfinished(model: ServedModel) -> None:
    late = await _stopping_late(model, _GREEDY)
    unstopped = _stopping_at(model, (VOCABULARY - 1,))
    written = await unstopped.write_instruction("segment-1", _SEGMENT.text, None, _GREEDY)
    assert written.instruction
    assert not written.complete
    (refused,) = await Backward(ModelHandle(unstopped), _GREEDY).handle(_SEGMENT)
    assert refused == Rejection(
        id=written.id,
        stage="backward",
        reason="unfinished_instruction",
        detail=written.instruction,
        document_id="document-1",
        segment_id="segment-1",
        release="r-1",
    )
    (kept,) = await Backward(ModelHandle(late), _GREEDY).handle(_SEGMENT)
    assert isinstance(kept, Candidate), "where it stops by itself it is not"


async def test_an_instruction_of_nothing_is_empty(model: ServedModel) -> None:
    silent = _stopping_at(model, tuple(range(VOCABULARY)))
    found = await Backward(ModelHandle(silent), _SAMPLED, samples=2).handle(_SEGMENT)
    assert [(one.id, one.reason) for one in found if isinstance(one, Rejection)] == [
        (example_id("segment-1", "r-1", "backward.markers.1", sample), "empty_instruction")
        for sample in (0, 1)
    ]


@pytest.mark.parametrize("samples", [1, 3])
async def test_a_passage_that_does_not_fit_is_refused_once(
    model: ServedModel, samples: int
) -> None:
    long = _SEGMENT.model_copy(update={"text": "rain " * CONTEXT})
    (refused,) = await Backward(ModelHandle(model), _SAMPLED, samples).handle(long)
    assert isinstance(refused, Rejection)
    assert (refused.id, refused.reason, refused.stage) == (
        "segment-1",
        "prompt_too_long",
        "backward",
    )
    assert (refused.document_id, refused.segment_id, refused.release) == (
        "document-1",
        "segment-1",
        "r-1",
    )
    assert str(CONTEXT) in refused.detail


async def test_a_text_that_cannot_fit_is_refused_before_it_is_encoded(model: ServedModel) -> None:
    text = "rain " * (model.most_characters // 5 + 1)
    [passage] = await Backward(ModelHandle(model), _SAMPLED, 1).handle(
        _SEGMENT.model_copy(update={"context": text})
    )
    [pair] = await Scorer(ModelHandle(model)).handle(
        _CANDIDATE.model_copy(update={"instruction": text})
    )
    for refused in (passage, pair):
        assert isinstance(refused, Rejection)
        assert refused.reason == "prompt_too_long"
        assert "characters do not fit" in refused.detail
    # What is refused would not have fitted.
    assert len(model.prompter.backward(text)) > CONTEXT


async def test_a_candidate_is_rated_by_the_expected_digit(
    model: ServedModel, tiny_model: TinyModel
) -> None:
    (scored,) = await Scorer(ModelHandle(model)).handle(_CANDIDATE)
    assert isinstance(scored, Scored)
    assert scored.candidate == _CANDIDATE
    prompt = model.prompter.rating(_CANDIDATE.instruction, _CANDIDATE.response)
    expected = tiny_model.next_probabilities(prompt)
    digits = [expected[id] for id in model.prompter.digit_ids]
    rating = scored.rating
    assert rating.digit_mass == pytest.approx(sum(digits), abs=1e-4)
    assert rating.probabilities == pytest.approx([one / sum(digits) for one in digits], abs=1e-3)
    assert rating.score == pytest.approx(
        sum(point * one for point, one in enumerate(digits, 1)) / sum(digits), abs=1e-3
    )
    assert (rating.release, rating.template, rating.reason) == (
        "r-1",
        model.prompter.template(Task.RATING).id,
        None,
    )
    assert await Scorer(ModelHandle(model)).handle(_CANDIDATE) == [scored]


async def test_a_context_is_part_of_the_question(model: ServedModel) -> None:
    (plain,) = await Scorer(ModelHandle(model)).handle(_CANDIDATE)
    (given,) = await Scorer(ModelHandle(model)).handle(
        _CANDIDATE.model_copy(update={"context": "a note"})
    )
    assert isinstance(plain, Scored)
    assert isinstance(given, Scored)
    assert plain.rating.probabilities != given.rating.probabilities


_SAID = (Turn(role="user", text="why snow?"), Turn(role="assistant", text="it is cold."))


async def test_what_was_said_before_is_part_of_the_prompt_and_stays_with_the_example(
    model: ServedModel,
) -> None:
    later = _SEGMENT.model_copy(update={"turns": _SAID})
    late = await _stopping_late(model, _GREEDY, later)
    agent = Backward(ModelHandle(late), _GREEDY, openings={"What": 1.0})
    (candidate,) = await agent.handle(later)
    assert isinstance(candidate, Candidate)
    assert candidate.turns == _SAID
    prompt = late.prompter.backward(_SEGMENT.text, None, _SEGMENT.headings, _SAID)
    written = await late.engine.generate(prompt, _GREEDY, late.prompter.instruction_stop_ids)
    assert candidate.instruction == late.prompter.instruction(written.ids)
    (first,) = await Scorer(ModelHandle(model)).handle(_CANDIDATE)
    (second,) = await Scorer(ModelHandle(model)).handle(
        _CANDIDATE.model_copy(update={"turns": _SAID})
    )
    assert isinstance(first, Scored)
    assert isinstance(second, Scored)
    assert second.candidate.turns == _SAID
    assert first.rating.probabilities != second.rating.probabilities


async def test_a_conversation_that_does_not_fit_is_refused(model: ServedModel) -> None:
    long = (Turn(role="user", text="rain " * CONTEXT), Turn(role="assistant", text="so."))
    (refused,) = await Backward(ModelHandle(model), _GREEDY).handle(
        _SEGMENT.model_copy(update={"turns": long})
    )
    (unrated,) = await Scorer(ModelHandle(model)).handle(
        _CANDIDATE.model_copy(update={"turns": long})
    )
    assert isinstance(refused, Rejection)
    assert isinstance(unrated, Rejection)
    assert (refused.reason, unrated.reason) == ("prompt_too_long", "prompt_too_long")


async def test_a_pair_that_does_not_fit_is_refused(model: ServedModel) -> None:
    (refused,) = await Scorer(ModelHandle(model)).handle(
        _CANDIDATE.model_copy(update={"response": "rain " * CONTEXT})
    )
    assert isinstance(refused, Rejection)
    assert (refused.id, refused.stage, refused.reason) == ("example-1", "scorer", "prompt_too_long")
    assert (refused.document_id, refused.segment_id, refused.release) == (
        "document-1",
        "segment-1",
        "r-1",
    )


async def test_an_engine_that_is_gone_is_an_error_and_no_verdict(
    tiny_model: TinyModel, prompter: Prompter
) -> None:
    model = ServedModel("r-1", engine_of(StaticBatching(open_tiny(tiny_model))), prompter)
    model.close()
    with pytest.raises(EngineError):
        await Backward(ModelHandle(model), _GREEDY).handle(_SEGMENT)
    with pytest.raises(EngineError):
        await Scorer(ModelHandle(model)).handle(_CANDIDATE)


async def test_the_likelihood_of_an_answer_is_that_of_the_engine(model: ServedModel) -> None:
    prompt = Prompt(
        Task.REWRITING, {"instruction": "why?", "response": "rain falls.", "tag": SEED_TAG}
    )
    found = await model.likelihood(prompt, "it is full.")
    prompter = model.prompter
    nats = await model.engine.score(prompter.layout(prompt), prompter.target("it is full."))
    assert found == pytest.approx(-sum(nats) / len(nats))
    assert found is not None
    assert found < 0
    with pytest.raises(PromptTooLong):
        await model.likelihood(prompt, "full " * CONTEXT)
    with pytest.raises(PromptTooLong):
        await model.likelihood(prompt, "x" * 10_000_000)


async def test_a_release_of_other_templates_is_not_served(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    manifest: dict[str, Any] = {
        "id": "r-9",
        "parent": None,
        "base": "r-9",
        "created_at": 1,
        "files": {},
        "golden": [],
    }
    manifest["templates"] = {"backward": "backward.markers.0", "rating": "rating.markers.1"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match=r"r-9 was made with other prompts: backward\.markers\.0"):
        await ServedModel.load(tmp_path)


_PASSAGE = _SEGMENT.model_copy(
    update={
        "text": "rain falls when air is full of water and cools down. "
        "Clouds hold drops that grow until they are too large. "
        "Drops of more than 5 millimetres break up as they fall. "
        "Wind from the sea brings most of the water of this land.",
        "neighbours": ("Snow", "Hail"),
    }
)


async def test_a_task_with_a_context_is_answered_from_the_passage(house: Path) -> None:
    text = "\n\n".join(["R" + _PASSAGE.text[1:], "Most of it comes down again as rain. " * 3])
    passage = _PASSAGE.model_copy(update={"text": text})
    model = await ServedModel.load(house, device="cpu")
    try:
        for category in (Category.CLOSED_QA, Category.INFORMATION_EXTRACTION):
            agent = Backward(ModelHandle(model), _SAMPLED, 2, mix={category: 1.0})
            found = await agent.handle(passage)
            assert found == await agent.handle(passage)
            assert len(found) == 2
            for sample, one in enumerate(found):
                words = tuple(FIRST_WORDS[category])
                if isinstance(one, Rejection):
                    assert one.reason == "unfinished_instruction"
                    assert one.detail.startswith(words)
                    continue
                assert isinstance(one, Candidate)
                assert one.instruction.startswith(words)
                assert one.context == text
                assert all(part in text for part in one.response.split(". "))
                assert (one.category, one.provenance.sample) == (category, sample)
                assert one.id == example_id(passage.id, model.release, "backward.markers.1", sample)
    finally:
        model.close()


async def test_a_classification_names_its_labels(model: ServedModel) -> None:
    agent = Backward(ModelHandle(model), _SAMPLED, 2, mix={Category.CLASSIFICATION: 1.0})
    (found,) = await agent.handle(_PASSAGE)
    assert isinstance(found, Candidate)
    assert (found.response, found.context) == ("Why", _PASSAGE.text)
    assert all(label in found.instruction for label in ("Why", "Snow", "Hail"))
    assert (found.provenance.template, found.provenance.samples) == ("labels.1", 1)
    assert found.id == example_id(_PASSAGE.id, "r-1", "backward.markers.1", 0)


async def test_a_passage_that_sets_no_wanted_task_is_refused(model: ServedModel) -> None:
    (found,) = await Backward(
        ModelHandle(model), _SAMPLED, mix={Category.SUMMARIZATION: 1.0}
    ).handle(_SEGMENT)
    assert isinstance(found, Rejection)
    assert (found.reason, found.segment_id) == ("no_task", _SEGMENT.id)


async def test_without_a_context_the_passage_is_the_response(model: ServedModel) -> None:
    late = await _stopping_late(model, _GREEDY)
    (found,) = await Backward(ModelHandle(late), _GREEDY, mix={Category.OPEN_QA: 1.0}).handle(
        _SEGMENT
    )
    assert isinstance(found, Candidate)
    assert (found.response, found.context, found.category) == (_SEGMENT.text, None, "open_qa")
    assert found.id == example_id("segment-1", "r-1", "backward.markers.1", 0)


class _SlowModel:
    """Writes two texts side by side; each is done when the test says so."""

    release = "slow"
    generation_slots = 2

    def __init__(self) -> None:
        self.asked: dict[str, asyncio.Event] = {}

    async def write_instruction(self, id: str, *_: Any, **__: Any) -> WrittenInstruction:
        written = self.asked.setdefault(id, asyncio.Event())
        await written.wait()
        return WrittenInstruction(id, "Why?", None, True, self.release, "backward.test.1")


async def test_no_more_segments_are_begun_than_keep_the_model_busy() -> None:
    """Else the first of a hundred segments with a context would be done after the last one."""
    first, second = _SlowModel(), _SlowModel()
    handle = ModelHandle(cast(RoleModel, first))
    agent = Backward(handle, _GREEDY)
    segments = [_SEGMENT.model_copy(update={"id": str(number)}) for number in range(12)]
    tasks = [asyncio.create_task(agent.handle(segment)) for segment in segments]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert list(first.asked) == ["0", "1", "2", "3"]
    first.asked["1"].set()
    await tasks[1]
    await asyncio.sleep(0)
    assert list(first.asked) == ["0", "1", "2", "3", "4"]

    replaced = asyncio.create_task(handle.replace(cast(RoleModel, second)))
    await asyncio.sleep(0)
    for written in first.asked.values():
        written.set()
    assert cast(_SlowModel, await replaced) is first, "segments that have not begun keep no model"
    while not all(task.done() for task in tasks):
        for written in second.asked.values():
            written.set()
        await asyncio.sleep(0)
    assert list(second.asked) == [str(number) for number in range(5, 12)]
    assert [len(task.result()) for task in tasks] == [1] * 12


async def test_samples_share_the_places_of_a_model() -> None:
    model = _SlowModel()
    agent = Backward(ModelHandle(cast(RoleModel, model)), _SAMPLED, samples=64)
    tasks = [
        asyncio.create_task(agent.handle(_SEGMENT.model_copy(update={"id": id}))) for id in "ab"
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert list(model.asked) == ["a"], "one, although it has more samples than there are places"
    model.asked["a"].set()
    model.asked["b"] = asyncio.Event()
    model.asked["b"].set()
    assert [len(found) for found in await asyncio.gather(*tasks)] == [64, 64]
