"""Agents around generators and filters of other packages.

Whatever such code returns or raises, a record ends in one of the ways that the project's own agents
know: candidates, a rejection, or an error of which the harness knows what to do.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Protocol

from agents.outcomes import Outcome
from agents.plugin import Checks, Draft, Generates
from agents.refusal import Refusal
from models.serving.model_handle import ModelHandle
from schemas.errors import BackstreamError, PluginError, RemoteUnavailable, StateUnavailable
from schemas.ids import example_id
from schemas.records import Candidate, Offset, Provenance, Rejection, Segment

_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_DRAFTS = 64


class Generating:
    """A record → Candidates and Rejections, by a generator."""

    def __init__(
        self, name: str, version: str, generator: Generates, handle: ModelHandle | None = None
    ) -> None:
        """``name`` is its stage. ``handle`` is that of the model that it uses."""
        self._name = name
        self._version = version
        self._generator = generator
        self._handle = handle

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """Make candidates of what the generator drafts of a record.

        Raises PluginError for an error of its code, and errors of the model.
        """
        try:
            drafts = await self._generator.generate(record)
        except (BackstreamError, asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # another's code raises anything, SystemExit too
            raise PluginError(f"the agent {self._name} failed: {error!r}") from error
        if not isinstance(drafts, Sequence) or len(drafts) > _MOST_DRAFTS:
            raise PluginError(
                f"the agent {self._name} returned no list of at most {_MOST_DRAFTS}: {drafts!r:.80}"
            )
        if not drafts:
            return [self.refuse(record, "nothing_made", "the agent made nothing of it")]
        return [self._outcome(record, number, each) for number, each in enumerate(drafts)]

    async def probe(self) -> None:
        """See whether the model works, if there is one. Raises EngineError where it does not."""
        if self._handle is not None:
            await self._handle.probe()

    def _outcome(self, record: Any, number: int, made: object) -> Outcome:
        if isinstance(made, Refusal):
            return self.refuse(record, _reason(self._name, made), str(made.detail))
        if not isinstance(made, Draft):
            raise PluginError(f"the agent {self._name} returned {made!r:.80}, which is no Draft")
        release, template = made.release or f"{self._name}-{self._version}", made.template
        request = request_of(self._name, record.id)
        passage = record if isinstance(record, Segment) else None
        try:
            return Candidate(
                id=example_id(request, release, template, number),
                instruction=made.instruction,
                context=made.context,
                response=made.response,
                turns=getattr(record, "turns", ()),
                provenance=Provenance(
                    source=record.source,
                    document_id=passage.document_id if passage else "",
                    document_at=passage.document_at if passage else None,
                    headings=passage.headings if passage else (),
                    language=passage.language if passage else None,
                    generator=self._name,
                    request_id=request,
                    release=release,
                    template=template,
                    sample=number,
                ),
            )
        except ValueError as error:  # a text that is empty, or no text
            raise PluginError(f"the agent {self._name} drafted no example: {error}") from error

    def refuse(self, record: Any, reason: str, detail: str) -> Rejection:
        """A rejection of a record by this stage."""
        return Rejection(
            id=record.id,
            stage=self._name,
            reason=reason,
            detail=detail,
            document_id=getattr(record, "document_id", ""),
            request_id=request_of(self._name, record.id),
        )


class Inner(Protocol):
    """The agent behind filters."""

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """What follows from a record."""


class Filtering:
    """An agent of a stage, behind filters."""

    def __init__(self, stage: str, inner: Inner, filters: Sequence[tuple[str, Checks]]) -> None:
        """``filters`` are named; the first one that refuses decides."""
        self._stage = stage
        self._inner = inner
        self._filters = filters

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """Refuse a record, or let the agent handle it. Raises PluginError and what it raises."""
        for name, checks in self._filters:
            refusal = await self._checked(name, checks, record)
            if refusal is not None:
                reason = f"{name}.{_reason(name, refusal)}"
                if isinstance(self._inner, Generating):
                    return [self._inner.refuse(record, reason, str(refusal.detail))]
                return [record.refuse(self._stage, reason, str(refusal.detail))]
        return await self._inner.handle(record, at)

    async def probe(self) -> None:
        """Use what the agent depends on, if it depends on anything."""
        if (probe := getattr(self._inner, "probe", None)) is not None:
            await probe()

    async def _checked(self, name: str, checks: Checks, record: Any) -> Refusal | None:
        try:
            refusal = await asyncio.to_thread(checks.check, record)
        except (StateUnavailable, RemoteUnavailable, asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginError(f"the filter {name} failed: {error!r}") from error
        if refusal is not None and not isinstance(refusal, Refusal):
            raise PluginError(f"the filter {name} returned {refusal!r:.80}, which is no Refusal")
        return refusal


def request_of(agent: str, id: str) -> str:
    """What an agent's candidates and rejections name as the request that they were made from.

    Not the record's id alone: the project's own stage makes candidates of the same record, and each
    of the two is to account for it.
    """
    return f"{agent}/{id}"


def _reason(name: str, refusal: Refusal) -> str:
    if not _REASON.fullmatch(str(refusal.reason)):
        raise PluginError(
            f"the agent {name} refused with the reason {refusal.reason!r:.60}: a reason is a word "
            "of lower-case letters, digits and _"
        )
    return refusal.reason
