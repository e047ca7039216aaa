"""AsciiDoc as HTML."""

import pytest

from schemas.formats.asciidoc import read_asciidoc


def html(text: str) -> str:
    """The HTML of a text."""
    return "".join(read_asciidoc(text).blocks)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        ("one +\ntwo", "<p>one<br>two</p>"),
        ("== A\n\nx\n\n=== B ===\ny", "<h2>A</h2><p>x</p><h3>B</h3><p>y</p>"),
        ("Title\n-----\nx\n\nSub\n~~~\ny", "<h2>Title</h2><p>x</p><h3>Sub</h3><p>y</p>"),
        (
            "* a\n** b\n* c\nd\n\nx",
            "<ul><li><p>a</p><ul><li><p>b</p></li></ul></li><li><p>c d</p></li></ul><p>x</p>",
        ),
        (". a\n. b", "<ol><li><p>a</p></li><li><p>b</p></li></ol>"),
        (
            "1. a\n2. b\n- c",
            "<ol><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li></ol>",
        ),
        (
            "-a::\n--all::\n\tAll.\n+\nMore.\n\n-b:: Both.\n\nEnd.",
            "<dl><dt>-a</dt><dd></dd><dt>--all</dt><dd><p>All.</p><p>More.</p></dd>"
            "<dt>-b</dt><dd><p>Both.</p></dd></dl><p>End.</p>",
        ),
        (
            "* a\n+\n----\nx\n  y\n----\n* b",
            "<ul><li><p>a</p><pre>x\n  y</pre></li><li><p>b</p></li></ul>",
        ),
        (
            "a:: b\n* c\nd:: e",
            "<dl><dt>a</dt><dd><p>b</p><ul><li><p>c</p></li></ul></dd><dt>d</dt><dd><p>e</p></dd></dl>",
        ),
        ("[source,c]\n----\nint a; // *x* <1>\n----", "<pre>int a; // *x* &lt;1&gt;</pre>"),
        ("....\na\n\nb\n....\n\n```sh\nx\n```", "<pre>a\n\nb</pre><pre>x</pre>"),
        ("text\n\n  x\n    y\n\nz", "<p>text</p><pre>x\n  y</pre><p>z</p>"),
        (
            "NOTE: Take care.\n\n[WARNING]\n====\nDanger.\n\n* a\n====",
            "<p>Note</p><p>Take care.</p><p>Warning</p><p>Danger.</p><ul><li><p>a</p></li></ul>",
        ),
        (".Caption\n****\nx\n****", "<p>Caption</p><p>x</p>"),
        ("////\nno\n////\n// no\n++++\n<b>\n++++\nyes", "<p>yes</p>"),
        ("'''\n<<<\nimage::a.png[A]\ntoc::[]\nx", "<p>x</p>"),
        (
            "|===\n|A |B\n\n|1\n|2\n2+|x\n|===",
            "<table><tr><td>A</td><td>B</td></tr><tr><td>1</td><td>2</td></tr><tr><td>x</td></tr></table>",
        ),
        (
            '[cols="1,2*",options="header"]\n|===\n|A|B|C\n|1|2|a \\| b\n|===',
            "<table><tr><td>A</td><td>B</td><td>C</td></tr>"
            "<tr><td>1</td><td>2</td><td>a | b</td></tr></table>",
        ),
        (
            ',===\nA,B\n1,"2, 3"\n,===',
            "<table><tr><td>A</td><td>B</td></tr><tr><td>1</td><td>2, 3</td></tr></table>",
        ),
        (
            ":name: the gate\n:other: {name}s\n\nOpen {name}, {other}, {unknown}{plus}",
            "<p>Open the gate, the gates, {unknown}+</p>",
        ),
        (
            "ifdef::x[]\nno\nifdef::y[]\nno\nendif::[]\nendif::x[]\nifndef::x[yes]\n:y:\nifdef::y[]\n"
            "and\nendif::[]",
            "<p>yes</p><p>and</p>",
        ),
    ],
)
def test_blocks(text: str, expected: str) -> None:
    assert html(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*bold*, _it_, `mono`, #mark# and +lit+", "bold, it, mono, mark and lit"),
        ("**b**old __i__t ``x``y", "bold it xy"),
        ("2 * 3 * 4, a_b_c, `*.txt{plus}{plus}`", "2 * 3 * 4, a_b_c, *.txt++"),
        (
            "http://a.example[the text], http://b.example/c_d. link:e.html[E,window=_blank]",
            "the text, http://b.example/c_d. E",
        ),
        ("link:http://a.example[the text], link:http://b.example[]", "the text, http://b.example"),
        (
            "linkgit:git-add[1], xref:gate.adoc#_the_gate[], <<lock,The lock>>, <<_a_b>>",
            "git-add(1), the gate, The lock, a b",
        ),
        (
            "kbd:[Ctrl+C] menu:File[Save > As] image:a.png[A]x((term))(((a,b)))[[id]]",
            "Ctrl+C File &gt; Save &gt; As xterm",
        ),
        ("word.footnote:[Not here.] E=mc^2^ H~2~O \\*x* \\{name}", "word. E=mc2 H2O *x* {name}"),
        ("``Quoted text'' [.role]#text# pass:[*x*] +++*y*+++", "“Quoted text” text *x* *y*"),
    ],
)
def test_inline(text: str, expected: str) -> None:
    assert html(text) == f"<p>{expected}</p>"


def test_the_header_is_left_out_and_included_files_are_counted() -> None:
    found = read_asciidoc(
        "// a comment\n= The *gate*\nAda Lovelace <ada@a.example>\nv1.0, 2020\n:toc:\n\n"
        "Text.\n\ninclude::other.adoc[]\n\n====\ninclude::more.adoc[]\n===="
    )
    assert "".join(found.blocks) == "<h1>The gate</h1><p>Text.</p>"
    (warning,) = found.warnings
    assert warning.startswith("2 include directives not followed: ")


@pytest.mark.parametrize(
    "text",
    [
        "*a " * 50_000,
        "`a" * 50_000,
        "a:" * 50_000,
        "http://" * 30_000,
        "<<" * 50_000,
        "(((" * 30_000,
        "[" * 100_000,
        '["' * 50_000,
        "x:[" * 40_000,
        ":a: {a}{a}\n\n{a}",
        "====\n=====\n" * 5000,
        "".join(f"{'=' * number}\n" for number in range(4, 200)),
        "* a\n** b\n*** c\n**** d\n" * 5000,
        "ifdef::a[]\n" * 20_000,
        "|===\n" + "|" * 100_000,
        "|===\n999999999*|x\n|===",
        "a::\n" * 20_000,
        "++++\n\0\v",
        "+++" * 30_000,
    ],
)
def test_hostile_texts_are_read_in_little_time(text: str) -> None:
    assert isinstance(read_asciidoc(text).blocks, list)
