"""A small OpenAI-compatible server around a real engine, which can fail on cue.

``python -m tests.remote.server RELEASE PORT`` runs one in a process of its own, with KEY. It lays a
request out with the release's own templates, as a server does with its model's chat template.
"""

import argparse
import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from models.engine import Engine
from models.prompts.layout import Prompter
from models.prompts.tasks.rating import DIGITS
from models.sampling import Sampling
from schemas.errors import PromptTooLong

KEY = "a-key-of-the-tests-0123456789"
_TEXT = re.compile(r"\n(?:Heading: [^\n]*\n)?Text:\n(.*)\Z", re.DOTALL)
_PAIR = re.compile(r"Request:\n(.*?)\n\nAnswer:\n(.*)\n\nReply with one line", re.DOTALL)

Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class RemoteServer:
    """Answers chat completions with an engine. ``faults`` answer the next requests in its place."""

    engine: Engine
    prompter: Prompter
    url: str = ""
    key: str | None = None
    """The bearer token that it asks for."""
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    """Answers every request, while it is set."""
    slow: float = 0.0
    """Seconds before each answer."""
    faulty: int = 0
    """Every so many requests, one is answered with the next of FAULTS; 0 for none."""
    wants_completion_tokens: bool = False
    gives_logprobs: bool = True
    gives_likelihoods: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests that came, those that failed included."""
    times: list[float] = field(default_factory=list)
    most_at_once: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _at_once: int = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /v1/chat/completions``."""
        body = await request.json()
        self.requests.append(body)
        self.times.append(time.monotonic())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.always is not None:
                return await self.always(request)
            if self.faults:
                return await self.faults.pop(0)(request)
            await asyncio.sleep(self.slow)
            if self.faulty and len(self.requests) % self.faulty == 0:
                return await FAULTS[len(self.requests) // self.faulty % len(FAULTS)](request)
            return await self._answer(request, body)
        finally:
            self._at_once -= 1

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /v1/completions``: repeat the prompt with log-probabilities."""
        body = await request.json()
        self.requests.append(body)
        if not self.gives_likelihoods:
            return _error(404, "no such path")
        encoded = self.prompter.literal.encode(body["prompt"], add_special_tokens=False)
        ids = list(encoded.ids)
        try:
            nats = await self.engine.score(ids[:1], ids[1:])
        except PromptTooLong as error:
            return _error(400, str(error), "context_length_exceeded")
        self.prompt_tokens += len(ids)
        logprobs = {
            "tokens": [body["prompt"][start:end] for start, end in encoded.offsets] + ["x"],
            "token_logprobs": [None, *(-each for each in nats), -1.0],
            "text_offset": [start for start, _ in encoded.offsets] + [len(body["prompt"])],
        }
        choice = {"text": body["prompt"] + "x", "logprobs": logprobs, "finish_reason": "length"}
        usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
        return web.json_response({"choices": [choice], "usage": usage})

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "")
            return _error(401, f"Incorrect API key provided: {given}")
        unwanted = "max_tokens" if self.wants_completion_tokens else "max_completion_tokens"
        limit = "max_completion_tokens" if self.wants_completion_tokens else "max_tokens"
        if unwanted in body:
            return _error(400, f"Unsupported parameter: '{unwanted}'. Use '{limit}' instead.")
        asked = body["messages"][-1]["content"]
        try:
            if (pair := _PAIR.search(asked)) is not None:
                return await self._rating(body, *pair.groups())
            return await self._writing(body, asked, body[limit])
        except PromptTooLong as error:
            return _error(400, str(error), "context_length_exceeded")

    async def _writing(self, body: dict[str, Any], asked: str, limit: int) -> web.Response:
        passage = _TEXT.search(asked)
        prompt = self.prompter.backward(passage[1] if passage else asked)
        seeded = Sampling(
            temperature=body.get("temperature", 1.0),
            top_p=body.get("top_p", 1.0),
            seed=body.get("seed", 0),
            max_tokens=limit,
        )
        found = await self.engine.generate(prompt, seeded, self.prompter.instruction_stop_ids)
        text = self.prompter.instruction(found.ids, found.stop)
        logprobs = None
        if body.get("logprobs") and self.gives_logprobs:
            logprobs = [_token(text, {text: -0.1})]
        return self._completion(
            text, "stop" if found.finished else "length", len(prompt), len(found.ids), logprobs
        )

    async def _rating(self, body: dict[str, Any], instruction: str, response: str) -> web.Response:
        prompt = self.prompter.rating(instruction, response)
        found = await self.engine.rate(prompt, self.prompter.digit_ids)
        top = {
            digit: math.log(max(p * found.mass, 1e-30))
            for digit, p in zip(DIGITS, found.probabilities, strict=True)
        }
        best = max(top, key=lambda digit: top[digit])
        logprobs = None
        if body.get("logprobs") and self.gives_logprobs:
            likely = dict(sorted(top.items(), key=lambda each: -each[1])[: body["top_logprobs"]])
            logprobs = [_token("Score", {}), _token(": ", {}), _token(best, likely)]
        return self._completion(f"Score: {best}", "stop", len(prompt), 3, logprobs)

    def _completion(
        self, text: str, reason: str, prompt: int, completion: int, logprobs: list[Any] | None
    ) -> web.Response:
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": reason,
            "logprobs": None if logprobs is None else {"content": logprobs},
        }
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        return web.json_response({"object": "chat.completion", "choices": [choice], "usage": usage})


def _token(text: str, top: dict[str, float]) -> dict[str, Any]:
    found = {"token": text, "logprob": top.get(text, -0.1), "bytes": list(text.encode())}
    alternatives = top or {text: -0.1}
    return {
        **found,
        "top_logprobs": [
            {"token": each, "logprob": value, "bytes": list(each.encode())}
            for each, value in alternatives.items()
        ],
    }


def _error(status: int, message: str, code: str = "") -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status)


def status(code: int, headers: dict[str, str] | None = None, text: str = "no") -> Fault:
    """Answer with a status."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text=text)

    return answer


def says(body: str | bytes) -> Fault:
    """Answer 200 with this body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        content = body.encode() if isinstance(body, str) else body
        return web.Response(body=content, content_type="application/json")

    return answer


async def ends_midway(request: web.Request) -> web.StreamResponse:
    """Promise a longer body than comes, and close the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message"')
    assert request.transport is not None
    request.transport.abort()
    return response


async def hangs(request: web.Request) -> web.StreamResponse:
    """Answer nothing until the client has gone."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return web.Response()


@asynccontextmanager
async def serving(release: Path, port: int = 0) -> AsyncIterator[RemoteServer]:
    """Run a server around a release in this event loop."""
    engine = Engine.load(release, device="cpu", threads=1)
    server = RemoteServer(engine, Prompter.load(release))
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/completions", server.complete)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, bound = runner.addresses[0][:2]
        server.url = f"http://{host}:{bound}/v1"
        yield server
    finally:
        await runner.cleanup()
        engine.close()


FAULTS = (
    status(429, {"Retry-After": "1"}),
    status(500),
    says("{not json"),
    says('{"choices": []}'),
    ends_midway,
    status(503),
)


async def _main(options: argparse.Namespace) -> None:
    async with serving(options.release, options.port) as server:
        server.key, server.slow, server.faulty = KEY, options.slow, options.faulty
        print(json.dumps({"url": server.url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("release", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--faulty", type=int, default=0, help="fail every so many requests")
    asyncio.run(_main(parser.parse_args()))
