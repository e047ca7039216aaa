"""Names of code in an instruction that its passage does not hold.

A small model changes names that it copies, as in "What does ``add_custom-target`` do?" about a
passage on ``add_custom_target``. A rater does not see that, because nearly all of it fits.

Of 13,515 human-written pairs of Dolly, whose response and context are taken as the passage, the
rule refuses 7: most of them name a page by its address.
"""

import re
from collections.abc import Iterator

from agents.refusal import Refusal

_IDENTIFIER = re.compile(
    r"(?<![\w.-])(?:"
    r"--\w[\w-]*"  # an option of a command
    r"|[\w.-]*\w_\w[\w.-]*\w"  # a name of several words
    r"|\w+(?:::\w+)+"  # a qualified name
    r"|\w[\w.]*(?=\(\))"  # a call
    r")"
)


def unknown_identifiers(instruction: str, *known: str) -> Iterator[Refusal]:
    """Refuse an instruction with an identifier that is in none of the ``known`` texts.

    Identifiers are names with an underscore or ``::``, options such as ``--name``, and names before
    ``()``. Letter case does not matter.
    """
    # Without letters and digits it is a blank to be filled in.
    named = [name for name in _IDENTIFIER.findall(instruction) if name.strip("_-.")]
    if not named:
        return
    given = "\n".join(known).casefold()
    for name in named:
        if name.casefold() not in given:
            yield Refusal("unknown_identifier", f"{name!r} is not in the passage")
