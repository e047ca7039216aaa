"""What a command says while it waits."""

from streams.cli.waiting import Waiting


def test_it_says_once_that_nothing_comes_and_when_the_broker_is_away() -> None:
    said: list[str] = []
    now = [0.0]
    reason: list[str | None] = [None]
    waiting = Waiting("examples", lambda: reason[0], said.append, lambda: now[0])
    assert waiting.look() is False
    assert said == []
    now[0] = 4.0
    waiting.look()
    waiting.look()
    assert said == ["waiting for examples; Ctrl-C ends"]
    reason[0] = "no broker has answered for 9 s"
    waiting.look()
    reason[0] = "no broker has answered for 10 s"
    waiting.look()
    reason[0] = None
    waiting.look()
    assert said[1:] == [
        "no broker has answered for 9 s; waiting for it, and then for examples",
        "a broker answers again; waiting for examples",
    ]


def test_it_says_nothing_once_something_came() -> None:
    said: list[str] = []
    now = [0.0]
    waiting = Waiting("examples", lambda: None, said.append, lambda: now[0])
    waiting.came()
    now[0] = 60.0
    waiting.look()
    assert said == []
