"""The form of an edit: which texts a person changed, and which somebody else changed meanwhile."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import QueryError
from schemas.ruling import Texts
from streams.page.store.item_views import Item

_MARK_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Edit:
    """What a form asks for."""

    changed: Mapping[str, str]
    """The texts that the person changed, by field. They differ from those that the pair has now."""
    conflicts: Mapping[str, str]
    """Of the changed fields those that somebody else changed too, with the texts there are now."""
    texts: Mapping[str, str]
    """All three texts as they would be."""


def read_edit(form: Mapping[str, str], now: Texts) -> Edit:
    """Compare a form with the texts that a pair has now.

    The field ``began_NAME`` has the mark of the text that the form began with. Without it, the
    form began with the text that there is now. Raises QueryError where a text is missing.
    """
    changed, conflicts, texts = dict[str, str](), dict[str, str](), dict[str, str]()
    for name in ("instruction", "context", "response"):
        there = getattr(now, name) or ""
        typed = _as_sent(form.get(name, ""))
        began = form.get(f"began_{name}", text_mark(there))
        texts[name] = there
        if text_mark(typed) in (began, text_mark(there)):
            continue
        changed[name] = texts[name] = typed
        if began != text_mark(there):
            conflicts[name] = there
    if not texts["instruction"].strip() or not texts["response"].strip():
        raise QueryError("an instruction and a response are needed: drop the pair instead")
    return Edit(changed, conflicts, texts)


def text_mark(text: str | None) -> str:
    """A digest of a text, the same before and after a browser has sent it."""
    sent = _as_sent(text or "").encode(errors="replace")
    return hashlib.sha256(sent).hexdigest()[:_MARK_CHARACTERS]


def state_mark(item: Item) -> str:
    """A digest of what people have said about an item: their decision and their rating."""
    return text_mark(repr((item.decision, item.by, item.human_score)))


def _as_sent(text: str) -> str:
    """A text as a form has it. A browser sends ends of lines as CR LF, and NUL as U+FFFD."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").strip()
