"""What the commands by which people decide have in common."""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn

import typer

from agents.figures import as_score
from schemas.errors import SettingsError
from schemas.records import Candidate, Decision
from schemas.ruling import Action
from streams.cli.connection import connected
from streams.cli.console import notice, printable
from streams.cli.editor import edited
from streams.cli.exit_codes import end
from streams.cli.login import login
from streams.cli.usage import WrongUsage
from streams.data.conditions import Condition, all_hold, parse_condition
from streams.data.decisions import (
    Pair,
    candidate_of,
    last_of,
    open_decisions,
    pair_of,
    read_decisions,
)
from streams.data.pairs import find_pairs, kept_pairs, refused_pairs
from streams.data.short_ids import FEWEST, whole_ids
from streams.kafka.cluster import Cluster
from streams.kafka.topics import DECISIONS
from streams.quantities import as_count
from streams.settings import Settings

_SHOWN = 5
_PARTS = ("instruction", "context", "response")
_FEWEST_DASHES = "---"
_DONE = {"drop": "dropped", "accept": "accepted", "edit": "edited", "undo": "undone"}


def decide(
    settings: Settings,
    action: Action,
    ids: Sequence[str] | None,
    where: Sequence[str] | None,
    yes: bool,
    by: str | None,
    note: str,
    as_json: bool,
) -> None:
    """Drop or accept pairs, by their ids or by conditions.

    Raises SettingsError, BrokerError, and typer's exceptions for a wrong use.
    """
    _refuse_both(ids, where)
    if not ids and not where:
        raise WrongUsage(f"give ids to {action}, or conditions with --where")
    conditions = [parse_condition(one) for one in where or ()]
    me = name_of(by)
    with connected(settings, DECISIONS) as settings:
        cluster = settings.kafka.cluster()
        pairs = found(cluster, ids) if ids else _matching(cluster, action, conditions)
        known = read_decisions(cluster)
        before = _made_before(known, action, me, note, {pair.id for pair in pairs}, conditions)
        pairs = [pair for pair in pairs if pair.id not in before]
        if where:
            which = "accepted pair" if action == "drop" else "refused pair"
            if not pairs and not before:
                _none_satisfies(which, where)
            if pairs:
                _confirm(action, pairs, which, yes, as_json)
        with _printed(as_json) as made, open_decisions(cluster) as writer:
            write = writer.drop if action == "drop" else writer.accept
            for pair in pairs:
                made.append(write(pair, me, note))
    _say_before(action, before, me)


def take_back(
    settings: Settings,
    ids: Sequence[str] | None,
    where: Sequence[str] | None,
    yes: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Undo decisions, by the ids of the pairs or by conditions; without either, the last one.

    Raises SettingsError, BrokerError, and typer's exceptions for a wrong use, or where no decision
    counts.
    """
    _refuse_both(ids, where)
    conditions = [parse_condition(one) for one in where or ()]
    me = name_of(by)
    with connected(settings, DECISIONS) as settings:
        cluster = settings.kafka.cluster()
        known = read_decisions(cluster)
        if not ids and not conditions:
            last = last_of(known, me)
            if last is None:
                notice(f"there is no decision of {me or 'yours'} to take back")
                raise typer.Exit(1)
            ids = [last.id]
        meant = one_meant(ids or (), {one.id for one in known})
        ids = [meant.get(id, id) for id in ids or ()]
        before = _made_before(known, "undo", me, "", ids, conditions)
        if where:
            decided = (pair_of(one) for one in known if one.action != "undo")
            pairs = [pair for pair in decided if all_hold(conditions, pair)]
            if not pairs and not before:
                _none_satisfies("decision that counts", where)
            if pairs:
                _confirm("undo", pairs, "decision", yes, as_json)
            ids = [pair.id for pair in pairs]
        without = list[str]()
        with _printed(as_json) as made, open_decisions(cluster) as writer:
            for id in dict.fromkeys(ids):
                if id in before:
                    continue
                decision = writer.undo(id, me)
                if decision is None:
                    without.append(id)
                else:
                    made.append(decision)
    _say_before("undo", before, me)
    for id in without:
        notice(f"no decision about {id} counts: `backstream decisions` lists those that do")
    end(len(made) + len(before), len(without))


def change(
    settings: Settings,
    id: str,
    texts: Mapping[str, str | None],
    by: str | None,
    note: str,
    as_json: bool,
) -> None:
    """Edit a pair; in the user's editor where no text is given.

    Raises SettingsError, BrokerError, and typer's exceptions for a wrong use.
    """
    me = name_of(by)
    with connected(settings, DECISIONS) as settings:
        cluster = settings.kafka.cluster()
        [pair] = found(cluster, [id])
        known = {one.id: one for one in read_decisions(cluster)}.get(pair.id)
        now = candidate_of(pair_of(known) if known else pair)  # workers may not have done it yet
        given = {name: text for name, text in texts.items() if text is not None}
        given = given or edited_in_editor(now)
        for name in ("instruction", "response"):
            if not given.get(name, "-").strip():
                raise typer.BadParameter(f"the {name} is empty", param_hint=f"--{name}")
        is_as_given = all((getattr(now, name) or "") == text for name, text in given.items())
        if known is not None and is_as_given and _is_same(known, "edit", me, note):
            return _say_before("edit", {pair.id}, me)
        with _printed(as_json) as made, open_decisions(cluster) as writer:
            made.append(writer.edit(pair, me, **given, note=note))
    return None


def found(cluster: Cluster, ids: Sequence[str]) -> list[Pair]:
    """The pairs with these ids, or whose ids alone begin so.

    Raises SettingsError where an id is unknown or may mean several, and BrokerError.
    """
    pairs = find_pairs(cluster, ids)
    meant = one_meant(ids, pairs)
    if unknown := [id for id in ids if id not in meant]:
        raise SettingsError(
            f"no pair has the id {unknown[0]}"
            + (f", nor {as_count(len(unknown) - 1, 'other')}" if unknown[1:] else "")
            + ": `backstream tail --from-beginning` and exports show ids, of which "
            f"{FEWEST} characters or more are enough where they are of one pair; "
            "nothing was decided"
        )
    return [pairs[id] for id in dict.fromkeys(meant[id] for id in ids)]


def one_meant(ids: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """The known id that each of ``ids`` means; those that mean none are missing.

    Raises SettingsError where one means several.
    """
    found = whole_ids(ids, known)
    for id, whole in found.items():
        if len(whole) > 1:
            raise SettingsError(
                f"{as_count(len(whole), 'pair')} have ids that begin with {id}, such as "
                f"{' and '.join(whole[:2])}: give more of it; nothing was decided"
            )
    return {id: whole[0] for id, whole in found.items() if whole}


def name_of(by: str | None) -> str:
    """The given name, or else the login; empty where the user has none."""
    return login() if by is None else by


def _refuse_both(ids: Sequence[str] | None, where: Sequence[str] | None) -> None:
    if ids and where:
        raise WrongUsage("ids and --where are both given: give only one of them")


def _is_same(known: Decision, action: Action, me: str, note: str) -> bool:
    return (known.action, known.by, known.ruling.note) == (action, me, note)


def _made_before(
    known: Sequence[Decision],
    action: Action,
    me: str,
    note: str,
    ids: Collection[str],
    conditions: Sequence[Condition],
) -> set[str]:
    """Which pairs were decided about just so, as by the same command that was interrupted.

    They are among those with the ids, or satisfy the conditions where there are any.
    """
    made = [one for one in known if _is_same(one, action, me, note)]
    return {
        one.id
        for one in made
        if one.id in ids or (conditions and all_hold(conditions, pair_of(one)))
    }


@contextmanager
def _printed(as_json: bool) -> Iterator[list[Decision]]:
    """A list of what is written, which is printed at the end, also after an error or Ctrl-C."""
    made = list[Decision]()
    try:
        yield made
    finally:
        if made:
            _print_decisions(made, as_json)


def _say_before(action: Action, before: Collection[str], me: str) -> None:
    """Say of which pairs nothing had to be written."""
    if before:
        what = f"{next(iter(before))} was" if len(before) == 1 else f"{len(before):,} pairs were"
        notice(f"{what} {_DONE[action]}{f' by {printable(me)}' if me else ''} before")


def _print_decisions(made: Sequence[Decision], as_json: bool) -> None:
    if as_json:
        for one in made:
            print(json.dumps({"id": one.id, "action": one.action, "by": one.by, "at": one.at}))
        return
    who = f" by {printable(made[0].by)}" if made[0].by else ""
    what = made[0].id if len(made) == 1 else as_count(len(made), "pair")
    print(f"{what}: {_DONE[made[0].action]}{who}")


def edited_in_editor(candidate: Candidate) -> dict[str, str]:
    """The texts of a pair after the user's editor. Raises SettingsError and typer.Exit."""
    if not sys.stdin.isatty():
        raise SettingsError("without a terminal, give --instruction, --context or --response")
    before = {name: getattr(candidate, name) or "" for name in _PARTS}
    dashes = _dashes(before.values())
    text = "".join(f"{_heading(name, dashes)}\n{before[name]}\n" for name in _PARTS)
    after = parse_edited(edited(text), dashes)
    if after == {name: part.strip() for name, part in before.items()}:
        notice("nothing was changed, so nothing was decided")
        raise typer.Exit(1)
    return after


def parse_edited(text: str, dashes: str = _FEWEST_DASHES) -> dict[str, str]:
    """The texts below the three headings. Raises SettingsError where one is not there."""
    rest, parts = text, dict[str, str]()
    for name in reversed(_PARTS):
        rest, heading, below = rest.rpartition(f"{_heading(name, dashes)}\n")
        if not heading:
            raise SettingsError(
                f"the line {_heading(name, dashes)!r} is gone: edit again, and leave it"
            )
        parts[name] = below.strip()
    return {name: parts[name] for name in _PARTS}


def _heading(name: str, dashes: str) -> str:
    return f"{dashes} {name} {dashes}"


def _dashes(texts: Collection[str]) -> str:
    """Dashes for headings that are in none of the texts."""
    dashes = _FEWEST_DASHES
    while any(_heading(name, dashes) in text for name in _PARTS for text in texts):
        dashes += "-"
    return dashes


def _matching(cluster: Cluster, action: Action, conditions: Sequence[Condition]) -> Sequence[Pair]:
    def wanted(pair: Pair) -> bool:
        return all_hold(conditions, pair)

    if action == "drop":
        return kept_pairs(cluster, wanted)
    return refused_pairs(cluster, wanted, kept_pairs(cluster, lambda _: True))


def _none_satisfies(what: str, where: Sequence[str]) -> NoReturn:
    notice(f"no {what} satisfies {' and '.join(where)}")
    raise typer.Exit(1)


def _confirm(action: Action, pairs: Sequence[Pair], which: str, yes: bool, as_json: bool) -> None:
    count = as_count(len(pairs), which)
    if not as_json:
        print(f"{count}, such as:")
        for pair in pairs[:_SHOWN]:
            score = as_score(pair.rating.score) if pair.rating else "seed"
            print(f"  {score}  {pair.id}  {printable(candidate_of(pair).instruction)[:70]}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(f"{count}: without a terminal, add --yes to {action} them")
    if not typer.confirm(f"{action} them?"):
        notice("nothing was decided")
        raise typer.Exit(1)
