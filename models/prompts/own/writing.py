"""Templates as the text of a prompts file, to start one's own from."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

import yaml

from models.prompts.template import FIELDS, Template

_PIECE = re.compile(r"(\{\w+\}|<\|\w+\|>|\n)")


def as_yaml(templates: Iterable[Template], name: str) -> str:
    """A prompts file with these templates, each as the first version of ``name``."""
    prompts = []
    for template in templates:
        prompt: dict[str, object] = {
            "task": str(template.task),
            "family": str(template.family),
            "version": 1,
        }
        if template.system:
            prompt["system"] = _Block(_with_fields(template.system))
        text, given, lead = template.text, template.with_context, template.lead
        if text.endswith(" "):  # which a block of YAML cannot show
            lead = text.rpartition("\n")[2]
            text, given = text.removesuffix(lead), given.removesuffix(lead)
        prompt["text"] = _Block(_both(text, given))
        if lead:
            prompt["lead"] = lead
        if not template.shots:
            prompt["shots"] = False
        prompts.append(prompt)
    return yaml.dump(
        {"name": name, "prompts": prompts},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )


def _both(text: str, with_context: str) -> str:
    """One text for both forms of a template: what differs depends on the context."""
    one, other = _pieces(text), _pieces(with_context)
    start = _shared(one, other)
    end = _shared(one[start:][::-1], other[start:][::-1])
    before = "".join(one[:start])
    without, after = "".join(one[start : len(one) - end]), "".join(one[len(one) - end :])
    given = "".join(other[start : len(other) - end])
    if without or given:
        otherwise = _tag("else", without) if without else ""
        after = _tag("if context", given) + otherwise + _tag("endif", after)
    # Jinja leaves out a newline at the end.
    return _with_fields(before + after + ("\n" if after.endswith("\n") else ""))


def _pieces(text: str) -> list[str]:
    """Fields, markers, line ends, and what stands between them."""
    return [piece for piece in _PIECE.split(text) if piece]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many pieces two texts begin with alike."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _tag(tag: str, text: str) -> str:
    """A tag before a text. Jinja leaves out a newline behind a tag."""
    return f"{{% {tag} %}}" + ("\n" if text.startswith("\n") else "") + text


def _with_fields(text: str) -> str:
    for name in FIELDS:
        text = text.replace(f"{{{name}}}", f"{{{{ {name} }}}}")
    return text


class _Block(str):
    """A text that is written as a block."""


class _Dumper(yaml.SafeDumper):
    """Writes blocks."""


_Dumper.add_representer(
    _Block,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|"),
)
