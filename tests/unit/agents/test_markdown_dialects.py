"""Markdown as its dialects have it: front matter, data, headings of HTML, containers, notes."""

import base64

import pytest

from agents.passages.markdown import block_parser, read_markdown
from agents.passages.markdown_source import without_dialect
from tests.unit.agents.test_segmenter import prose, shape

Sections = list[tuple[tuple[str, ...], list[str]]]


def read(text: str) -> Sections:
    return shape(list(read_markdown(text, block_parser())))


@pytest.mark.parametrize(
    "matter",
    [
        "---\ntitle: A\ntags: [a, b]\n---\n",
        "---\n# a comment\ntitle: A\n...\n",
        "\n---\ntitle: A\n---\n",
        "---\n---\n",
        '+++\ntitle = "A"\n[extra]\nb = 1\n+++\n',
        '{\n  "title": "A",\n  "tags": []\n}\n',
    ],
)
def test_front_matter_is_left_out(matter: str) -> None:
    assert read(f"{matter}\n# B\n\ntext\n") == [(("B",), ["text"])]


@pytest.mark.parametrize("text", ["---\n\nA text.\n\n---\n\nMore.", "{\nnot: json\n}\n\nMore."])
def test_what_is_no_front_matter(text: str) -> None:
    assert "More." in read(text)[0][1]
    assert len(read(text)[0][1]) == 2


@pytest.mark.parametrize("image", ["![a]({})", "![a]({} 'title')", '<img alt="a" src="{}">', "{}"])
def test_images_in_base64_are_cut(image: str) -> None:
    data = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 40).decode()
    assert read(f"# A\n\nBefore.\n\n{image.format(data)}\n\nAfter {image.format(data)} it.\n") == [
        (("A",), ["Before.", "After  it."])
    ]


def test_headings_of_html_are_headings() -> None:
    text = (
        '<h1 align="center">One <code>tool</code></h1>\n\n<p align="center">badge</p>\n\nfirst\n\n'
        "<div>\n<h2>Two</h2>\n</div>\n\nsecond\n\n<h2 id=x>Three</h2>\n<p>third</p>\n\n"
        "## <a name='four'></a>Four {#four}\n\nfourth\n"
    )
    assert read(text) == [
        (("One tool",), ["first"]),
        (("One tool", "Two"), ["second"]),
        (("One tool", "Three"), ["third"]),
        (("One tool", "Four"), ["fourth"]),
    ]


def test_the_content_of_containers_is_text_and_their_marks_are_not() -> None:
    text = (
        "import Tabs from '@theme/Tabs';\nimport Item from \"@theme/Item\"\n\n# A\n\n"
        ":::note Mind\n\nOne.\n\n:::\n\n<Tabs>\n<Item value='a'>\n\nTwo.\n\n</Item>\n</Tabs>\n\n"
        '!!! warning "Mind"\n    Three.\n\n    Four.\n\nFive.\n\n=== "Linux"\n\n    Six.\n\n'
        "[TOC]\n\n{{< figure >}}\n\nSeven.\n{: .lead}\n"
    )
    assert read(text) == [(("A",), ["One.", "Two.", "Three.", "Four.", "Five.", "Six.", "Seven."])]


def test_code_in_fences_is_unchanged() -> None:
    code = "```js\nimport a from 'b'\n:::note\n[^1]: x\n\n[TOC]\n!!! note\n    a[^1]\n```"
    assert read(f"# A\n\nx[^1].\n\n[^1]: a note\n    with more\n\n{code}") == [
        (("A",), ["x.", code.replace("[^1]\n```", "\n```")])
    ]


def test_footnotes_are_left_out_with_their_marks() -> None:
    text = (
        "# A\n\nOne.[^1] A set is `[^a-z]`[^note], and [^2].\n\n[^1]: First.\n\n[^note]: More.\n"
        "    Of it.\n\nEnd.\n"
    )
    assert read(text) == [(("A",), ["One. A set is `[^a-z]`, and [^2].", "End."])]


def test_lists_of_links_and_paragraphs_of_images_are_left_out() -> None:
    links = "\n".join(f"- [Part {i}](#part-{i})" for i in range(5))
    text = (
        f"# A\n\n[![build](a.svg)](b) ![c](d)\n\nOn this page:\n\n{links}\n\n"
        f"See [the map](m) of the canal.\n\n"
        "- [open](o): opens the gate of the lock\n- [close](c): closes the gate again\n"
    )
    assert read(text) == [
        (
            ("A",),
            [
                "See [the map](m) of the canal.",
                "- [open](o): opens the gate of the lock\n- [close](c): closes the gate again",
            ],
        )
    ]


def test_a_code_block_without_an_end_ends_before_the_next_heading() -> None:
    open_one = f"# A\n\n```sh\nmake\n\n## B\n\n{prose(100)}\n\n## C\n\n{prose(90)}\n"
    assert read(open_one) == [
        (("A",), ["```sh\nmake\n```"]),
        (("A", "B"), [prose(100)]),
        (("A", "C"), [prose(90)]),
    ]
    assert read("# A\n\n```\n\n# no heading\n```\n") == [(("A",), ["```\n\n# no heading\n```"])]


@pytest.mark.parametrize(
    "text",
    [
        "<h1>" * 50_000,
        "<h1>x\n\n" * 5_000,
        "![a](data:image/png;base64," * 20_000,
        "[^a]: " * 50_000,
        "!!! a\n    " * 5_000,
        "```\n\n# a\n\n" * 4_000,
        "---\n" * 9_000,
        "---\n" + "   #\n" * 5_000,
        "{\n" * 9_000,
    ],
)
def test_hostile_text_is_read_at_once(text: str) -> None:
    read(text)


def test_the_marks_of_alerts_are_left_out_and_their_titles_kept() -> None:
    text = "# A\n\nOne.\n\n> [!WARNING]\n> Two.\n\n> [!tip]- Three\n> four.\n\n> [!not] an alert\n"
    assert read(text)[0][1] == ["One.", "> Two.", "> Three\n> four.", "> an alert"]
    assert read("# A\n\n```\n> [!NOTE]\n```\n")[0][1] == ["```\n> [!NOTE]\n```"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{% notice %}}Close the gate.{{% /notice %}}", "Close the gate."),
        ("{{< lead >}}Close the {{< icon >}} gate.{{< /lead >}}", "Close the gate."),
        ('{{< tooltip text="Sluices" id="s" >}} close.', "Sluices close."),
        ('See {{< ref "gate.md" >}}, which closes.', "See, which closes."),
        ("Write `{{< ref >}}`, or {{</* ref */>}}.", "Write `{{< ref >}}`, or {{</* ref */>}}."),
        ("{:.lead} Close the gate. {: #gate .wide}", " Close the gate."),
        ("Close {% if open %}the gate{% endif %}.", "Close the gate."),
        ("Write `{% if open %}` and {{ gate }}.", "Write `{% if open %}` and {{ gate }}."),
        ("Close it. <!-- TODO: which? -->", "Close it."),
        ("Close <!-- TODO:\n\nwhich? -->it.", "Close\nit."),
        ("Close <!-- it.", "Close <!-- it."),
        ("Write `<!--`, then `-->`.", "Write `<!--`, then `-->`."),
        ("Close it. {/* which? */}", "Close it."),
        ("Close it. %%Which?%%", "Close it."),
        ("It is 50%% of 60%% now.", "It is 50%% of 60%% now."),
        ("Close it. ^gate-rule", "Close it."),
        ("It is x ^2", "It is x ^2"),
    ],
)
def test_marks_of_templates_and_editors_are_cut(source: str, shown: str) -> None:
    assert without_dialect(source) == shown


def test_lines_of_templates_are_left_out() -> None:
    text = (
        "import { Gate,\n  Lock } from './gate';\n\n{% include toc.html %}\n\n"
        '{% hint style="info" %}\nOne.\n{% endhint %}\n\nTwo.\n\n*[ICE]: in case of emergency\n\n'
        "{/* not\nshown */}\n\nexport const gates = [1];\n\nThree.\n"
    )
    assert read(text) == [((), ["One.", "Two.", "Three."])]


def test_code_of_jekyll_is_code() -> None:
    code = "puts '{% gate %}'\n\n# no heading"
    text = f"One.\n\n{{% highlight ruby linenos %}}\n{code}\n{{% endhighlight %}}\n\nTwo.\n"
    (section,) = read(text)
    assert section[1] == ["One.", f"```ruby\n{code}\n```", "Two."]


@pytest.mark.parametrize("mark", ["{%", "{{<", "<!-- ", "`a ``b ", "<!--\n", "%%a", "import {\n"])
def test_marks_without_an_end_are_text(mark: str) -> None:
    assert without_dialect(mark * 2000).startswith(mark.strip())
