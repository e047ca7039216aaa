"""Templates laid out as token ids for one tokenizer.

Both training and inference call this file, so a model is asked exactly what it was taught. Text
from outside is encoded with special tokens switched off: a document that contains ``<|score|>`` or
``</s>`` is text, never an instruction.
"""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.prompts.exemplars import Exemplar, exemplars
from models.prompts.templates import (
    BOTH_TAGS,
    DIGITS,
    MARKERS,
    SEED_TAG,
    Family,
    Task,
    Template,
    template_for,
)
from schemas.errors import ModelError

_SLOT = re.compile(r"\{((?:context|response|instruction|tag)\d*)\}")
"""A slot; those of earlier turns are numbered."""
_RATING_LEAD = "Score: "
_BETWEEN_SHOTS = "\n\n\n"
_LINE_END = re.compile("\n|\u010a|^<0x0A>$")
_DATE = date(2024, 7, 26)
"""What a chat template that asks is told: a prompt must not differ from one day to the next, or a
replay would too.
"""
_REMEMBERED = 1024
"""Texts whose ids are kept: a passage is read for its instruction, and soon again for its
rating.
"""


@dataclass(frozen=True, slots=True)
class Prompter:
    """Lays out the prompts of one checkpoint.

    ``stop_ids`` end a generation; ``digit_ids`` are the tokens of '1' to '5' where a rating is
    read.
    """

    tokenizer: Tokenizer
    """Reads the scaffold of a template, special tokens included."""
    literal: Tokenizer
    """The same vocabulary; reads special tokens as the characters that they are spelt with."""
    family: Family
    stop_ids: tuple[int, ...]
    digit_ids: tuple[int, ...]
    chat: "ChatLayout | None" = None
    system: str = ""
    """System turn of backward and rating prompts, for the chat family; the user's own, so none by
    default.
    """
    shots: Mapping[Task, tuple[int, ...]] = field(default_factory=dict)
    """What stands before a task's prompt: the token that opens a text, and worked examples. For the
    plain family alone.
    """
    rated: tuple[Exemplar, ...] = ()
    """Pairs with their digits: the earlier turns of a rating prompt, for a chat template that takes
    several.
    """
    line_ends: frozenset[int] = frozenset()
    """Tokens with a line's end in them: they end an instruction too, for a model that was never
    taught to stop.
    """
    _encode_text: Callable[[str], Sequence[int]] = field(init=False, repr=False, compare=False)
    """Ids of a text from outside."""

    def __post_init__(self) -> None:
        def encode(text: str) -> Sequence[int]:
            return tuple(self.literal.encode(text, add_special_tokens=False).ids)

        object.__setattr__(self, "_encode_text", functools.lru_cache(_REMEMBERED)(encode))

    @classmethod
    def load(cls, directory: Path) -> "Prompter":
        """Read ``tokenizer.json`` and ``tokenizer_config.json`` of a checkpoint or a release.

        Raises ModelError where the files are missing or the tokenizer has no token for a digit.
        """
        file = directory / "tokenizer.json"
        if not file.is_file():
            raise ModelError(
                f"{directory} has no tokenizer.json: not a model directory, or a tokenizer "
                "of the slow kind"
            )
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises a bare Exception for every malformed file
            raise ModelError(f"{file} cannot be read as a tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        literal = Tokenizer.from_str(tokenizer.to_str())
        literal.encode_special_tokens = True
        config = _read_json(directory / "tokenizer_config.json")
        chat = ChatLayout.from_config(config, directory)
        if all(tokenizer.token_to_id(marker) is not None for marker in MARKERS):
            family = Family.MARKERS
        else:
            family = Family.CHAT if chat else Family.PLAIN
        stop_ids = _stop_ids(tokenizer, config, _read_json(directory / "generation_config.json"))
        if family is Family.MARKERS:  # a marker opens the next field, so it ends this one as well
            stop_ids += tuple(tokenizer.token_to_id(marker) for marker in MARKERS)
        unrated = cls(
            tokenizer, literal, family, stop_ids, (), chat if family is Family.CHAT else None
        )
        prompter = replace(unrated, digit_ids=unrated._find_digits())
        if family is Family.CHAT:
            return prompter._with_earlier_turns()
        if family is not Family.PLAIN:
            return prompter
        return replace(
            prompter,
            shots={task: prompter._shots(task) for task in Task},
            line_ends=_line_ends(tokenizer),
        )

    def backward(self, response: str, context: str | None = None) -> list[int]:
        """Prompt ids for the instruction that ``response`` answers."""
        return self._layout(Task.BACKWARD, {"response": response, "context": context or ""})

    def forward(
        self, instruction: str, context: str | None = None, tag: str = BOTH_TAGS
    ) -> list[int]:
        """Prompt ids for an answer to ``instruction``; both tags at inference, as in the paper."""
        return self._layout(
            Task.FORWARD, {"instruction": instruction, "context": context or "", "tag": tag}
        )

    def rating(self, instruction: str, response: str, context: str | None = None) -> list[int]:
        """Prompt ids after which one of ``digit_ids`` is the next token."""
        slots = {
            "instruction": instruction,
            "response": response,
            "context": context or "",
            **self._earlier_slots(),
        }
        rated = self._encode_scaffold(self._scaffold(Task.RATING, slots) + DIGITS[0], slots)
        return [*self.shots.get(Task.RATING, ()), *rated[:-1]]

    def target(self, text: str) -> list[int]:
        """Ids that training wants after a prompt: the text and the first stop token."""
        return [*self._encode_text(text), self.stop_ids[0]]

    @property
    def instruction_stop_ids(self) -> frozenset[int]:
        """What ends the generation of an instruction."""
        return self.line_ends.union(self.stop_ids)

    def instruction(self, ids: Sequence[int], stop: int | None = None) -> str:
        """The instruction that was generated: its first line, where a line's end stopped it.
        ``stop`` is the stop token.
        """
        if stop not in self.line_ends:
            return self.decode([*ids])
        assert stop is not None
        return (
            self.decode([*ids, stop]).split("\n")[0].strip()
        )  # the token may hold the end of the sentence too: "?\n"

    def decode(self, ids: list[int]) -> str:
        """Text of generated ids, without special tokens or surrounding space."""
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def template(self, task: Task) -> Template:
        """The template in force for a task."""
        return template_for(task, self.family)

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template, for provenance; a system prompt of the user's own
        is part of it.
        """
        id = self.template(task).id
        if self.chat is None or not self.system or task is Task.FORWARD:
            return id
        return f"{id}+{hashlib.sha256(self.system.encode()).hexdigest()[:8]}"

    def _layout(self, task: Task, slots: dict[str, str]) -> list[int]:
        return [
            *self.shots.get(task, ()),
            *self._encode_scaffold(self._scaffold(task, slots), slots),
        ]

    def _shots(self, task: Task) -> tuple[int, ...]:
        ids = _opening(self.tokenizer)
        for pair, answer in exemplars(task):
            slots = {
                "instruction": pair.instruction,
                "response": pair.response,
                "context": "",
                "tag": SEED_TAG,
            }
            ids += self._encode_scaffold(
                self._scaffold(task, slots) + answer + _BETWEEN_SHOTS, slots
            )
        return tuple(ids)

    def _scaffold(self, task: Task, slots: dict[str, str]) -> str:
        """The template's text with the slots still open, in the chat layout where there is one."""
        template = self.template(task)
        text = template.choose(slots.get("context"))
        if self.chat is None:
            return text
        if task is not Task.RATING:
            return self.chat.render(template.system or self.system, text)
        earlier = [
            (_SLOT.sub(rf"{{\g<1>{turn}}}", template.text), _RATING_LEAD + digit)
            for turn, (_, digit) in enumerate(self.rated)
        ]
        return self.chat.render(self.system, text, earlier) + _RATING_LEAD

    def _with_earlier_turns(self) -> "Prompter":
        """With rated pairs before the rating prompt; without, where the chat template refuses
        several turns or drops some.
        """
        prompter = replace(self, rated=tuple(exemplars(Task.RATING)))
        try:
            scaffold = prompter._scaffold(Task.RATING, {})
        except ModelError:
            return self
        numbers = [*map(str, range(len(prompter.rated))), ""]
        slots = [
            f"{slot}{number}"
            for number in numbers
            for slot in _SLOT.findall(self.template(Task.RATING).text)
        ]
        answered = all(f"{_RATING_LEAD}{digit}" in scaffold for _, digit in prompter.rated)
        return prompter if _SLOT.findall(scaffold) == slots and answered else self

    def _earlier_slots(self) -> dict[str, str]:
        """What stands in the slots of the earlier turns of a rating prompt."""
        slots: dict[str, str] = {}
        for turn, (pair, _) in enumerate(self.rated):
            slots |= {f"instruction{turn}": pair.instruction, f"response{turn}": pair.response}
        return slots

    def _encode_scaffold(self, scaffold: str, slots: dict[str, str]) -> list[int]:
        ids: list[int] = []
        for index, piece in enumerate(_SLOT.split(scaffold)):
            if index % 2:
                ids += self._encode_text(slots[piece])
            elif piece:
                ids += self.tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def _find_digits(self) -> tuple[int, ...]:
        scaffold = self._scaffold(Task.RATING, {})
        tail = _SLOT.split(scaffold)[-1]
        encoded = [
            self.tokenizer.encode(tail + digit, add_special_tokens=False).ids for digit in DIGITS
        ]
        digits = tuple(ids[-1] for ids in encoded)
        if len(set(digits)) < len(DIGITS) or len({tuple(ids[:-1]) for ids in encoded}) > 1:
            raise ModelError(
                "this tokenizer has no single token for each of the digits 1 to 5, so "
                "ratings cannot be read: "
                "choose another model"
            )
        return digits


@dataclass(frozen=True, slots=True)
class ChatLayout:
    """A checkpoint's chat template, rendered in jinja's sandbox: it is code from a stranger."""

    source: str
    specials: dict[str, str]

    @classmethod
    def from_config(cls, config: dict[str, Any], directory: Path) -> "ChatLayout | None":
        """Read the chat template from ``tokenizer_config.json`` or ``chat_template.jinja``; None
        where there is none.
        """
        source = config.get("chat_template")
        if isinstance(source, list):  # several named templates: the default one
            source = next(
                (entry["template"] for entry in source if entry.get("name") == "default"), None
            )
        file = directory / "chat_template.jinja"
        if source is None and file.is_file():
            source = file.read_text(encoding="utf-8")
        if not source:
            return None
        specials = {
            key: _token_text(config.get(key))
            for key in ("bos_token", "eos_token", "unk_token", "pad_token")
        }
        return cls(source, {key: value for key, value in specials.items() if value})

    def render(self, system: str, user: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
        """Text of a conversation up to where the assistant's turn starts. ``earlier``: what user
        and assistant said before.
        """
        # Imported here: a worker with the house model never needs it.
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # What transformers' own environment offers to a chat template.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_template_error
        environment.globals["strftime_now"] = _DATE.strftime
        environment.filters["tojson"] = _to_json
        said = [{"user": question, "assistant": answer} for question, answer in earlier] + [
            {"user": user}
        ]
        turns = [
            {"role": role, "content": content}
            for exchange in said
            for role, content in exchange.items()
        ]
        try:
            template = environment.from_string(self.source)
            if system:
                try:
                    return template.render(
                        messages=[{"role": "system", "content": system}, *turns],
                        add_generation_prompt=True,
                        **self.specials,
                    )
                except (
                    TemplateError
                ):  # some templates refuse a system turn: then it leads the user's
                    turns[0] = {"role": "user", "content": f"{system}\n\n{turns[0]['content']}"}
            return template.render(messages=turns, add_generation_prompt=True, **self.specials)
        except Exception as error:  # a template is a stranger's program: it may fail in any way
            raise ModelError(f"the model's chat template cannot be rendered: {error}") from error


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)


def _raise_template_error(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _stop_ids(
    tokenizer: Tokenizer, config: dict[str, Any], generation: dict[str, Any]
) -> tuple[int, ...]:
    eos = _token_text(config.get("eos_token"))
    first = tokenizer.token_to_id(eos) if eos else None
    declared = generation.get("eos_token_id") or []
    declared = [declared] if isinstance(declared, int) else list(declared)
    ids = ([first] if first is not None else []) + [id for id in declared if id != first]
    if not ids:
        raise ModelError(
            "this tokenizer names no end-of-sequence token, so a generation would never stop"
        )
    return tuple(ids)


def _opening(tokenizer: Tokenizer) -> list[int]:
    """What the tokenizer itself puts before a text: a token for its beginning, or nothing."""
    word = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    return whole[: whole.index(word[0])] if word[0] in whole else []


def _line_ends(tokenizer: Tokenizer) -> frozenset[int]:
    """Tokens with a line's end, as byte-level and as sentencepiece vocabularies spell it."""
    return frozenset(id for token, id in tokenizer.get_vocab().items() if _LINE_END.search(token))


def _token_text(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
