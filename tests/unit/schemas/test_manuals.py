"""Manual pages in roff as HTML."""

from pathlib import Path

import pytest

from schemas.errors import NotConverted
from schemas.formats import convert
from schemas.formats.manuals import read_manual
from streams.data.sources import read


def html(page: str) -> str:
    """The HTML of a page of man(7), below its heading."""
    return "".join(read_manual(f'.TH LOCK 1 "" x\n.SH X\n{page}').blocks).removeprefix(
        "<h1>LOCK(1)</h1><h2>X</h2>"
    )


def mdoc(page: str) -> str:
    """The HTML of a page of mdoc(7), below its heading."""
    blocks = read_manual(f".Dd May 1\n.Dt LOCK 1\n.Os\n.Sh X\n{page}").blocks
    return "".join(blocks).removeprefix("<h1>LOCK(1)</h1><h2>X</h2>")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("one\ntwo\n.PP\nthree\n\nfour", "<p>one two</p><p>three</p><p>four</p>"),
        ("one\n.br\ntwo\n three", "<p>one<br>two<br>three</p>"),
        (".SS Deeper\nx\n.SH\nNext\ny", "<h3>Deeper</h3><p>x</p><h2>Next</h2><p>y</p>"),
        (
            ".TP\n.B \\-a\n.TQ\n.BR \\-\\-all =\\fIx\\fR\nAll.\n.TP\n\\-b\nBoth.\n.PP\nEnd.",
            "<dl><dt>-a</dt><dt>--all=x</dt><dd><p>All.</p></dd><dt>-b</dt><dd><p>Both.</p></dd>"
            "</dl><p>End.</p>",
        ),
        (
            ".IP \\(bu 2\none\n.IP\nmore\n.IP \\(bu 2\ntwo",
            "<ul><li><p>one</p><p>more</p></li><li><p>two</p></li></ul>",
        ),
        (".IP 1. 4\none\n.IP 2. 4\ntwo", "<ol><li><p>one</p></li><li><p>two</p></li></ol>"),
        (
            ".TP\na\nx\n.RS\n.IP \\(bu\ny\n.RE\n.TP\nb\nz",
            "<dl><dt>a</dt><dd><p>x</p><ul><li><p>y</p></li></ul></dd>"
            "<dt>b</dt><dd><p>z</p></dd></dl>",
        ),
        (
            ".nf\nlock  \\e\n  gate <x>\n\nend\n.fi\nText.",
            "<pre>lock  \\\n  gate &lt;x&gt;\n\nend</pre><p>Text.</p>",
        ),
        (".EX\nx\n.EE", "<pre>x</pre>"),
        (".Vb 2\n\\&    a\n\\&  b\n.Ve\nText.", "<pre>    a\n  b</pre><p>Text.</p>"),
        ("See\n.BR lock (1),\nand\n.IR a b\n.B c d", "<p>See lock(1), and ab c d</p>"),
        (
            "one\\c\ntwo \\(em \\[u00E9] \\*(lqa\\*(rq \\fBb\\fP\\s-1c\\s0",
            "<p>onetwo — é “a” bc</p>",
        ),
        (
            ".UR http://a.example\ntext\n.UE .\n.UR http://b.example\n.UE",
            "<p>text . http://b.example</p>",
        ),
        (".SY lock\n.OP \\-a x\n.YS", "<p>lock [-a x]</p>"),
        ('a \\" comment\n.\\" another\nb', "<p>a b</p>"),
        (".ds Na gate\nthe \\*(Na or \\*[Na]", "<p>the gate or gate</p>"),
        ('.de Sp\n.PP\n..\n.de XX\nCall \\\\$1 of \\\\$2\n..\n.XX a "b c"', "<p>Call a of b c</p>"),
        (".if n n\n.if t t\n.ie n n\n.el t\n.if !n \\{\\\na\n.br\nb\\}\nc", "<p>t t a<br>b c</p>"),
        (".ie n \\{\\\nn\n.if t x\n.\\}\n.el \\{\\\nt\n.\\}\nz", "<p>t z</p>"),
        (".ig\nno\n..\n.am XX\n.  .\nyes", "<p>yes</p>"),
        (
            ".TS\ntab(;) box;\nl l.\nName;Width\n_\n.B narrow;T{\ntwo\nmetres\nT}\n.TE\nend",
            "<table><tr><td>Name</td><td>Width</td></tr>"
            "<tr><td>narrow</td><td>two metres</td></tr></table><p>end</p>",
        ),
    ],
)
def test_macros_of_man(page: str, expected: str) -> None:
    assert html(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            ".Nm lock\n.Nd raise boats\n.Pp\n.Nm\nopens.",
            "<p>lock — raise boats</p><p>lock opens.</p>",
        ),
        (
            ".Nm lock\n.Op Fl ab\n.Op Fl -all Ns = Ns Ar file\n.Ar\n.Oo Fl c Oc",
            "<p>lock [-ab] [--all=file] file ... [-c]</p>",
        ),
        (
            ".Bl -tag -width x\n.It Fl a , Fl b Ar n\nOne.\n.Bl -bullet\n.It\ntwo\n.El\n.It Ic c\n"
            "Three.\n.El\nEnd.",
            "<dl><dt>-a, -b n</dt><dd><p>One.</p><ul><li><p>two</p></li></ul></dd>"
            "<dt>c</dt><dd><p>Three.</p></dd></dl><p>End.</p>",
        ),
        (
            ".Bd -literal -offset indent\nlock  x\n.Ed\n.Dl $ gate",
            "<pre>lock  x</pre><pre>$ gate</pre>",
        ),
        (
            '.Xr lock 1 ,\n.Dq a b .\n.Pq Em c\n.Fn open gate "int n" ;\n.In lock.h',
            "<p>lock(1), “a b”. (c) open(gate, int n);<br>#include &lt;lock.h&gt;</p>",
        ),
        (
            '.Fo open\n.Fa a\n.Fa "int b"\n.Fc\n.Fx 4\n.Sq Li x Ns y',
            "<p>open(a, int b) FreeBSD 4 ‘xy’</p>",
        ),
        (
            ".Bl -column a b\n.It Name Ta Width\n.It Sy narrow Ta 2\n.El",
            "<table><tr><td>Name</td><td>Width</td></tr><tr><td>narrow</td><td>2</td></tr></table>",
        ),
    ],
)
def test_macros_of_mdoc(page: str, expected: str) -> None:
    assert mdoc(page) == expected


def test_the_name_with_its_section_is_the_outermost_heading() -> None:
    for page in (".TH lock 1 2020\n.SH NAME\nx", ".Dd x\n.Dt lock 1\n.Sh NAME\nx"):
        assert read_manual(page).blocks[:2] == ["<h1>lock(1)</h1>", "<h2>NAME</h2>"]


def test_what_is_no_manual_is_passed_over() -> None:
    for text, reason in (
        ("Nov 27 03:28:52 host kernel: up", "no manual page"),
        (".so man1/lock.1\n", "reference to another manual page"),
        ("", "no manual page"),
    ):
        with pytest.raises(NotConverted, match=reason) as caught:
            read_manual(text)
        assert caught.value.passed_over


@pytest.mark.parametrize(
    "page",
    [
        ".SH X\n.de A\n.A\n.A\n..\n.A",
        ".SH X\n" + ".RS\n" * 10_000,
        ".SH X\n" + ".IP \\(bu\n" * 20_000,
        ".SH X\n.ds a \\*a\\*a\n\\*a",
        ".SH X\n.de A\n" + ".B x\n" * 1000 + "..\n" + ".A\n" * 10_000,
        ".SH X\n" + "\\" * 100_001,
        ".SH X\n.if n \\{" * 1000,
        ".SH X\n" + '.B "' * 30_000,
        ".SH X\n" + "\\f[" * 50_000,
        ".SH X\n" + " " * 200_000 + "\\x",
        ".TS\n" * 10 + ".SH X",
        ".SH X\n.TS\nl.\nT{\n.TE",
        ".Sh X\n" + ".Bl -tag\n.It a\n" * 5000,
        ".Sh X\n.Bl -column\n.El\n.El\n.Ed\n.It\n.Fc\n.Ta x",
        ".Sh X\n." + "Op " * 30_000,
    ],
)
def test_hostile_pages_are_read_in_little_time(page: str) -> None:
    assert isinstance(read_manual(page).blocks, list)


def test_the_extension_is_the_section(tmp_path: Path) -> None:
    page = b".TH lock 1\n.SH NAME\nlock \\- caf\xc3\xa9"
    for name in ("lock.1", "lock.3pm", "lock.n", "lock.1ssl", "lock.man"):
        (tmp_path / name).write_bytes(page)
        [found] = read(tmp_path / name)
        assert "café" in str(found)
    assert convert("man", page.replace(b"\xc3\xa9", b"\xe9"), "latin1").blocks[-1].endswith("é</p>")
