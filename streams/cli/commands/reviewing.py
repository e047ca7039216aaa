"""``backstream review``: pairs for Argilla and Label Studio, and what people answered there."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.exit_codes import end
from streams.cli.options import BROKER, Json, with_settings
from streams.quantities import as_count

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Have pairs judged in Argilla or Label Studio.")
ToolName = Literal["argilla", "label-studio"]
For = Annotated[ToolName, typer.Option("--for", help="The tool.")]


@app.command("export")
@with_settings(*BROKER)
def export_pairs(
    settings: "Settings",
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; .json.")],
    tool: For,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only pairs for which it holds, as for `drop`. Repeatable.",
            show_default=False,
        ),
    ] = None,
    refused: Annotated[
        bool,
        typer.Option("--refused", help="Pairs that are not accepted, instead of accepted ones."),
    ] = False,
    count: Annotated[
        int | None, typer.Option("-n", help="How many at most.", min=1, show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write pairs as a file for Argilla or Label Studio.

    Leaves out what a person has decided about. Beside the file, writes what the tool is set up
    with.

    Example: `backstream review export --for label-studio -o tasks.json --where 'score<4.3'`
    """
    from streams.cli.connection import connected
    from streams.data.conditions import all_hold, parse_condition
    from streams.data.decisions import read_decisions
    from streams.data.pairs import kept_pairs, refused_pairs
    from streams.data.review import Tool, write_pairs

    conditions = [parse_condition(one) for one in where or ()]
    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        decided = {one.id for one in read_decisions(cluster) if one.action != "undo"}
        kept = kept_pairs(cluster, lambda _: True)
        pairs = refused_pairs(cluster, lambda _: True, kept) if refused else kept
    chosen = [one for one in pairs if one.id not in decided and all_hold(conditions, one)]
    written = write_pairs(Tool(tool), chosen[:count], output)
    if as_json:
        print(json.dumps({"pairs": written, "file": str(output)}))
    else:
        print(f"{as_count(written, 'pair')} in {output}")


@app.command("import")
@with_settings(*BROKER)
def import_answers(
    settings: "Settings",
    file: Annotated[Path, typer.Argument(help="The file that the tool wrote.")],
    tool: For,
    by: Annotated[
        str | None,
        typer.Option(
            envvar="BACKSTREAM_RATER",
            help="A name in place of those of the tool. [default: the tool's, or your login]",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read what people answered in Argilla or Label Studio.

    The answers become ratings and decisions. Edited texts are an edit, keep or drop is that
    decision, and a rating alone decides as in `rate`. Of several people's answers about a pair, the
    last one in the file counts. The exit code is 3 if something could not be read. Importing the
    same file again writes the same again.

    Example: `backstream review import annotations.json --for label-studio`
    """
    from schemas.errors import DecisionRefused, SourceError, WireError
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.cli.login import login
    from streams.data.decisions import open_decisions
    from streams.data.judging import KEPT, Judging
    from streams.data.pairs import find_pairs
    from streams.data.ratings import open_ratings
    from streams.data.review import Tool, read_answers
    from streams.kafka.topics import DECISIONS, RATINGS

    found = list(read_answers(Tool(tool), file))
    problems = [str(one) for one in found if isinstance(one, SourceError)]
    unread = len(problems)
    answers = [one for one in found if not isinstance(one, SourceError)]
    counts = dict.fromkeys(("rated", "edited", KEPT, "dropped"), 0)
    with connected(settings, RATINGS, DECISIONS) as settings:
        cluster = settings.kafka.cluster()
        pairs = find_pairs(cluster, [one.id for one in answers])
        with open_ratings(cluster) as ratings, open_decisions(cluster) as decisions:
            judging = Judging(ratings, decisions, settings.curation.threshold)
            for answer in answers:
                pair = pairs.get(answer.id)
                if pair is None:
                    problems.append(f"no pair has the id {answer.id}")
                    continue
                try:
                    written = judging.answer(pair, answer, by or answer.by or login())
                except DecisionRefused as error:
                    problems.append(str(error))
                    continue
                except WireError as error:
                    problems.append(f"the answer about {answer.id} was not written: {error}")
                    continue
                for done in written:
                    counts[done] += 1
    for problem in problems:
        notice(problem)
    if as_json:
        print(json.dumps({**counts, "failed": len(problems)}))
    else:
        words = {done: "accepted" if done == KEPT else done for done in counts}
        left_out = f"; {as_count(len(problems), 'answer')} left out" if problems else ""
        print(", ".join(f"{n:,} {words[done]}" for done, n in counts.items()) + left_out)
    end(len(answers) - (len(problems) - unread), len(problems))
