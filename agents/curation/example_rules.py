"""The rules that look at one example alone."""

from collections.abc import Iterator

from agents.curation.benchmarks import contaminations
from agents.curation.faithfulness import unfaithful
from agents.curation.identifiers import unknown_identifiers
from agents.curation.instruction_rules import InstructionRules
from agents.curation.leakage import leaks
from agents.curation.named_files import read_benchmark, read_word_list
from agents.curation.personal_data import find_personal_data, masked
from agents.curation.settings import CuratorSettings
from agents.curation.word_list import toxic
from agents.refusal import Refusal
from schemas.records import Candidate
from schemas.turns import History

ANSWERER = "answerer"
"""The stage that answers questions: ``Provenance.generator``."""


class ExampleRules:
    """The rules with their limits, and with the files that the settings name."""

    def __init__(self, settings: CuratorSettings | None = None) -> None:
        """Read the files. Raises SettingsError where one cannot be read."""
        self.settings = settings = settings or CuratorSettings()
        self._instruction_rules = InstructionRules(settings)
        self._benchmarks = tuple(map(read_benchmark, settings.benchmarks))
        self._toxic = read_word_list(settings.toxic_words) if settings.toxic_words else None

    def masked(self, candidate: Candidate) -> Candidate:
        """The candidate with its personal data masked, where the settings ask for it."""
        if self.settings.personal_data != "mask" or not self.settings.rules.personal_data:
            return candidate
        changed: dict[str, object] = {
            name: hidden
            for name in ("instruction", "context", "response")
            if (text := getattr(candidate, name)) and (hidden := masked(text)) != text
        }
        changed.update(_masked_turns(candidate.turns))
        made = candidate.provenance
        if made.original and (hidden := masked(made.original.response)) != made.original.response:
            original = made.original.model_copy(update={"response": hidden})
            changed["provenance"] = made.model_copy(update={"original": original})
        return candidate.model_copy(update=changed) if changed else candidate

    def refusals(self, candidate: Candidate) -> Iterator[Refusal]:
        """Every refusal of a candidate, whatever its rating. Rules that are off refuse too."""
        instruction, response, context = (
            candidate.instruction,
            candidate.response,
            candidate.context,
        )
        said = [turn.text for turn in candidate.turns]
        settings, passage = self.settings, candidate.provenance
        if refusal := settings.refuse_language(passage.language):
            yield refusal
        # A question was asked by its user.
        invented = not passage.segment_id and passage.generator != ANSWERER
        yield from self._instruction_rules.refusals(
            instruction, invented=invented, turns=candidate.turns
        )
        yield from leaks(instruction, response)
        if passage.segment_id:
            known = (response, context or "", *said, *passage.headings, passage.source)
            yield from unknown_identifiers(instruction, *known)
        if settings.personal_data == "refuse":
            for name, text in (
                ("instruction", instruction),
                ("context", context),
                ("response", response),
                *(("earlier turns", text) for text in said),
            ):
                if text and (found := find_personal_data(text)):
                    yield Refusal("personal_data", f"{found[0].kind} in the {name}")
        yield from toxic(self._toxic, instruction, context, response, *said)
        yield from unfaithful(response, context, settings.faithfulness)
        yield from contaminations(self._benchmarks, instruction, context, response, *said)


def _masked_turns(turns: History) -> dict[str, History]:
    """The changed turns as a field; empty where none has personal data."""
    hidden = tuple(turn.model_copy(update={"text": masked(turn.text)}) for turn in turns)
    return {"turns": hidden} if hidden != turns else {}
