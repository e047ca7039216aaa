"""Where a text states its final answer: in a box, behind a mark, or after "the answer is"."""

import re

from agents.answers.plain_text import plain
from agents.passages.sentences import sentences

_BOX = re.compile(r"\\f?boxed?\s*\{")
_MARK = re.compile(r"(?m)^[ \t]*####[ \t]*(\S[^\n]*)")
"""The mark of the data set GSM8K (arXiv 2110.14168)."""
_KIND = r"(?:final|correct|right|best|overall)"
_PHRASES = (
    rf"\b(?:the|my|our|your)\s+(?:{_KIND}\s+)*(?:answer|option|choice)\b[^.\n:]{{0,60}}?"
    r"\b(?:is|was|are|would\s+be|should\s+be|must\s+be)\b\s*:?",
    rf"\b(?:{_KIND}\s+)?(?:answer|result|solution)\s*:",
    r"\bla\s+(?:respuesta|risposta)(?:\s+\w+)?\s+(?:es|è)\b\s*:?",
    r"\bla\s+réponse(?:\s+\w+)?\s+est\b\s*:?",
    r"\ba\s+resposta(?:\s+\w+)?\s+é\b\s*:?",
    r"\bdie\s+(?:\w+\s+)?antwort\s+(?:ist|lautet)\b\s*:?",
    r"\bhet\s+(?:\w+\s+)?antwoord\s+is\b\s*:?",
    r"\b(?:respuesta|risposta|réponse|resposta|antwort|antwoord|ответ|відповідь|cevap)\s*[:—–]",
    r"(?:答案|答え|解答)(?:是|为|為|は|[:：])",
    r"(?:정답|답)(?:은|[:：])",
    r"(?:الإجابة|الجواب)\s*(?:هي|هو|[:：])",
    r"उत्तर\s*(?:है|[:：])",
)
_PHRASE = re.compile(rf"(?:{'|'.join(_PHRASES)})\s*(?=\S)", re.IGNORECASE)
_SURROUNDING = " \t\"'“”‘’«».。.,;:!?！？()*"


def stated(text: str) -> str | None:
    """The final answer that a text states, as it says it; None where it states none.

    Of several, the last one counts.
    """
    if boxed := _boxed(text):
        return plain(boxed).strip()
    if marked := _MARK.findall(text):
        return plain(marked[-1]).strip()
    text = plain(text)
    end = max((found.end() for found in _PHRASE.finditer(text)), default=len(text))
    following = sentences(text[end:].split("\n")[0])
    return following[0] if following else None


def bare(answer: str) -> str:
    """A stated answer without quotation marks and punctuation around it."""
    return answer.strip(_SURROUNDING)


def _boxed(text: str) -> str | None:
    """The content of the last box with something in it."""
    for opening in reversed(list(_BOX.finditer(text))):
        depth, at = 1, opening.end()
        while at < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        if content := text[opening.end() : at - (not depth)].strip():
            return content
    return None
