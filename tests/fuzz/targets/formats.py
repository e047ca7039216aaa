"""Manual pages, AsciiDoc, EPUB, and with their libraries DOCX and reStructuredText.

PDFium is left out: where it fails, it ends the process.
"""

from importlib.util import find_spec
from pathlib import Path
from random import Random

from schemas.errors import NotConverted
from schemas.formats import convert
from tests.fuzz.mutation import damaged, text_of
from tests.fuzz.target import Parts
from tests.unit.made_files import SENTENCE, docx, epub

_MACROS = tuple(
    f".{name}"
    for name in (
        "TH a 1|SH|SH A|SS b|PP|TP|TQ|IP \\(bu|IP 1.|IP|RS|RE|nf|fi|EX|EE|B x|BR a (1)|TS|TE|T&"
        "|if n \\{|if t|ie n|el \\{|\\}|de X|..|X|ds a \\*a|so b|Sh A|Nm|Nm x|Bl -tag|Bl -column"
        "|It|It Fl a|El|Bd -literal|Ed|Op Fl x|Oo|Oc|Fo f|Fa x|Fc|Xr a 1|Ta|UR x|UE|sp|br|ig"
    ).split("|")
)
_ROFF = (
    *(f"{name}\n" for name in _MACROS),
    "text ",
    "\n",
    "\\fB",
    "\\",
    "\\(em",
    "\\[",
    "tab(;);\n",
)
_ASCIIDOC = (
    *(
        "= ",
        "== ",
        "\n",
        "\n\n",
        "text ",
        "* ",
        "** ",
        ". ",
        "- ",
        "a::",
        ":a: b\n",
        "{a}",
        "----\n",
    ),
    *(
        "....\n",
        "====\n",
        "****\n",
        "____\n",
        "--\n",
        "|===\n",
        "|",
        "2+|",
        "[source]\n",
        "[cols=2]\n",
    ),
    *("NOTE: ", "+\n", "*", "_", "`", "http://a.b", "[", "]", "<<", ">>", "link:", "ifdef::a[]\n"),
    *("endif::[]\n", "include::x[]\n", "////\n", "```\n", "~~~~\n", " +\n", "(((", "pass:", "$$"),
)
_RST = (
    *(
        "=====\n",
        "-----\n",
        "\n",
        "\n\n",
        "text ",
        "* ",
        "1. ",
        "   ",
        ".. note::\n",
        ".. code::\n",
    ),
    *(
        ".. function:: f(a)\n",
        ":ref:`a`",
        ":x:`b <c>`",
        "``",
        "`",
        "*",
        "**",
        "|a|",
        "::\n\n",
        ">>> ",
    ),
    *(".. only:: x\n", ".. versionadded:: 1\n", "=== ===\n", "+---+\n", ":a: b\n", "-a  b\n", "| "),
)
_LONGEST_RST = 3_000
"""Bytes. docutils takes up to 50 microseconds for one, which the child process bounds."""


class Formats:
    """What the child process reads."""

    share = 3

    def __init__(self, directory: Path) -> None:
        self._formats = ["man", "asciidoc", "epub"]
        self._formats += ["docx"] if find_spec("mammoth") else []
        self._formats += ["rst"] if find_spec("docutils") else []

    def make(self, random: Random) -> Parts:
        format = random.choice(self._formats)
        if format in ("epub", "docx"):
            data = (
                epub({"a": f"<p>{SENTENCE}</p>", "b": "<h1>x</h1>"}, "t")
                if format == "epub"
                else docx(("Title", "a"), ("Normal", SENTENCE), table=[["a", "b"]])
            )
            data = damaged(random, data, [data])
        else:
            tokens = {"man": _ROFF, "asciidoc": _ASCIIDOC, "rst": _RST}[format]
            data = text_of(random, tokens).encode()
            data = (b".TH a 1\n" if format == "man" and random.random() < 0.8 else b"") + data
            data = damaged(random, data) if random.random() < 0.2 else data
            data = data[:_LONGEST_RST] if format == "rst" else data
        return format.encode(), data

    def check(self, parts: Parts) -> None:
        format = (parts[0] or b"").decode("latin-1")
        if format not in self._formats:
            return
        try:
            converted = convert(format, (parts[1] if len(parts) > 1 else b"") or b"")
        except NotConverted as error:
            if not str(error):
                raise AssertionError("a refusal has no reason") from error
            return
        assert all(isinstance(block, str) for block in converted.blocks)
