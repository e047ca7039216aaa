"""Markdown with the roles and directives of Sphinx."""

import pytest

from agents.passages.markdown import block_parser, read_markdown
from agents.passages.myst import without_myst


def read(text: str) -> list[str]:
    return [block for section in read_markdown(text, block_parser()) for block in section.blocks]


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("See {ref}`the lock <lock-1>` first.", "See the lock first."),
        ("The {term}`sluice`, ({doc}`/guide/locks`).", "The sluice, (/guide/locks)."),
        ("Call {py:func}`~canal.gates.open_gate`.", "Call `open_gate`."),
        ("Call {meth}`!close` or {func}``open``.", "Call `close` or ``open``."),
        ("As {pep}`8` says {cite:p}`smith2020`.", "As PEP 8 says ."),
        ("Title: {class}`A gate <canal.Gate>`.", "Title: `A gate`."),
        # No roles: a template, a name that is not known, code, escaped, no code after it.
        ("Run ${name}`x` and {name}`x`.", "Run ${name}`x` and {name}`x`."),
        ("Write `{ref}` instead of `{doc}`.", "Write `{ref}` instead of `{doc}`."),
        ("A set {ref} and \\{ref}`x`.", "A set {ref} and \\{ref}`x`."),
        ("An empty {ref}`` one.", "An empty {ref}`` one."),
    ],
)
def test_of_a_role_its_text_is_seen(source: str, seen: str) -> None:
    assert list(without_myst([source])) == [seen]


def test_the_content_of_directives_is_text_and_their_marks_are_not() -> None:
    text = (
        "# A\n\n(a-target)=\n\n```{note}\n:class: wide\n:name: n\n\nOne.\n\n- item\n```\n\n"
        "````{admonition} A title\nTwo.\n\n```{tip} Three {ref}`x`.\n```\n\nFour.\n````\n\n"
        ":::{warning}\n:class: dark\nFive.\n:::\n\n"
        "```{versionadded} 3.2\n```\n\n```{deprecated} 4.0 Use a pump.\n```\n\n"
        "~~~{seealso}\n---\nclass: wide\nname: n\n---\nSix.\n\n---\n\nSeven.\n~~~\n\nEight.\n"
    )
    assert read(text) == [
        "One.",
        "- item",
        "Two.",
        "Three x.",
        "Four.",
        "Five.",
        "New in version 3.2.",
        "Deprecated since version 4.0: Use a pump.",
        "Six.",
        "Seven.",
        "Eight.",
    ]


def test_what_only_sphinx_can_show_is_left_out() -> None:
    text = (
        "# A\n\n```{toctree}\n:maxdepth: 2\n\none\ntwo\n```\n\nText.\n\n"
        "```{figure} gate.png\n---\nalt: a gate\n---\nA caption.\n```\n\n"
        ":::{image} gate.png\n:alt: a gate\n:::\n\nMore.\n"
    )
    assert read(text) == ["Text.", "More."]


def test_code_stays_code() -> None:
    quarto = "```{r, echo=FALSE}\nplot(x)\n```"
    chunk = "```{python}\n:a: = {ref}`x`\n```"
    plain = "```text\n(target)=\n{ref}`x` ```{note}\n```"
    assert read(f"# A\n\n{quarto}\n\n{chunk}\n\n{plain}\n") == [quarto, chunk, plain]
    directive = "```{code-block} python\n:caption: a\n:linenos:\n\nx = {ref}\n```"
    assert read(f"# A\n\n{directive}\n\nEnd.\n") == ["```python\n\nx = {ref}\n```", "End."]


def test_marks_without_an_end_keep_the_rest_of_the_text() -> None:
    assert read("# A\n\n```{note}\nOne.\n\n# B\n\nTwo.\n") == ["One.", "Two."]
    assert read("# A\n\nOne.\n\n:::\n\nTwo.\n") == ["One.", "Two."]


@pytest.mark.parametrize(
    "text", ["{ref}`" * 50_000, "```{note}\n" * 20_000, "{a" * 50_000, "(a)=\n" * 20_000]
)
def test_odd_marks_take_no_long_time(text: str) -> None:
    assert isinstance(read(text), list)
