"""The command that sends questions: ask."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import BROKER, Json, given, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(ask)


@with_settings(*BROKER)
def ask(
    settings: "Settings",
    files: Annotated[
        list[str],
        typer.Argument(
            help="Text with a question a line, JSON, JSON lines, CSV, Parquet or Arrow; also "
            "compressed, directories and globs of them, and - for standard input.",
            callback=given,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Send questions, each of which is answered several times.

    A row has an instruction or a question, and may have a context, a category and an id; what it
    may have as an answer is not sent. What most answers agree on becomes a candidate, with the
    share that agrees as its confidence. Asking the same twice changes nothing. The exit code is 3
    if something could not be read.

    Example: `backstream ask questions.txt dolly.jsonl`
    """
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.questions import read_questions
    from streams.data.sources import require_one
    from streams.data.tally import Tally
    from streams.kafka.topics import QUESTIONS

    require_one(files)
    tally = Tally()
    questions = tally.of(read_questions(files))
    with connected(settings, QUESTIONS, create_state=True) as settings:
        report = feeding.ask(settings.kafka.cluster(), questions)
    if report.written and not as_json:
        notice(
            f"answered {settings.answering.samples} times each by the workers of `backstream up` "
            "or `backstream worker`: `backstream status` counts what the answerer has done, "
            "`backstream tail` prints what is accepted, and `backstream audit` says what became of "
            "each"
        )
    finish(report, tally, "question", as_json)
