"""Rewriting: a passage as the answer of an assistant to a request.

After *Better Alignment with Instruction Back-and-Forth Translation* (arXiv 2408.04614), in our own
words.
"""

from models.prompts.template import Family, Task, Template, with_and_without

_CHAT = """\
Below are a request and a passage that holds the answer. Write the answer to the request as a \
helpful assistant would: direct, complete, in plain sentences. Use only what the passage says and \
keep its names and numbers as they are. Leave out what does not belong to the request. Reply with \
the answer alone.

{given}Request:
{{instruction}}

{{heading}}Passage:
{{response}}"""

TEMPLATES = (
    # The forward task with the passage as its context, which the house model was trained on.
    Template(
        Task.REWRITING,
        Family.MARKERS,
        1,
        "{tag}<|instruction|>{instruction}<|context|>{response}<|response|>",
        "{tag}<|instruction|>{instruction}<|context|>{context}\n\n{response}<|response|>",
    ),
    Template(Task.REWRITING, Family.CHAT, 1, *with_and_without(_CHAT)),
    Template(
        Task.REWRITING,
        Family.PLAIN,
        1,
        "{tag}\n\n### Request:\n{instruction}\n\n### Passage:\n{response}\n\n"
        "### Answer, from the passage alone:\n",
        "{tag}\n\n### Request:\n{instruction}\n\n### Given:\n{context}\n\n"
        "### Passage:\n{response}\n\n### Answer, from the passage alone:\n",
    ),
)
