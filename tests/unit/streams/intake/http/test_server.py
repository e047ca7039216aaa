"""The HTTP server without a broker: who may post, what is answered, and when."""

import asyncio
import contextlib
import logging

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from streams.intake.http import server as server_module
from streams.intake.http.server import Connections, Intake, runner_of
from streams.settings import IntakeSettings
from streams.stages.metrics import Metrics
from tests.unit.memory_writer import MemoryWriter

TOKEN = "0123456789abcdef-token"
TEXT = {"content-type": "text/plain"}


class Lag:
    """A lag that a test sets."""

    def __init__(self) -> None:
        self.lag = 0
        self.unknown: str | None = None
        self.wait: int | None = None
        self.added = 0

    def add(self, documents: int) -> None:
        self.added += documents

    def wait_seconds(self) -> int | None:
        return self.wait


class Serving:
    """A server of a test, with its address and parts."""

    def __init__(self, at_once: bool, **settings) -> None:
        self.writer = MemoryWriter(at_once=at_once)
        self.lag = Lag()
        self.metrics = Metrics()
        made = IntakeSettings(**{"timeout_seconds": 30.0, **settings})
        self.intake = Intake(made, self.writer, self.lag, self.metrics)  # type: ignore[arg-type]
        self.port = 0

    async def until_written(self) -> None:
        while not self.writer.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/documents"

    async def post(self, body: object = b"a text", headers=TEXT, query="", **options):
        async with (
            ClientSession() as session,
            session.post(self.url + query, data=body, headers=headers, **options) as answer,
        ):
            return answer.status, await answer.json(), answer.headers


@contextlib.asynccontextmanager
async def serving(at_once: bool = True, **settings):
    made = Serving(at_once, **settings)
    runner = runner_of(made.intake)
    await runner.setup()
    assert runner.server is not None
    listening = await asyncio.get_running_loop().create_server(
        Connections(runner.server, made.intake), "127.0.0.1", 0
    )
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await runner.cleanup()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait for it, whichever side ended it."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_202_follows_the_acknowledgement():
    async with serving(at_once=False) as made:
        posting = asyncio.create_task(made.post(query="?source=here"))
        await made.until_written()
        assert not posting.done()
        made.writer.acknowledge()
        status, answer, _ = await posting
    assert status == 202
    [message] = made.writer.written
    assert answer == {"accepted": 1, "ids": [message.key.decode()]}
    assert made.lag.added == 1


async def test_503_without_an_acknowledgement_in_time():
    async with serving(at_once=False, timeout_seconds=0.2) as made:
        status, answer, headers = await made.post()
    assert status == 503
    assert headers["retry-after"]
    assert "Post them again" in answer["error"]


async def test_503_while_the_broker_is_away():
    async with serving() as made:
        made.writer.unavailable = "no broker answers"
        status, answer, headers = await made.post()
        assert (status, answer) == (503, {"error": "no broker answers"})
        assert headers["retry-after"]
        async with ClientSession() as session:
            ready = await session.get(f"http://127.0.0.1:{made.port}/ready")
            assert (ready.status, await ready.text()) == (503, "no broker answers\n")
            live = await session.get(f"http://127.0.0.1:{made.port}/live")
            assert live.status == 200
    assert not made.writer.written


async def test_429_while_too_many_documents_wait():
    async with serving() as made:
        made.lag.wait, made.lag.lag = 7, 10_500
        status, answer, headers = await made.post()
        assert (status, headers["retry-after"]) == (429, "7")
        assert "10,500" in answer["error"]
        made.lag.wait = None
        assert (await made.post())[0] == 202
    assert len(made.writer.written) == 1


async def test_429_while_too_many_requests_are_in_flight():
    async with serving(at_once=False, in_flight=1) as made:
        first = asyncio.create_task(made.post())
        await made.until_written()
        assert (await made.post())[0] == 429
        made.writer.acknowledge()
        assert (await first)[0] == 202


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x"]
)
async def test_401_without_the_token_before_the_body_is_read(given):
    headers = {**TEXT, **({} if given is None else {"authorization": given})}
    async with serving(token=SecretStr(TOKEN)) as made:
        status, answer, answered = await made.post(headers=headers)
        assert status == 401
        assert answered["www-authenticate"].startswith("Bearer")
        assert TOKEN not in str(answer)
        async with ClientSession() as session:
            assert (await session.get(f"http://127.0.0.1:{made.port}/metrics")).status == 401
            assert (await session.get(f"http://127.0.0.1:{made.port}/ready")).status == 200
    assert not made.writer.written


async def test_the_token_is_accepted():
    async with serving(token=SecretStr(TOKEN)) as made:
        for scheme in ("Bearer", "bearer"):
            headers = {**TEXT, "authorization": f"{scheme} {TOKEN}", "origin": "https://a.test"}
            assert (await made.post(headers=headers))[0] == 202


async def test_web_pages_cannot_post_to_a_machine_of_their_reader():
    async with serving() as made:
        headers = {**TEXT, "origin": "https://evil.test"}
        assert (await made.post(headers=headers))[0] == 403
    assert not made.writer.written


async def test_413_by_the_length_and_by_what_comes():
    async def endless():
        for _ in range(100):
            yield b"x" * 1000

    async with serving(max_bytes=10_000) as made:
        assert (await made.post(b"x" * 10_001))[0] == 413
        assert (await made.post(endless()))[0] == 413
        assert (await made.post(b"x" * 10_001, expect100=True))[0] == 413
        assert (await made.post(b"x" * 10_000, expect100=True))[0] == 202


async def test_bad_documents_are_named_and_nothing_is_written():
    body = b'{"text": "good"}\n{"text": 5}\nnot json\n'
    async with serving() as made:
        status, answer, _ = await made.post(body, {"content-type": "application/x-ndjson"})
    assert status == 400
    assert [error.partition(":")[0] for error in answer["errors"]] == ["body#2", "body#3"]
    assert not made.writer.written


async def test_415_names_what_is_read():
    async with serving() as made:
        status, answer, headers = await made.post(headers={"content-type": "application/pdf"})
        assert status == 415
        assert "application/json" in answer["error"]
        assert "gzip" in headers["accept-encoding"]
        assert (await made.post(headers={**TEXT, "content-encoding": "br"}))[0] == 415


async def test_a_query_that_is_not_known_is_refused():
    async with serving() as made:
        status, answer, _ = await made.post(query="?soruce=x")
    assert status == 400
    assert "soruce" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/documents", 405),
        ("PUT", "/documents", 405),
        ("POST", "/", 404),
        ("GET", "/../../etc/passwd", 404),
    ],
)
async def test_other_requests_are_errors_in_json(method, path, status):
    async with serving() as made, ClientSession() as session:
        answer = await session.request(method, f"http://127.0.0.1:{made.port}{path}")
        assert answer.status == status
        assert "error" in await answer.json()


async def test_metrics_count_documents_and_answers():
    async with serving() as made:
        await made.post()
        await made.post(b"")
        async with ClientSession() as session:
            answer = await session.get(f"http://127.0.0.1:{made.port}/metrics")
            page = await answer.text()
    assert 'backstream_intake_documents_total{outcome="acknowledged",way="http"} 1.0' in page
    assert 'backstream_intake_documents_total{outcome="refused",way="http"} 1.0' in page
    assert 'backstream_intake_requests_total{status="202"} 1.0' in page
    assert 'backstream_intake_requests_total{status="400"} 1.0' in page


async def test_a_client_that_stops_in_the_middle_is_408():
    async with serving(timeout_seconds=0.3) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(
            b"POST /documents HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n"
            b"content-length: 100\r\n\r\nhalf"
        )
        assert b" 408 " in await reader.readline()
        await closed(writer)
    assert not made.writer.written


async def test_connections_without_a_request_are_closed(monkeypatch):
    monkeypatch.setattr(server_module, "_FIRST_REQUEST_SECONDS", 0.3)
    async with serving() as made:
        readers = []
        for number in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            if number % 2:
                writer.write(b"POST /documents HTTP/1.1\r\nhost: ")
            readers.append((reader, writer))
        for reader, writer in readers:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await closed(writer)
        assert (await made.post())[0] == 202


async def test_connections_beyond_the_most_are_closed_at_once(monkeypatch):
    monkeypatch.setattr(server_module, "_MOST_CONNECTIONS", 3)
    async with serving() as made:
        held = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(3)]
        reader, more = await asyncio.open_connection("127.0.0.1", made.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        for _, writer in [*held, (reader, more)]:
            await closed(writer)
        assert (await made.post())[0] == 202


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /documents HTTP/1.1\r\ncookie: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /documents HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /documents HTTP/1.1\r\ncontent-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /documents HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n\r\n",
    ],
    ids=["huge header", "TLS", "negative length", "smuggled", "bad chunk", "empty"],
)
async def test_a_request_that_is_none_is_refused(request_bytes):
    async with serving() as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(request_bytes)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.write_eof()
            answer = await reader.read()
            assert answer == b"" or answer.split(b" ")[1].startswith(b"4")
        await closed(writer)
        assert (await made.post())[0] == 202
    assert len(made.writer.written) == 1


def test_an_address_that_others_reach_needs_a_token():
    from schemas.errors import SettingsError

    for listen in (":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "example.org:80"):
        with pytest.raises(SettingsError, match=r"intake\.token"):
            _ = IntakeSettings(listen=listen).address
        assert IntakeSettings(listen=listen, token=SecretStr(TOKEN)).address.port in (80, 8080)
    for listen in ("8080", "127.0.0.1:8080", "127.9.9.9:8080", "localhost:8080", "[::1]:8080"):
        assert IntakeSettings(listen=listen).address.is_loopback


@pytest.mark.parametrize("listen", ["", "x", "127.0.0.1", "a:b", "1:99999", "::1:80", "-1", ":-1"])
def test_an_address_that_is_none_is_refused(listen):
    with pytest.raises(ValueError, match="must"):
        IntakeSettings(listen=listen)


@pytest.mark.parametrize("token", ["", "short", "with a space in it all", "ä" * 20])
def test_a_token_that_can_be_guessed_is_refused(token):
    with pytest.raises(ValueError, match="openssl rand"):
        IntakeSettings(token=SecretStr(token))


def test_an_invalid_token_is_not_shown():
    from schemas.errors import SettingsError
    from streams.settings import load

    with pytest.raises(SettingsError) as raised:
        load(None, {}, ("intake.token=s3cr3t",))
    assert "s3cr3t" not in str(raised.value)


async def test_a_request_that_is_no_http_is_one_line_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    async with serving() as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(
            b"POST /documents HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n"
        )
        assert b" 400 " in await reader.readline()
        writer.close()
    (record,) = [each for each in caplog.records if "Error handling" in each.message]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert "\n" not in record.message
