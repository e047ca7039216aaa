"""Rewriting: a passage as the answer of an assistant to a request.

After *Better Alignment with Instruction Back-and-Forth Translation* (arXiv 2408.04614), in our own
words.
"""

from models.prompts.template import Family, Task, Template, with_and_without

# The request stands last. A model that was trained to write requests for passages otherwise writes
# the request again.
_CHAT = """\
{given}{{heading}}Text:
{{response}}

{{instruction}}
Answer as a helpful assistant would, completely and in full sentences, with what the text above \
says and nothing else."""

TEMPLATES = (
    # The forward task with the passage as its context, which the house model was trained on.
    Template(
        Task.REWRITING,
        Family.MARKERS,
        1,
        "{tag}<|instruction|>{instruction}<|context|>{response}<|response|>",
        "{tag}<|instruction|>{instruction}<|context|>{context}\n\n{response}<|response|>",
    ),
    Template(Task.REWRITING, Family.CHAT, 1, *with_and_without(_CHAT), system="{tag}"),
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
