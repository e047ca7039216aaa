"""A remote model against a server with the house model's engine, healthy and failing."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agents.backward import Backward
from models.judging.evidence import EvidenceKind
from models.judging.fitting import FEWEST_SOURCES
from models.judging.judge import Judges
from models.prompts.plain_text import END, plain_prompt
from models.prompts.prompt import Prompt
from models.prompts.template import Family, Task
from models.prompts.templates import BUILT_IN
from models.remote.address import RemoteAddress
from models.remote.client import RemoteClient, RequestOptions
from models.remote.judges import fit_judges
from models.remote.kept_judges import read_judges
from models.remote.model import RemoteModel
from models.remote.usage import Account, Budget, Ledger, Tokens
from models.sampling import Sampling
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.errors import (
    BudgetSpent,
    ModelError,
    PromptTooLong,
    RemoteError,
    RemoteUnavailable,
)
from schemas.records import Candidate, Segment
from tests.remote import server as faults
from tests.remote.server import KEY, Fault, RemoteServer, serving

PASSAGE = (
    "To open a file, call open() with its name. Use it in a with statement, so that it is closed "
    "again when the block ends, also after an error."
)
_SAMPLING = Sampling(max_tokens=48)
Make = Callable[..., RemoteModel]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(house: Path) -> AsyncIterator[RemoteServer]:
    async with serving(house) as server:
        yield server


@pytest.fixture
def server(running: RemoteServer) -> RemoteServer:
    """The server without what an earlier test did to it."""
    running.faults, running.always, running.key = [], None, None
    running.requests, running.times, running.most_at_once = [], [], 0
    running.prompt_tokens = running.completion_tokens = 0
    running.wants_completion_tokens = False
    running.gives_logprobs = running.gives_likelihoods = True
    return running


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr("models.remote.client._SHORTEST_PAUSE", 0.001)


@pytest_asyncio.fixture(loop_scope="module")
async def make(server: RemoteServer, ledger: Ledger, quick: None) -> AsyncIterator[Make]:
    made: list[RemoteModel] = []

    def make(
        key: str | None = None,
        ledger: Ledger = ledger,
        url: str = server.url,
        observed: list[Any] | None = None,
        judges: Judges | None = None,
        **options: Any,
    ) -> RemoteModel:
        def observe(outcome: str, tokens: Tokens) -> None:
            if observed is not None:
                observed.append((outcome, tokens.total))

        client = RemoteClient(
            RemoteAddress.parse(f"openai:house@{url}"),
            key,
            Account("backward", ledger),
            RequestOptions(**options),
            observe,
        )
        made.append(RemoteModel(client, judges=judges))
        return made[-1]

    yield make
    for model in made:
        await model.aclose()


async def _written(model: RemoteModel) -> str:
    return (await model.write_instruction("s-1", PASSAGE, None, _SAMPLING)).instruction


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_writes_and_rates_as_the_same_model_does_here(
    make: Make, server: RemoteServer, house: Path
) -> None:
    model = make()
    local = ServedModel("r-1", server.engine, server.prompter)
    written = await model.write_instruction("s-1", PASSAGE, None, _SAMPLING)
    assert written.instruction == (await _local(local)).instruction
    assert written.complete
    assert written.release == model.release
    assert written.template == BUILT_IN.of(Task.BACKWARD, Family.CHAT).id
    rating = await model.rate(written.instruction, PASSAGE, None)
    digits = await server.engine.rate(
        server.prompter.rating(written.instruction, PASSAGE), server.prompter.digit_ids
    )
    assert rating.probabilities == pytest.approx(digits.probabilities, abs=1e-6)
    assert rating.digit_mass == pytest.approx(digits.mass, abs=1e-6)
    assert rating.release == model.release


async def test_it_writes_for_any_prompt(make: Make, server: RemoteServer) -> None:
    prompt = Prompt(Task.BACKWARD, {"response": PASSAGE})
    model, local = make(), ServedModel("r-1", server.engine, server.prompter)
    written = await model.write(prompt, _SAMPLING, one_line=True)
    assert written == await local.write(prompt, _SAMPLING, one_line=True)
    assert written.finished
    assert model.template_id(Task.BACKWARD) == BUILT_IN.of(Task.BACKWARD, Family.CHAT).id


async def test_what_begins_no_option_is_no_choice(make: Make) -> None:
    with pytest.raises(ModelError, match="chose none of 日本, 中国"):
        await make().choose(Prompt(Task.BACKWARD, {"response": PASSAGE}), ["日本", "中国"])


async def _local(local: ServedModel) -> Any:
    return await local.write_instruction("s-1", PASSAGE, None, _SAMPLING)


async def test_a_prompt_has_headings_context_and_examples(make: Make, server: RemoteServer) -> None:
    model = make()
    await model.write_instruction(
        "s-1", "{context} stays.", "Given.", _SAMPLING, headings=("Files", "Opening")
    )
    asked = server.requests[-1]["messages"][-1]["content"]
    assert "Heading: Files > Opening\nText:\n{context} stays." in asked
    assert "Given." in asked
    await model.rate("What?", "That.", None)
    roles = [message["role"] for message in server.requests[-1]["messages"]]
    assert roles == ["user", "assistant"] * 3 + ["user"]


async def test_a_seed_is_that_of_the_sample(make: Make, server: RemoteServer) -> None:
    model = make()
    for sample in (0, 1, 0):
        await model.write_instruction(
            "s-1", PASSAGE, None, Sampling(temperature=0.7, max_tokens=8), sample
        )
    one, other, again = (request["seed"] for request in server.requests)
    assert one == again != other
    assert 0 <= one < 2**31


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(429, {"Retry-After": "0"}),
        faults.status(500),
        faults.status(503),
        faults.says("{not json"),
        faults.says(""),
        faults.says("[]"),
        faults.says('{"choices": []}'),
        faults.says('{"choices": null}'),
        faults.says('{"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]}'),
        faults.says('{"choices": [{"message": {"content": "What"}, "finish_reason": null}]}'),
        faults.says("[" * 100_000),
        faults.ends_midway,
    ],
)
async def test_what_fails_once_is_asked_again(
    make: Make, server: RemoteServer, fault: Fault
) -> None:
    server.faults = [fault, fault]
    assert await _written(make())
    assert len(server.requests) == 3


async def test_a_server_that_hangs_is_asked_again(make: Make, server: RemoteServer) -> None:
    server.faults = [faults.hangs]
    assert await _written(make(timeout_seconds=2.0))


async def test_a_server_that_is_too_slow_is_no_fault_of_those_that_wait(
    make: Make, server: RemoteServer
) -> None:
    server.always = faults.hangs
    model = make(in_flight=1, longest_seconds=0.3)
    found = await asyncio.gather(*(_written(model) for _ in range(3)), return_exceptions=True)
    assert {type(each) for each in found} == {RemoteUnavailable}
    assert all("remote.in_flight" in str(each) for each in found)


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (faults.status(429), RemoteUnavailable, "answered 429: no"),
        (faults.status(503), RemoteUnavailable, "answered 503"),
        (faults.status(404), RemoteUnavailable, "answered 404"),
        (faults.status(402), RemoteUnavailable, "answered 402"),
        (faults.status(307, {"Location": "http://elsewhere/"}), RemoteUnavailable, "answered 307"),
        (faults.ends_midway, RemoteUnavailable, "ended the connection"),
        (faults.status(500), RemoteError, "answered 500"),
        (faults.status(400), RemoteError, "answered 400"),
        (faults.says('{"choices": []}'), RemoteError, "without a choice"),
        (faults.says("<html>"), RemoteError, "not JSON"),
        (faults.status(413), PromptTooLong, "answered 413"),
        (
            faults.status(400, text='{"error": {"message": "exceeds the context size"}}'),
            PromptTooLong,
            "exceeds the context size",
        ),
    ],
)
async def test_what_goes_on_failing_is_told_apart(
    make: Make, server: RemoteServer, fault: Fault, error: type[Exception], says: str
) -> None:
    server.always = fault
    with pytest.raises(error, match=says):
        await _written(make(retries=1))


async def test_no_server_is_no_fault_of_a_record(make: Make) -> None:
    with pytest.raises(RemoteUnavailable, match="cannot be reached"):
        await _written(make(url="http://127.0.0.1:9/v1", retries=0))


async def test_no_request_comes_before_the_time_that_the_server_names(
    make: Make, server: RemoteServer
) -> None:
    server.faults = [faults.status(429, {"Retry-After": "1"})]
    model = make(in_flight=1)
    await asyncio.gather(*(_written(model) for _ in range(3)))
    first, *others = server.times
    assert len(others) == 3
    assert min(others) - first >= 0.99


async def test_a_long_pause_is_told_and_not_waited_for(make: Make, server: RemoteServer) -> None:
    server.faults = [faults.status(429, {"Retry-After": "900"})]
    model = make()
    for _ in range(3):
        with pytest.raises(RemoteUnavailable, match=r"asks to wait \d+ s more"):
            await _written(model)
    assert len(server.requests) == 1


async def test_requests_at_a_time_are_bounded(make: Make, server: RemoteServer) -> None:
    model = make(in_flight=2)
    await asyncio.gather(*(_written(model) for _ in range(8)))
    assert server.most_at_once == 2


async def test_usage_is_what_the_server_counted(
    make: Make, server: RemoteServer, ledger: Ledger
) -> None:
    server.faults = [faults.status(500), faults.status(429, {"Retry-After": "0"})]
    observed: list[Any] = []
    await _written(make(observed=observed))
    usage = ledger.usage()["backward"]
    assert usage.prompt_tokens == server.prompt_tokens
    assert usage.completion_tokens == server.completion_tokens
    assert (usage.requests, usage.unanswered_tokens) == (1, 0)
    total = server.prompt_tokens + server.completion_tokens
    assert observed == [("failed", 0), ("busy", 0), ("answered", total)]


async def test_a_budget_is_never_exceeded(make: Make, server: RemoteServer) -> None:
    ledger = Ledger(None, Budget(tokens=3000))
    model = make(ledger=ledger, in_flight=4)
    found = await asyncio.gather(*(_written(model) for _ in range(40)), return_exceptions=True)
    spent = [each for each in found if isinstance(each, BudgetSpent)]
    assert 0 < len(spent) < 40
    assert 0 < server.prompt_tokens + server.completion_tokens <= 3000
    assert "remote.budget_tokens of 3,000 is spent" in str(spent[0])


async def test_a_model_may_want_the_other_name_of_the_limit(
    make: Make, server: RemoteServer
) -> None:
    server.wants_completion_tokens = True
    model = make()
    assert await _written(model)
    assert await _written(model)
    assert len(server.requests) == 3, "it is remembered"


async def test_a_server_without_log_probabilities_cannot_rate(
    make: Make, server: RemoteServer
) -> None:
    server.gives_logprobs = False
    with pytest.raises(RemoteUnavailable, match="no log-probabilities"):
        await make().rate("What?", "That.", None)


async def test_likelihoods_are_those_of_the_same_model_here(
    make: Make, server: RemoteServer
) -> None:
    asked = "How do I open a file?"
    nats = await make().examiner.likelihoods.of_pair(asked, PASSAGE, None)
    encode = server.prompter.literal.encode
    whole = [
        *encode(
            plain_prompt(BUILT_IN, Task.FORWARD, asked) + PASSAGE + END, add_special_tokens=False
        ).ids
    ]
    expected = await server.engine.score(whole[:1], whole[1:])
    assert sum(nats.response_given) == pytest.approx(
        sum(expected[-len(nats.response_given) - _end_tokens(server) + 1 :]), rel=1e-4
    )
    assert len(nats.response_given) == len(nats.response_alone) > 20
    assert len(nats.instruction_given) == len(nats.instruction_alone) > 5
    assert set(nats.figures()) == set(EvidenceKind.LIKELIHOOD.figures)


async def test_the_likelihood_of_an_answer_is_asked_for_or_is_not_known(
    make: Make, server: RemoteServer
) -> None:
    model = make()
    texts = {"instruction": "How do I open a file?", "response": PASSAGE}
    given = await model.likelihood(Prompt(Task.REWRITING, texts), PASSAGE)
    alone = await model.likelihood(Prompt(Task.REWRITING, {**texts, "response": ""}), PASSAGE)
    assert given is not None
    assert alone is not None
    assert given < 0
    assert given != alone
    server.gives_likelihoods = False
    assert await model.likelihood(Prompt(Task.REWRITING, texts), PASSAGE) is None


def _end_tokens(server: RemoteServer) -> int:
    return len(server.prompter.literal.encode(END, add_special_tokens=False).ids)


async def test_a_judge_is_fitted_kept_and_rates(
    make: Make, server: RemoteServer, tmp_path: Path
) -> None:
    model = make()
    assert await model.rates_by() == (
        "digits: it has no judge; `backstream models judge` fits one to its likelihoods"
    )
    training, _ = split(read_seeds())
    pairs = sorted(map(Pair.of, training), key=lambda pair: len(pair.response))[:FEWEST_SOURCES]
    await fit_judges(model, pairs, tmp_path)
    judges = read_judges(tmp_path, model.release)
    assert judges is not None
    judged = make(judges=judges)
    assert await judged.rates_by() == "combined"
    rating = await judged.rate(pairs[0].instruction, pairs[0].response, None)
    other = await judged.rate(pairs[5].instruction, pairs[0].response, None)
    assert rating.score > other.score
    assert tuple(rating.evidence) == EvidenceKind.COMBINED.figures
    assert rating.precision is not None
    server.gives_likelihoods = False
    for asked in (judged.rates_by(), judged.rate("What?", "That.", None)):
        with pytest.raises(RemoteUnavailable, match="gives no likelihoods"):
            await asked
    with pytest.raises(ModelError, match="it rates by digits"):
        await fit_judges(model, pairs, tmp_path)
    assert "gives no likelihoods" in await model.rates_by()
    assert read_judges(tmp_path, "another") is None


async def test_a_model_that_writes_no_digit_cannot_rate(make: Make, server: RemoteServer) -> None:
    model = make()
    await model.rates_by()
    token = {"token": "Sure", "logprob": -0.1}
    content = [{**token, "top_logprobs": [token]}]
    choice = {"logprobs": {"content": content}, "message": {"content": "Sure"}}
    server.faults = [faults.says(json.dumps({"choices": [choice]}))]
    with pytest.raises(ModelError, match="unrated"):
        await model.rate("What?", "That.", None)


async def test_a_key_is_sent_and_never_told(
    make: Make, server: RemoteServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.key = KEY
    assert await _written(make(key=KEY))
    server.always = faults.status(400, text=f"no such key: {KEY}")
    with pytest.raises(RemoteError) as refused:
        await _written(make(key=KEY))
    server.always = None
    with pytest.raises(RemoteUnavailable, match="BACKSTREAM_REMOTE_KEY") as wrong:
        await _written(make(key="a-wrong-key"))
    assert KEY not in f"{refused.value} {wrong.value} {caplog.text}"
    assert "a-wrong-key" not in str(wrong.value)


async def test_an_agent_does_not_know(make: Make) -> None:
    model = make()
    agent = Backward(ModelHandle(model), _SAMPLING)
    segment = Segment(id="s-1", document_id="d-1", source="a.txt", position=0, text=PASSAGE)
    [candidate] = await agent.handle(segment)
    assert isinstance(candidate, Candidate)
    assert candidate.provenance.release == model.release
    await agent.probe()
