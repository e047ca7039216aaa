"""Passages that are no text about a subject: those of licences, and contents tables."""

import re

from agents.passages.sections import repaired
from agents.refusal import Refusal

_LICENCE = re.compile(
    r"permission\s+is\s+(?:hereby\s+)?granted|redistribution\s+and\s+use\s+in\s+source"
    r"|(?:is|comes)\s+(?:free\s+software|with\s+absolutely\s+no\s+warranty)"
    r"|you\s+can\s+redistribute\s+it|without\s+warranty\s+of\s+any\s+kind|without\s+any\s+warranty"
    r"|(?:no\s+event|no\s+circumstances)\s+(?:shall|will)\s+(?:the|any)\b.{0,80}\bliable"
    r"|merchantability|fitness\s+for\s+a\s+particular\s+purpose|\bas[- ]is[\"”]?\s+basis"
    r"|provided\s+[\"“'`]{0,2}as\s+is"
    r"|under\s+the\s+terms\s+(?:and\s+conditions\s+)?of\s+(?:the|this)"
    r"|all\s+rights\s+reserved|royalty[- ]free|sublicens|\blicen[sc]ees?\b|\blicensors?\b"
    r"|covered\s+(?:work|software|code)s?\b|derivative\s+works?\b|copyright\s+(?:holders?|owners?)"
    r"|(?:version|general\s+public|documentation|apache|mit|bsd|creative\s+commons|open\s+font)"
    r"\s+licen[sc]e|\breserved\s+font\s+names?\b"
    r"|\bthis\s+(?:public\s+)?licen[sc]e\b|\bcopyright\s+(?:\(c\)|©|\d{4})|\b©\s*\d{4}"
    r"|invariant\s+sections?|cover\s+texts?|incidental,?\s+(?:or|special)|consequential\s+damages"
    r"|affirmer|creative\s+commons|legal\s+code|neighbou?ring\s+rights"
    r"|patent\s+licen[sc]e|hereby\s+(?:grants?|disclaims?)|standard\s+version\b|object\s+code",
    re.IGNORECASE,
)
"""Phrases of licences and of warranty disclaimers."""
_LICENCE_ABROAD = re.compile(
    # French; in small letters "licencié" is somebody who was dismissed.
    r"\b(?-i:Licenciés?|Concédants?)\b|(?:contrat\s+de|présente)\s+licence"
    r"|licence\s+de\s+logiciel|tous\s+droits\s+réservés|expresses?\s+ou\s+(?:tacite|implicite)s?"
    r"|fournie?s?\s+[«\"“]?\s*(?:en\s+l['’]état|tel(?:le)?s?\s+quel)"
    r"|sans\s+(?:aucune|autre)\s+garantie|licences?\s+publiques?\s+générales?"
    # German.
    r"|\blizenz(?:geber|nehmer)(?:s|n|in|innen)?\b|\bdiese[rn]?\s+lizenz\b|\blizenzbedingungen"
    r"|alle\s+rechte\s+vorbehalten|haftungsausschlu(?:ss|ß)|\burheberrechts(?:inhaber|vermerk)"
    r"|ohne\s+(?:jede|jegliche|irgendeine)\s+(?:gewährleistung|garantie)"
    r"|unter\s+den\s+bedingungen\s+der\s+(?:gnu|\w*lizenz)"
    # Spanish.
    r"|\blicenci(?:ante|ador|atario)s?\b|\b(?:esta|presente)\s+licencia\b|obras?\s+derivadas?"
    r"|licencia\s+pública\s+general|todos\s+los\s+derechos\s+reservados|sin\s+ninguna\s+garantía"
    r"|titular(?:es)?\s+(?:de\s+los\s+derechos|del\s+copyright)"
    r"|bajo\s+los\s+términos\s+de\s+(?:la|esta)\b",
    re.IGNORECASE,
)
"""The same in French, German and Spanish."""
_NAMES_LICENCE = re.compile("licen|lizenz", re.IGNORECASE)
"""What a licence in these languages says somewhere. It spares other texts the search."""
_CHARACTERS_A_PHRASE = 350
"""A passage with a phrase of licences for each of so many characters is a licence's text."""
_FEWEST_PHRASES = 3

_LEADER = re.compile(r"(?:\.\s?){4,}\s*\d+\s*$|\s{2,}\d{1,4}\s*$", re.MULTILINE)
"""The end of a line of a contents table: dots or spaces, and the page."""
_LINK_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[[^\]\n]*\]\([^)\n]*\)[.,;:]?\s*$", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*(?:\d+|[A-Z])(?:\.\d+)+\.?\s+\S.{0,90}[^.!?:;\s]\s*$", re.MULTILINE)
"""A line with the number of a section and its heading."""
_CONTENTS = 0.6
"""Share of the lines of a contents table at which a passage is one."""


_STAMP = re.compile(
    r"^(?:this\s|the\s)?(?:page|document|file|article|site|content)?\s?(?:was\s)?"
    r"(?:last|zuletzt|dernière|última)\s(?:modified|updated|changed|edited|revised|reviewed|geändert"
    r"|bearbeitet|aktualisiert|modification|mise à jour|modificación|actualización)\b"
    r"[^\n]{0,60}\d{2}[^\n]{0,40}$\n*",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that says when a page was changed."""


LICENCE = "licence"
"""The reason of a passage of a licence."""


def without_stamps(text: str) -> str:
    """A text without lines that say when the page was changed."""
    found = _STAMP.sub("", text).rstrip("\n")
    return text if len(found) == len(text) else repaired(text, found)


def refuse_notice(text: str) -> Refusal | None:
    """Refuse the text of a licence, ``licence``, and a table of contents, ``contents``."""
    phrases = len(_LICENCE.findall(text))
    if _NAMES_LICENCE.search(text):
        phrases += len(_LICENCE_ABROAD.findall(text))
    if phrases >= _FEWEST_PHRASES and phrases * _CHARACTERS_A_PHRASE >= len(text):
        return Refusal(LICENCE, f"{phrases} phrases of licences in {len(text):,} characters")
    lines = text.count("\n") + 1 - text.count("\n\n")
    listed = max(len(pattern.findall(text)) for pattern in (_LEADER, _LINK_ITEM, _NUMBERED))
    if lines > 4 and listed >= _CONTENTS * lines:
        return Refusal("contents", f"{listed} of {lines} lines name a section and its place")
    return None
