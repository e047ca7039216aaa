"""A checkpoint's chat template: messages to the text of a prompt."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from schemas.errors import ModelError

_DATE = date(2024, 7, 26)
"""The date given to a chat template that asks for one.

It is fixed, so that a prompt is the same every day and a replay gives the same ids.
"""
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
"""Entries of ``tokenizer_config.json`` that a chat template may use."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A checkpoint's chat template, rendered in jinja's sandbox: it is untrusted code."""

    source: str
    specials: dict[str, str]
    """Text of the special tokens, by their names in ``tokenizer_config.json``."""

    @classmethod
    def from_config(cls, config: dict[str, Any], directory: Path) -> "ChatTemplate | None":
        """Read the template from ``tokenizer_config.json`` or ``chat_template.jinja``.

        ``config`` is the content of ``tokenizer_config.json``. None where there is no template.
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
        specials = {name: token_text(config.get(name)) for name in _SPECIAL_TOKENS}
        return cls(source, {name: text for name, text in specials.items() if text})

    def render(self, system: str, user: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
        """Text of a conversation up to the start of the assistant's turn.

        ``earlier`` holds the turns before, as pairs of user's and assistant's text. Where the
        template refuses a system turn, ``system`` is put before the first user's text. Raises
        ModelError where the template cannot be rendered.
        """
        # Imported here: a worker with the house model does not need it.
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # What transformers' own environment offers to a chat template.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_template_error
        environment.globals["strftime_now"] = _DATE.strftime
        environment.filters["tojson"] = _to_json
        turns = []
        for question, answer in earlier:
            turns.append({"role": "user", "content": question})
            turns.append({"role": "assistant", "content": answer})
        turns.append({"role": "user", "content": user})
        try:
            template = environment.from_string(self.source)
            if system:
                try:
                    return template.render(
                        messages=[{"role": "system", "content": system}, *turns],
                        add_generation_prompt=True,
                        **self.specials,
                    )
                except TemplateError:  # the template refuses a system turn
                    turns[0] = {"role": "user", "content": f"{system}\n\n{turns[0]['content']}"}
            return template.render(messages=turns, add_generation_prompt=True, **self.specials)
        except Exception as error:  # untrusted code may fail in any way
            raise ModelError(
                f"the model's chat template cannot be rendered: {error}; choose another model"
            ) from error


def token_text(token: Any) -> str | None:
    """Text of a special token of ``tokenizer_config.json``: a string, or an object with one."""
    return token.get("content") if isinstance(token, dict) else token


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)


def _raise_template_error(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)
