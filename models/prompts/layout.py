"""Templates laid out as token ids for one tokenizer.

Training and inference both call this file, so a model is prompted as it was trained. Text from
outside is encoded with special tokens switched off: ``<|score|>`` or ``</s>`` in a document is
encoded as plain characters, not as a special token.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tokenizers import Tokenizer

from models.prompts.chat import ChatTemplate
from models.prompts.checkpoint_files import (
    line_end_ids,
    opening_ids,
    read_json,
    read_stop_ids,
    read_tokenizer,
)
from models.prompts.exemplars import Exemplar, exemplars
from models.prompts.history import TURNS, in_context, quoted, turn_values
from models.prompts.own.directory import templates_of
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.tasks.rating import DIGITS
from models.prompts.template import (
    BOTH_TAGS,
    FIELDS,
    MARKERS,
    SEED_TAG,
    Family,
    Task,
    Template,
)
from models.prompts.templates import BUILT_IN, Templates
from schemas.errors import ModelError
from schemas.turns import Turn

_PLACEHOLDER = re.compile(rf"\{{((?:{'|'.join(FIELDS)})\d*)\}}")
"""A placeholder of a template. Those of earlier turns end in the turn's number."""
_BETWEEN_SHOTS = "\n\n\n"
_NEXT_SECTION = re.compile(r"\n\n\n|\n###")
_WRAPPED = re.compile(r"(?<=[^\s.:;?!])[^\S\n]*\n(?=[^\W\d]|[`'\"(])")
"""A line end inside a sentence, which goes on with a word, not with an item of a list."""
_CACHED_TEXTS = 1024
"""Texts whose ids are cached: a passage is encoded for its instruction and again for its rating."""
_LONGEST_CACHED = 20_000
"""Characters of a text that is cached."""
_CACHED_SCAFFOLDS = 128
_QUOTED = -1
"""In place of a number of earlier exchanges: they stand in the prompt's own message."""


@dataclass(frozen=True, slots=True)
class Prompter:
    """Lays out the prompts of one checkpoint."""

    tokenizer: Tokenizer
    """Encodes a template's own text, special tokens included."""
    literal: Tokenizer
    """The same vocabulary; encodes special tokens as the characters that spell them."""
    family: Family
    stop_ids: tuple[int, ...]
    """Tokens that end a generation."""
    digit_ids: tuple[int, ...]
    """Tokens of '1' to '5' at the end of a rating prompt."""
    templates: Templates = BUILT_IN
    chat: ChatTemplate | None = None
    system: str = ""
    """System turn of the templates that have none; chat family only. A user's setting."""
    shots: Mapping[Task, tuple[int, ...]] = field(default_factory=dict)
    """Ids before a task's prompt: the token that opens a text, and exemplars. Plain family only."""
    rated: tuple[Exemplar, ...] = ()
    """Pairs with their digits: the earlier turns of a rating prompt. Chat family only, where the
    chat template takes several turns.
    """
    line_ends: frozenset[int] = frozenset()
    """Tokens that contain a newline."""
    _encode_text: Callable[[str], Sequence[int]] = field(init=False, repr=False, compare=False)
    """Ids of a text from outside. Those of short texts are cached."""
    _scaffold: Callable[..., str] = field(init=False, repr=False, compare=False)
    """``_render``, cached: a chat template takes longer to render than a passage to encode."""
    _encode_own: Callable[[str], Sequence[int]] = field(init=False, repr=False, compare=False)
    """Ids of a piece of a template. Cached."""

    def __post_init__(self) -> None:
        def encode(text: str) -> Sequence[int]:
            return tuple(self.literal.encode(text, add_special_tokens=False).ids)

        cached = functools.lru_cache(_CACHED_TEXTS)(encode)

        def encode_text(text: str) -> Sequence[int]:
            return cached(text) if len(text) <= _LONGEST_CACHED else encode(text)

        def encode_own(text: str) -> Sequence[int]:
            return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

        object.__setattr__(self, "_encode_text", encode_text)
        object.__setattr__(self, "_scaffold", functools.lru_cache(_CACHED_SCAFFOLDS)(self._render))
        object.__setattr__(self, "_encode_own", functools.lru_cache(_CACHED_TEXTS)(encode_own))

    @classmethod
    def load(cls, directory: Path, templates: Templates | None = None) -> "Prompter":
        """Read the tokenizer's files and the prompts file of a checkpoint or a release.

        ``templates`` are used in place of those of the directory.

        Raises ModelError where ``tokenizer.json`` is missing, a file cannot be parsed, or the
        tokenizer has no end-of-sequence token or no single token for a digit.
        """
        tokenizer = read_tokenizer(directory)
        literal = Tokenizer.from_str(tokenizer.to_str())
        literal.encode_special_tokens = True
        config = read_json(directory / "tokenizer_config.json")
        chat = ChatTemplate.from_config(config, directory)
        if all(tokenizer.token_to_id(marker) is not None for marker in MARKERS):
            family = Family.MARKERS
        else:
            family = Family.CHAT if chat else Family.PLAIN
        stop_ids = read_stop_ids(tokenizer, config, directory)
        if family is Family.MARKERS:  # a marker opens the next field, so it ends this one
            stop_ids += tuple(tokenizer.token_to_id(marker) for marker in MARKERS)
        unrated = cls(
            tokenizer,
            literal,
            family,
            stop_ids,
            (),
            templates=templates_of(directory) if templates is None else templates,
            chat=chat if family is Family.CHAT else None,
        )
        prompter = replace(unrated, digit_ids=unrated._find_digits())
        prompter = replace(prompter, line_ends=line_end_ids(tokenizer))
        if family is Family.CHAT:
            return prompter._with_earlier_turns()
        if family is not Family.PLAIN:
            return prompter
        return replace(prompter, shots={task: prompter._shots(task) for task in Task})

    @property
    def longest_token(self) -> int:
        """Most characters of a token. Looks at the whole vocabulary."""
        return max(map(len, self.tokenizer.get_vocab()))

    def backward(
        self,
        response: str,
        context: str | None = None,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> list[int]:
        """Prompt ids for the instruction that ``response`` answers, after ``turns``.

        ``headings`` are those above it, outermost first: they often name what it is about. Chat
        family only; other prompts leave them out.
        """
        values = {"response": response, "context": context or "", "heading": heading_line(headings)}
        return self._layout(Task.BACKWARD, values, turns)

    def forward(
        self,
        instruction: str,
        context: str | None = None,
        tag: str = BOTH_TAGS,
        turns: Sequence[Turn] = (),
    ) -> list[int]:
        """Prompt ids for an answer to ``instruction``, after ``turns``.

        Both tags by default, as in the paper.
        """
        values = {"instruction": instruction, "context": context or "", "tag": tag}
        return self._layout(Task.FORWARD, values, turns)

    def layout(self, prompt: Prompt) -> list[int]:
        """Prompt ids of any task but the rating."""
        return self._layout(
            prompt.task, {**dict.fromkeys(FIELDS, ""), **prompt.texts}, prompt.turns
        )

    def option_ids(self, task: Task, options: Sequence[str]) -> list[int]:
        """First tokens of the options of a choice, as they follow a prompt of the task.

        Raises ModelError where two options begin with the same token.
        """
        tail = self.template(task).lead or _PLACEHOLDER.split(self._scaffold(task, False))[-1]
        start = len(self._encode_own(tail))
        ids = [self._encode_own(tail + option)[start] for option in options]
        if len(set(ids)) < len(ids):
            raise ModelError(
                f"this tokenizer begins two of {', '.join(options)} with the same token, so its "
                "model cannot choose between them: choose another model"
            )
        return ids

    def nothing(
        self, task: Task, context: str | None = None, turns: Sequence[Turn] = ()
    ) -> list[int]:
        """Prompt ids of the backward or the forward task with an empty slot.

        What follows it has the likelihood that it has without a response or an instruction.
        """
        if task is Task.BACKWARD:
            return self.backward("", context, turns=turns)
        return self.forward("", context, turns=turns)

    def rating(
        self,
        instruction: str,
        response: str,
        context: str | None = None,
        turns: Sequence[Turn] = (),
    ) -> list[int]:
        """Prompt ids whose next token is one of ``digit_ids``. ``turns`` are those before."""
        values = {
            "instruction": instruction,
            "response": response,
            "context": context or "",
            **self._earlier_values(),
        }
        scaffold, values = self._with_turns(Task.RATING, values, turns)
        rated = self._encode_scaffold(scaffold + DIGITS[0], values)
        return [*self.shots.get(Task.RATING, ()), *rated[:-1]]

    def opening_ids(self, openings: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
        """First tokens of the words of ``openings``, ascending, with the sums of their weights.

        Empty for the ``markers`` family: the house model was not trained to begin with any of them.
        """
        if self.family is Family.MARKERS:
            return ()
        weights: dict[int, float] = {}
        for word, weight in openings.items():
            token = self._encode_text(word)[0]
            weights[token] = weights.get(token, 0.0) + weight
        return tuple(sorted((token, weight) for token, weight in weights.items() if weight > 0))

    def lead_ids(self, lead: str) -> Sequence[int]:
        """Ids of what an answer begins with, after its prompt. Empty for no text."""
        return self._encode_text(lead) if lead else ()

    def target(self, text: str) -> list[int]:
        """Target ids after a prompt: the text and the first stop token."""
        return [*self._encode_text(text), self.stop_ids[0]]

    @property
    def instruction_stop_ids(self) -> frozenset[int]:
        """Tokens that end the generation of an instruction.

        A base model was not trained to stop: for it, they include the ends of lines.
        """
        plain = self.family is Family.PLAIN
        return self.line_stop_ids if plain else frozenset(self.stop_ids)

    @property
    def line_stop_ids(self) -> frozenset[int]:
        """Tokens that end the generation of a single line."""
        return self.line_ends.union(self.stop_ids)

    def instruction(self, ids: Sequence[int], stop: int | None = None) -> str:
        """Text of a generated instruction; ``stop`` is the token that ended it.

        Where a newline token ended it, the text is its first line. A sentence that is wrapped, as
        those of its passage may be, is joined to one line.
        """
        if stop is None or stop not in self.line_ends:
            return _WRAPPED.sub(" ", self.decode([*ids]))
        return self.line(ids, stop)

    def line(self, ids: Sequence[int], stop: int | None = None) -> str:
        """Text of a generated line; ``stop`` is the token that ended it."""
        # The stop token may hold the end of the sentence too: "?\n".
        last = () if stop is None or stop not in self.line_ends else (stop,)
        return self.decode([*ids, *last]).split("\n")[0].strip()

    def text(self, ids: Sequence[int]) -> str:
        """Text of a generated answer of several lines.

        That of a base model, which was not trained to stop, ends where the next section or the
        next exemplar would begin.
        """
        text = self.decode([*ids])
        return _NEXT_SECTION.split(text)[0].strip() if self.family is Family.PLAIN else text

    def decode(self, ids: list[int]) -> str:
        """Text of generated ids, without special tokens or surrounding space."""
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def template(self, task: Task) -> Template:
        """The current template of a task."""
        return self.templates.of(task, self.family)

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template, for provenance."""
        return self.template(task).id_with(self.system if self.chat else "")

    def _layout(self, task: Task, values: dict[str, str], turns: Sequence[Turn]) -> list[int]:
        return [
            *self.shots.get(task, ()),
            *self._encode_scaffold(*self._with_turns(task, values, turns)),
        ]

    def _with_turns(
        self, task: Task, values: dict[str, str], turns: Sequence[Turn]
    ) -> tuple[str, dict[str, str]]:
        """The scaffold of a prompt and the values for it, with earlier turns in their places."""
        if self.chat is None:
            values = {**values, "context": in_context(turns, values["context"])}
            return self._scaffold(task, bool(values["context"])), values
        given, earlier = bool(values["context"]), len(turns) // 2
        if not turns:
            return self._scaffold(task, given), values
        if task is not Task.RATING and TURNS not in self.template(task).choose(values["context"]):
            scaffold = self._scaffold(task, given, earlier)
            if scaffold:
                return scaffold, values | turn_values(turns)
        return self._scaffold(task, given, _QUOTED), {**values, "turns": quoted(turns)}

    def _shots(self, task: Task) -> tuple[int, ...]:
        ids = opening_ids(self.tokenizer)
        for pair, answer in exemplars(task) if self.template(task).shots else ():
            values = {
                "instruction": pair.instruction,
                "response": pair.response,
                "context": "",
                "heading": "",
                "tag": SEED_TAG,
            }
            ids += self._encode_scaffold(
                self._scaffold(task, False) + answer + _BETWEEN_SHOTS, values
            )
        return tuple(ids)

    def _render(self, task: Task, given: bool, earlier: int = 0) -> str:
        """The template's text with its placeholders, in the chat template where there is one.

        ``earlier`` is the number of exchanges before, or _QUOTED. Empty where the chat template
        refuses or drops them.
        """
        template = self.template(task)
        text = template.with_context if given else template.text
        if earlier != _QUOTED:
            text = text.replace(TURNS, "")
        elif TURNS not in text:
            text = TURNS + text
        if self.chat is None:
            return text
        system = template.system or self.system
        if task is not Task.RATING:
            before = [(f"{{instruction{n}}}", f"{{response{n}}}") for n in range(max(0, earlier))]
            try:
                found = self.chat.render(system, text, before)
            except ModelError:
                if not before:
                    raise
                return ""
            wanted = [name[1:-1] for exchange in before for name in exchange]
            said = [name for name in _PLACEHOLDER.findall(found) if name[-1].isdecimal()]
            return found + template.lead if said == wanted else ""
        own = template.text.replace(TURNS, "")
        rated = [
            (_PLACEHOLDER.sub(rf"{{\g<1>{turn}}}", own), template.lead + digit)
            for turn, (_, digit) in enumerate(self.rated)
        ]
        return self.chat.render(system, text, rated) + template.lead

    def _with_earlier_turns(self) -> "Prompter":
        """Add rated pairs as earlier turns of the rating prompt.

        Returns self where the chat template refuses several turns or drops some.
        """
        if not self.template(Task.RATING).shots:
            return self
        prompter = replace(self, rated=tuple(exemplars(Task.RATING)))
        try:
            scaffold = prompter._scaffold(Task.RATING, False)
        except ModelError:
            return self
        numbers = [*map(str, range(len(prompter.rated))), ""]
        placeholders = [
            f"{name}{number}"
            for number in numbers
            for name in _PLACEHOLDER.findall(self.template(Task.RATING).text.replace(TURNS, ""))
        ]
        lead = self.template(Task.RATING).lead
        answered = all(f"{lead}{digit}" in scaffold for _, digit in prompter.rated)
        complete = _PLACEHOLDER.findall(scaffold) == placeholders
        return prompter if complete and answered else self

    def _earlier_values(self) -> dict[str, str]:
        """Values of the placeholders in the earlier turns of a rating prompt."""
        values: dict[str, str] = {}
        for turn, (pair, _) in enumerate(self.rated):
            values |= {f"instruction{turn}": pair.instruction, f"response{turn}": pair.response}
        return values

    def _encode_scaffold(self, scaffold: str, values: dict[str, str]) -> list[int]:
        ids: list[int] = []
        for index, piece in enumerate(_PLACEHOLDER.split(scaffold)):
            if index % 2:
                ids += self._encode_text(values[piece])
            elif piece:
                ids += self._encode_own(piece)
        return ids

    def _find_digits(self) -> tuple[int, ...]:
        scaffold = self._scaffold(Task.RATING, False)
        tail = _PLACEHOLDER.split(scaffold)[-1]
        encoded = [
            self.tokenizer.encode(tail + digit, add_special_tokens=False).ids for digit in DIGITS
        ]
        digits = tuple(ids[-1] for ids in encoded)
        if len(set(digits)) < len(DIGITS) or len({tuple(ids[:-1]) for ids in encoded}) > 1:
            raise ModelError(
                "this tokenizer has no single token for each of the digits 1 to 5 after "
                f"{tail[-20:]!r}, so its model cannot rate: choose another model"
                + (", or end the rating prompt otherwise" if self.template(Task.RATING).set else "")
            )
        return digits
