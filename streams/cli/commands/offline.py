"""Commands on documents that need no broker: preview, segment, estimate."""

import json
from collections import Counter
from collections.abc import Mapping
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.commands.data import Exclude, Format, Include, Sources, TextColumn
from streams.cli.console import notice
from streams.cli.exit_codes import FAILED, end
from streams.cli.options import MODELS, Json, with_settings
from streams.quantities import as_count

if TYPE_CHECKING:
    from streams.observe.preview import PassagePreview
    from streams.settings import Settings

_PASSAGE_CHARACTERS = 160
_UNREAD_SHOWN = 10
_WORDS = {"kept": "accepted", "rejected": "refused", "unreadable": "unreadable"}
"""Verdicts in words."""
_PASSED_ON, _REFUSED = "passed_on", "refused"
"""Verdicts of ``segment``."""


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (preview, segment, estimate):
        app.command()(command)


@with_settings(*MODELS, "device")
def preview(
    settings: "Settings",
    sources: Sources,
    count: Annotated[int, typer.Option("-n", help="How many passages.", min=1)] = 5,
    format: Format = None,
    text_column: TextColumn = None,
    include: Include = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    """Run the agents on a few passages, without a broker.

    Prints each passage with its instruction, rating and verdict. One that is refused is shown with
    stage, reason and detail. Writes nothing. Prompts of your own go to standard error first. The
    exit code is 3 if something could not be read, and 1 if there is no passage.

    Example: `backstream preview notes.md -n 5`
    """
    from streams.cli.documents import read_documents
    from streams.cli.prepare import prepare_all
    from streams.data.sources import Choice, require_one
    from streams.data.tally import Tally
    from streams.observe.preview import preview_documents

    require_one(sources)
    tally = Tally()
    choice = Choice(include or (), exclude or ())
    documents = read_documents(sources, format, text_column, tally, choice)
    model = prepare_all(settings)
    for template in settings.templates().own:
        notice(f"{template.id}:\n{indent(template.with_context, '  ')}{template.lead}")
    found = Counter[str]()
    for verdict in preview_documents(settings, model, documents, count):
        found[verdict.verdict] += 1
        if as_json:
            print(json.dumps(verdict.as_dict(), ensure_ascii=False), flush=True)
        else:
            print(_as_text(found.total(), verdict), flush=True)
    for line in tally.lines():
        notice(line)
    if found:
        notice(", ".join(f"{count:,} {_WORDS[verdict]}" for verdict, count in found.items()))
    else:
        _notice_no_passage(settings)
    end(found.total() - found["unreadable"], found["unreadable"])


@with_settings()
def segment(
    settings: "Settings",
    sources: Sources,
    format: Format = None,
    text_column: TextColumn = None,
    include: Include = None,
    exclude: Exclude = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print each refused passage too, with its text and the reason. Each row then has "
            "a verdict: passed_on or refused.",
        ),
    ] = False,
) -> None:
    """Cut documents into passages, without a broker or a model.

    Prints a JSON line for each passage. A passage that occurs several times is printed once. The
    exit code is 3 if something could not be read, and 1 if there is no passage.

    Example: `backstream segment docs/ > passages.jsonl`
    """
    from models.progress import at_intervals
    from schemas.records import Rejection, Segment
    from streams.cli.documents import read_documents
    from streams.data.sources import Choice, require_one
    from streams.data.tally import Tally
    from streams.observe.preview import RefusedPassage, cut_documents, explained_documents

    cut = explained_documents if explain else cut_documents
    require_one(sources)
    tally = Tally()
    choice = Choice(include or (), exclude or ())
    failed = 0
    seen: set[str] = set()
    rejected: Counter[str] = Counter()
    say = at_intervals(notice)
    for outcome in cut(settings, read_documents(sources, format, text_column, tally, choice)):
        if isinstance(outcome, Segment):
            if outcome.id not in seen:
                seen.add(outcome.id)
                passage = outcome.model_dump(mode="json", exclude_none=True)
                print(_json_line(({"verdict": _PASSED_ON} if explain else {}) | passage))
        elif isinstance(outcome, RefusedPassage):
            print(_json_line({"verdict": _REFUSED} | outcome.as_dict()))
        elif isinstance(outcome, Rejection):
            rejected[outcome.reason] += outcome.count
        else:
            failed += 1
            notice(str(outcome))
        say(f"so far: {as_count(len(seen), 'passage')}, {rejected.total():,} refused")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejected.most_common())
    for line in tally.lines():
        notice(line)
    unread = f"; {failed:,} could not be read" if failed else ""
    notice(f"{as_count(len(seen), 'passage')}; refused: {reasons or 'none'}{unread}")
    end(len(seen), failed)


@with_settings(*MODELS, "device")
def estimate(
    settings: "Settings",
    sources: Sources,
    size: Annotated[
        int, typer.Option("--sample", help="How many passages to run the agents on.", min=2)
    ] = 48,
    format: Format = None,
    text_column: TextColumn = None,
    include: Include = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    """Estimate what documents would give, and how long they take.

    Cuts every document, and runs the agents on a sample of the passages, as many at once as a
    worker does. Needs no broker and writes nothing. The rate is that of one process on this
    machine. The more passages there are, the more are refused as near to others: a sample does not
    show that. The exit code is 3 if something could not be read, and 1 if there is no passage.

    Example: `backstream estimate docs/`
    """
    from streams.cli.documents import read_documents, with_notices
    from streams.cli.estimate_report import as_report, as_text
    from streams.cli.prepare import prepare_all
    from streams.data.sources import Choice, require_one
    from streams.data.tally import Tally
    from streams.observe.estimate import run_agents, sample_passages

    require_one(sources)
    tally = Tally()
    choice = Choice(include or (), exclude or ())
    documents = with_notices(read_documents(sources, format, text_column, tally, choice))
    passages = sample_passages(settings, documents, size)
    for line in (*passages.unread[:_UNREAD_SHOWN], *tally.lines()):
        notice(line)
    if (more := len(passages.unread) - _UNREAD_SHOWN) > 0:
        notice(f"and {more:,} more")
    if not passages.total:
        _notice_no_passage(settings)
        raise typer.Exit(FAILED)
    model = prepare_all(settings)
    total = as_count(passages.total, "passage")
    notice(f"{total}; running the agents on {len(passages.sample):,} of them")
    run = run_agents(settings, model, passages.sample)
    print(json.dumps(as_report(passages, run)) if as_json else as_text(passages, run))
    if passages.unread:
        notice(f"{as_count(len(passages.unread), 'input')} could not be read")
    end(passages.total, len(passages.unread))


def _json_line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _excerpt(text: str, last: bool = False) -> str:
    """The beginning or the end of a text, on one line."""
    flat = " ".join(text.split())
    if len(flat) <= _PASSAGE_CHARACTERS:
        return flat
    cut = _PASSAGE_CHARACTERS - 1
    return f"…{flat[-cut:]}" if last else f"{flat[:cut]}…"


def _notice_no_passage(settings: "Settings") -> None:
    notice(
        "no passage was found: a passage needs text of at least "
        f"{settings.segments.min_characters} characters (segments.min_characters)"
    )


def _as_text(number: int, verdict: "PassagePreview") -> str:
    from agents.figures import as_score

    score = as_score(verdict.score) if verdict.score is not None else "-"
    said = f"   said before: {_excerpt(verdict.said, last=True)}\n" if verdict.said else ""
    response = f"   response:    {_excerpt(verdict.response)}\n" if verdict.response else ""
    category = f" ({verdict.category})" if verdict.category else ""
    return (
        f"{number}. {verdict.source}\n{said}"
        f"   passage:     {_excerpt(verdict.passage)}\n"
        f"   instruction: {verdict.instruction or '-'}{category}\n"
        f"{response}"
        f"   rating:      {score}\n"
        f"   verdict:     {_WORDS[verdict.verdict]} ({verdict.reason})\n"
    )
