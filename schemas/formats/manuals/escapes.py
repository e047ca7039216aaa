"""Escape sequences of roff as text; see groff(7) and groff_char(7)."""

import re
from collections.abc import Mapping

_ONE = r"(?:\[[^\]\n]{0,100}\]|\([^\n]{2}|[^\n])"
"""A name: of one character, of two, or of any number."""
_ESCAPE = re.compile(
    rf"""\\(?:
    (?P<font>[fFgkmMYVn][+-]?{_ONE})
    |(?P<size>s(?:\[[^\]\n]{{0,100}}\]|'[^'\n]{{0,200}}'|[+-]?\([+-]?\d\d|[+-]?\d{{1,2}}))
    |(?P<shift>[h])(?:'(?P<by>[^'\n]{{0,200}})'|"[^"\n]{{0,200}}")
    |(?P<drawn>[vwlLDXRxSHAZbB])(?:'[^'\n]{{0,200}}'|"[^"\n]{{0,200}}")
    |o'(?P<over>[^'\n]{{0,200}})'
    |N'(?P<number>\d{{1,6}})'
    |C'(?P<long_c>[^'\n]{{0,200}})'
    |\((?P<two>[^\n]{{2}})
    |\[(?P<long>[^\]\n]{{0,100}})\]
    |\*(?P<string>{_ONE})
    |(?P<other>[^\n])
    )""",
    re.VERBOSE,
)
_OTHER = {
    "e": "\\", "\\": "\\", "E": "\\", "-": "-", "'": "'", "`": "`", ".": ".", " ": "\u00a0",
    "~": "\u00a0", "0": " ", "t": "\t", "_": "_", "\"": "", "a": " ", "r": "", "u": "", "d": "",
    "&": "", "|": "", "^": "", "%": "", ":": "", ",": "", "/": "", ")": "", "c": "", "p": "",
    "{": "", "}": "", "!": "", "?": "", "z": "",
}  # fmt: skip
_CHARACTERS = dict(
    pair.split("=", 1)
    for pair in (
        "bu=• em=— en=– hy=- lq=“ rq=” Lq=“ Rq=” oq=‘ cq=’ aq=' dq=\" ga=` ha=^ ti=~ rs=\\ sl=/"
        " co=© rg=® tm=™ +-=± mu=× di=÷ <==≤ >==≥ !==≠ ===≡ ~~=≈ ~==≃ ->=→ <-=← <>=↔ ua=↑ da=↓ rA=⇒"
        " lA=⇐ hA=⇔ Fo=« Fc=» fo=‹ fc=› de=° sc=§ dg=† dd=‡ ct=¢ Po=£ Eu=€ eu=€ Ye=¥ ss=ß la=⟨ ra=⟩"
        " lB=[ rB=] lC={ rC=} bv=| ba=| br=| or=| bb=¦ fm=′ sd=″ at=@ sh=# Do=$ mc=µ 12=½ 14=¼ 34=¾"
        " no=¬ OK=✓ sq=□ ci=○ ul=_ rn=‾ if=∞ mo=∈ nm=∉ pl=+ mi=− eq== **=∗ pc=· md=⋅ fs=⁄ S1=¹ S2=²"
        " S3=³ r!=¡ r?=¿ Of=ª Om=º ps=¶ lh=☜ rh=☞ te=∃ fa=∀ AN=∧ OR=∨ es=∅ su=∑ sr=√ is=∫ pd=∂ gr=∇"
        " sb=⊂ sp=⊃ ca=∩ cu=∪ .i=ı ae=æ AE=Æ oe=œ OE=Œ oa=å oA=Å /o=ø /O=Ø /l=ł /L=Ł Sd=ð Tp=þ TP=Þ"
        " -D=Ð :a=ä :e=ë :i=ï :o=ö :u=ü :y=ÿ :A=Ä :E=Ë :I=Ï :O=Ö :U=Ü 'a=á 'e=é 'i=í 'o=ó 'u=ú 'y=ý"
        " 'A=Á 'E=É 'I=Í 'O=Ó 'U=Ú 'c=ć 'C=Ć `a=à `e=è `i=ì `o=ò `u=ù `A=À `E=È `I=Ì `O=Ò `U=Ù ^a=â"
        " ^e=ê ^i=î ^o=ô ^u=û ^A=Â ^E=Ê ^I=Î ^O=Ô ^U=Û ~a=ã ~n=ñ ~o=õ ~A=Ã ~N=Ñ ~O=Õ ,c=ç ,C=Ç vs=š"
        " vS=Š vz=ž vZ=Ž *a=α *b=β *g=γ *d=δ *e=ε *z=ζ *y=η *h=θ *i=ι *k=κ *l=λ *m=μ *n=ν *c=ξ *o=ο"
        " *p=π *r=ρ *s=σ *t=τ *u=υ *f=φ *x=χ *q=ψ *w=ω *G=Γ *D=Δ *H=Θ *L=Λ *C=Ξ *P=Π *S=Σ *F=Φ *Q=Ψ"
        " *W=Ω"
    ).split()
)
_STRINGS = {
    "lq": "“",
    "rq": "”",
    "R": "®",
    "Tm": "™",
    "S": "",
    "Aq": "'",
    "C`": "",
    "C'": "",
    "--": "—",
}
"""Strings that macro packages define."""
_DEEPEST = 5
_LONGEST = 10_000
"""Characters that a string may become."""
_UNICODE = re.compile(r"u([0-9A-F]{4,6})(?:_([0-9A-F]{4,6}))*")


def plain(text: str, strings: Mapping[str, str] | None = None, depth: int = 0) -> str:
    """A text without escape sequences. ``strings``: those that the page defines."""
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        if (other := match["other"]) is not None:
            return _OTHER.get(other, other)
        if (name := match["two"] or match["long"] or match["long_c"]) is not None:
            return _character(name)
        if (string := match["string"]) is not None:
            name = _name(string)
            found = (strings or {}).get(name, _STRINGS.get(name, ""))[:_LONGEST]
            return plain(found, strings, depth + 1) if depth < _DEEPEST else ""
        if match["shift"]:
            return "" if (match["by"] or "").startswith("-") else " "
        if match["number"]:
            number = int(match["number"])
            return chr(number) if 32 <= number < 0x110000 else ""
        return match["over"] or ""

    return _ESCAPE.sub(one, text)


def _name(found: str) -> str:
    return (
        found[1:-1]
        if found[0] == "[" and len(found) > 1
        else found[1:]
        if found[0] == "("
        else found
    )


def _character(name: str) -> str:
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if _UNICODE.fullmatch(name):
        numbers = [int(part, 16) for part in name[1:].split("_")]
        return "".join(chr(number) for number in numbers if 32 <= number < 0x110000)
    return name if len(name) == 1 else ""
