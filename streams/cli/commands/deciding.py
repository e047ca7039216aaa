"""Commands by which people decide about pairs: drop, accept, edit, undo, decisions."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import BROKER, By, Json, with_settings

if TYPE_CHECKING:
    from schemas.records import Decision
    from streams.settings import Settings

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        help="Example ids, or beginnings of 4 characters or more that only one has.",
        show_default=False,
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Instead of ids: a condition such as 'score<3.5', source=notes/a.md or "
        "text~warranty. Given several times, all must hold.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Note = Annotated[str, typer.Option(help="Why.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (drop, accept, edit, undo, decisions):
        app.command()(command)


@with_settings(*BROKER)
def drop(
    settings: "Settings",
    ids: Ids = None,
    where: Where = None,
    yes: Yes = False,
    by: By = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Remove examples from the curated set, and keep them out.

    A dropped example does not come back when another release rates it. With --where, says how many
    accepted examples satisfy the conditions, and asks. Fields: id, score, release, confidence,
    source, document, segment, generator, language, category, origin, instruction, context,
    response, text (all three), words (of the response), by (who decided). Workers do what is
    decided; without one it is done when the next one starts.

    Example: `backstream drop --where 'score<4.2' --where source~changelog`
    """
    from streams.cli.deciding import decide

    decide(settings, "drop", ids, where, yes, by, note, as_json)


@with_settings(*BROKER)
def accept(
    settings: "Settings",
    ids: Ids = None,
    where: Where = None,
    yes: Yes = False,
    by: By = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Keep pairs, against any rule or rating.

    An accepted pair stays when another release rates it low. With --where, says how many rated
    pairs that are not accepted satisfy the conditions, which are those of `drop`, and asks.

    Example: `backstream accept ID --note 'short, but right'`
    """
    from streams.cli.deciding import decide

    decide(settings, "accept", ids, where, yes, by, note, as_json)


@with_settings(*BROKER)
def edit(
    settings: "Settings",
    id: Annotated[str, typer.Argument(help="An example id.")],
    instruction: Annotated[
        str | None, typer.Option(help="The new instruction.", show_default=False)
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(help="The new context; empty for none.", show_default=False),
    ] = None,
    response: Annotated[
        str | None, typer.Option(help="The new response.", show_default=False)
    ] = None,
    by: By = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Keep a pair with other texts.

    Without one of the texts, opens the pair in $VISUAL or $EDITOR. The edited pair stays when
    another release rates it; its rating is that of the texts before the edit.

    Example: `backstream edit ID --instruction 'How do I restore a backup?'`
    """
    from streams.cli.deciding import change

    texts = {"instruction": instruction, "context": context, "response": response}
    change(settings, id, texts, by, note, as_json)


@with_settings(*BROKER)
def undo(
    settings: "Settings",
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Example ids. [default: your last decision]", show_default=False),
    ] = None,
    where: Where = None,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Take decisions back.

    Without an id, takes back the newest decision with your name that counts. With --where, says how
    many decisions that count are about pairs that satisfy the conditions, which are those of
    `drop`, and asks: `by=ada` are all of a person. What was decided about a pair before is not
    restored.

    Example: `backstream undo`
    """
    from streams.cli.deciding import take_back

    take_back(settings, ids, where, yes, by, as_json)


@with_settings(*BROKER)
def decisions(
    settings: "Settings",
    by: Annotated[
        str | None, typer.Option(help="Only those of this person.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List what people decided, who and when.

    The newest decision of each pair, oldest first; also one that was undone. With --json, an object
    a line with the pair and its texts.

    Example: `backstream decisions --by ada`
    """
    from streams.cli.connection import connected
    from streams.cli.console import notice, printable
    from streams.data.decisions import read_decisions

    with connected(settings) as settings:
        made = read_decisions(settings.kafka.cluster())
    made = sorted((one for one in made if by is None or one.by == by), key=lambda one: one.at)
    for one in made:
        if as_json:
            print(one.model_dump_json())
            continue
        text = printable(one.candidate.ruled(one.ruling).instruction)[:60]
        note = f" ({printable(one.ruling.note)})" if one.ruling.note else ""
        who = printable(one.by) or "unknown"
        print(f"{_time_of(one)}  {who:<10}  {one.action:<6}  {one.id}  {text}{note}")
    if not made:
        notice(
            "nobody has decided anything yet"
            if by is None
            else f"no newest decision of a pair is by {printable(by) or 'a person without a name'}"
        )


def _time_of(decision: "Decision") -> str:
    return datetime.fromtimestamp(decision.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
