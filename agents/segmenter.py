"""The segmenter agent: cuts a document into passages, each the text under one heading."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from agents.passages.combining import combine
from agents.passages.filters import TOO_SHORT, Limits, refuse
from agents.passages.headings import HeadingRules
from agents.passages.html import read_html
from agents.passages.language import language_of
from agents.passages.leaning import refuse_leaning, without_asides, without_last_lead
from agents.passages.length import density_of, length_of
from agents.passages.markdown import block_parser, read_markdown
from agents.passages.navigation import NAVIGATION
from agents.passages.neighbours import neighbours
from agents.passages.notices import LICENCE, refuse_notice, without_stamps
from agents.passages.packing import pack
from agents.passages.plaintext import read_plain_text
from agents.passages.replies import ReplyLimits, read_replies
from agents.passages.sections import Section
from agents.refusal import Refusal
from schemas.conversations import NotAConversation
from schemas.ids import refused_parts_id, segment_id
from schemas.records import Document, Offset, Rejection, Segment
from schemas.text.media_types import CONVERSATION
from schemas.turns import History


@dataclass(frozen=True, slots=True)
class SegmenterSettings:
    """Limits of a passage. The lengths are those of arXiv 2308.06259, by ``length_of``."""

    min_characters: int = 600
    max_characters: int = 3000
    max_repetition: float = 0.3
    """Largest fraction of a passage's sentences that may repeat an earlier one, 0 to 1."""
    refused_headings: tuple[str, ...] = NAVIGATION
    """Headings whose text is refused, with that of their subsections."""
    capital_words: int = 3
    """Fewest words of a heading in capitals that is refused; 0 to refuse none."""
    capital_share: float = 0.3
    """Share of a document's headings in capitals above which they pass, 0 to 1."""
    min_reply_characters: int = 200
    """Fewest characters of a reply in a conversation."""
    max_history_characters: int = 12_000
    """Most characters of what was said before the message that a reply answers."""


class Passage(NamedTuple):
    """A passage of a document, and why it is refused."""

    headings: tuple[str, ...]
    """The headings above it, outermost first."""
    text: str
    refusal: Refusal | None
    """None where it passes."""
    turns: History = ()
    """What was said before, where it is a reply in a conversation."""


class Segmenter:
    """Document → a Segment for each passage, or each reply of a conversation; or a Rejection."""

    stage = "segmenter"

    def __init__(self, settings: SegmenterSettings | None = None) -> None:
        settings = settings or SegmenterSettings()
        self._limits = Limits(
            settings.min_characters, settings.max_characters, settings.max_repetition
        )
        self._reply_limits = ReplyLimits(
            self._limits, settings.min_reply_characters, settings.max_history_characters
        )
        self._headings = HeadingRules(
            settings.refused_headings, settings.capital_words, settings.capital_share
        )
        self._markdown = block_parser()

    async def handle(
        self, document: Document, at: Offset | None = None
    ) -> list[Segment | Rejection]:
        """Return each passage of ``document`` as a Segment or a Rejection, in order.

        A passage that occurs twice in the document is returned once. Passages that are too short
        share one rejection, at the end. A document without any passage is rejected itself, with the
        reason ``no_passage``, so the list is never empty. ``at`` is the document's position on its
        topic. Computes without a pause: some microseconds for each character.
        """
        outcomes: dict[str, Segment | Rejection] = {}
        short: set[str] = set()
        try:
            passages = self.passages(document)
        except NotAConversation as error:
            return [_reject_whole(document, "not_a_conversation", str(error))]
        around = neighbours([passage.headings for passage in passages])
        for position, (headings, text, refusal, turns) in enumerate(passages):
            if refusal and refusal.reason == TOO_SHORT:
                short.add(text)
                continue
            id = segment_id(text, document.context, [turn.text for turn in turns])
            if id in outcomes:
                continue
            if refusal:
                outcomes[id] = _reject(id, refusal, document)
            else:
                outcomes[id] = Segment(
                    id=id,
                    document_id=document.id,
                    source=document.source,
                    document_at=at,
                    position=position,
                    headings=headings,
                    text=text,
                    context=document.context,
                    language=language_of(text),
                    turns=turns,
                    neighbours=around[position],
                )
        if short:
            together = self._reject_short(short, document)
            outcomes[together.id] = together
        if not outcomes:
            detail = f"no readable text in {document.media_type} of {len(document.text):,}"
            return [_reject_whole(document, "no_passage", f"{detail} characters")]
        return list(outcomes.values())

    def _reject_short(self, texts: Collection[str], document: Document) -> Rejection:
        least, most = min(map(length_of, texts)), max(map(length_of, texts))
        of_replies = document.media_type == CONVERSATION
        limits = self._reply_limits if of_replies else self._limits
        found = (
            f"{len(texts):,} passages of {least:,} to {most:,}"
            if len(texts) > 1
            else f"a passage of {most:,}"
        )
        return Rejection(
            id=refused_parts_id(document.id, TOO_SHORT),
            stage=Segmenter.stage,
            reason=TOO_SHORT,
            detail=f"{found} characters; at least {limits.min_characters:,} are wanted",
            count=len(texts),
            document_id=document.id,
        )

    def passages(self, document: Document) -> list[Passage]:
        """Every passage of a document, refused ones included, in order.

        Raises NotAConversation where the document should be one.
        """
        if document.media_type == CONVERSATION:
            above = (document.title,) if document.title else ()
            return [
                Passage(above, reply, refusal, turns)
                for turns, reply, refusal in read_replies(document.text, self._reply_limits)
            ]
        sections = list(self._sections(document))
        capitals = self._headings.capitals(
            section.headings[-1] for section in sections if section.headings
        )
        joined = combine(
            sections,
            self._limits.min_characters,
            self._limits.max_characters,
            lambda section: self._stands(section, capitals),
            titled=bool(document.title),
        )
        found = [
            passage
            for section in joined
            for passage in self._cut(section, self._headings.refuse(section.headings, capitals))
        ]
        return _without_licence(found)

    def _stands(self, section: Section, capitals: float) -> bool:
        """Whether a section may be joined with others: nothing but its length is against it."""
        text = "\n\n".join(section.blocks)
        return not (
            self._headings.refuse(section.headings, capitals)
            or refuse_notice(text)
            or refuse_leaning(text, section.headings, first=True)
        )

    def _cut(self, section: Section, refused: Refusal | None) -> Iterator[Passage]:
        """The passages of a section, all of them refused where its heading is."""
        density = density_of(section.blocks)
        shortest = round(self._limits.min_characters / density)
        longest = max(1, int(self._limits.max_characters / density))
        for number, packed in enumerate(pack(section.blocks, shortest, longest)):
            text = without_last_lead(without_stamps(without_asides(packed)))
            refusal = (
                refused
                or refuse(text, self._limits)
                or refuse_notice(text)
                or refuse_leaning(text, section.headings, first=not number)
            )
            yield Passage(section.headings, text, refusal)

    def _sections(self, document: Document) -> Iterator[Section]:
        match document.media_type:
            case "text/html":
                return read_html(document.text, document.title)
            case "text/markdown":
                return read_markdown(document.text, self._markdown, document.title)
            case _:
                return read_plain_text(document.text, document.title)


def _without_licence(passages: list[Passage]) -> list[Passage]:
    """Refuse every passage of a document that is mostly a licence."""
    licence = sum(
        len(passage.text)
        for passage in passages
        if passage.refusal and passage.refusal.reason == LICENCE
    )
    if licence * 2 <= sum(len(passage.text) for passage in passages):
        return passages
    why = Refusal(LICENCE, "most of the document is a licence")
    return [passage if passage.refusal else passage._replace(refusal=why) for passage in passages]


def _reject_whole(document: Document, reason: str, detail: str) -> Rejection:
    return Rejection(
        id=document.id,
        stage=Segmenter.stage,
        reason=reason,
        detail=detail,
        document_id=document.id,
    )


def _reject(id: str, refusal: Refusal, document: Document) -> Rejection:
    return Rejection(
        id=id,
        stage=Segmenter.stage,
        reason=refusal.reason,
        detail=refusal.detail,
        document_id=document.id,
        segment_id=id,
    )
