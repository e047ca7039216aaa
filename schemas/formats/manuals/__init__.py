"""Manual pages in roff, with the macros ``man`` and ``mdoc``, as HTML.

No library that reads them has a licence that allows its use here. This reads the subset that
manuals use: requests, conditions, strings, macros that a page defines, tables of ``tbl``; not what
only draws. See groff(7), man(7) and mdoc(7).
"""

import re

from schemas.errors import NotConverted
from schemas.formats.converted import Converted
from schemas.formats.manuals.blocks import Blocks
from schemas.formats.manuals.man import Man
from schemas.formats.manuals.mdoc import Mdoc
from schemas.formats.manuals.requests import Requests

_MDOC = re.compile(r"^[.'][ \t]*(?:Dd|Dt|Sh)\b", re.MULTILINE)
_MAN = re.compile(r"^[.'][ \t]*(?:TH|SH)\b", re.MULTILINE)
_REFERENCE = re.compile(r"^[.'][ \t]*so[ \t]+\S", re.MULTILINE)


def read_manual(text: str) -> Converted:
    """A manual page. Raises NotConverted."""
    is_mdoc = bool(_MDOC.search(text))
    if not is_mdoc and not _MAN.search(text):
        if _REFERENCE.search(text):
            raise NotConverted("reference to another manual page", passed_over=True)
        raise NotConverted("no manual page (no .TH or .Dt in it)", passed_over=True)
    blocks, requests = Blocks(), Requests()
    reader = Mdoc(blocks, requests) if is_mdoc else Man(blocks, requests)
    reader.read(text.replace("\r\n", "\n").split("\n"))
    return Converted(blocks.end())
