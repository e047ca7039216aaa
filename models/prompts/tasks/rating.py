"""Rating: how well a response serves its instruction, 1 to 5.

The scale follows *Self-Alignment with Instruction Backtranslation* (arXiv 2308.06259), in our own
words.
"""

from models.prompts.template import Family, Task, Template, with_and_without

DIGITS = ("1", "2", "3", "4", "5")
"""The points of the rating scale, worst first."""

RATING_LEAD = "Score: "
"""What the answer to a ``chat`` rating prompt begins with."""

SCALE = """\
1: incomplete, off the topic, promotional, navigation or forum talk.
2: covers most of the request, but not directly.
3: complete, but in the voice of a blog, a web page or another person.
4: complete and written as an assistant would; small improvements are possible.
5: written for exactly this request by an expert; no sentence is irrelevant."""
"""The rating scale, as shown to models and to people."""

_CHAT = (
    f"Rate how well the answer serves the request, from 1 to 5.\n{SCALE}\n"
    + """
{{turns}}Request:
{{instruction}}

{given}Answer:
{{response}}

Reply with one line: "Score: " and the number."""
)


TEMPLATES = (
    # The rating prompt continues the backward one. So the model has the likelihood of the
    # instruction when it predicts the digit, and the engine can reuse the passage's KV cache.
    Template(
        Task.RATING,
        Family.MARKERS,
        1,
        "<|response|>{response}<|instruction|>{instruction}<|score|>",
        "<|context|>{context}<|response|>{response}<|instruction|>{instruction}<|score|>",
    ),
    Template(Task.RATING, Family.CHAT, 2, *with_and_without(_CHAT), lead=RATING_LEAD),
    Template(
        Task.RATING,
        Family.PLAIN,
        2,
        "### Request:\n{instruction}\n\n### Answer:\n{response}\n\n"
        "### How well the answer serves the request, from 1 (not at all) to 5 "
        "(perfectly):\nScore: ",
        "### Request:\n{instruction}\n\n### Given:\n{context}\n\n### Answer:\n{response}\n\n"
        "### How well the answer serves the request, from 1 (not at all) to 5 "
        "(perfectly):\nScore: ",
    ),
)
