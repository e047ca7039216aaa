"""Forward: the answer to an instruction."""

from models.prompts.template import Family, Task, Template

TEMPLATES = (
    Template(
        Task.FORWARD,
        Family.MARKERS,
        1,
        "{tag}<|instruction|>{instruction}<|response|>",
        "{tag}<|instruction|>{instruction}<|context|>{context}<|response|>",
    ),
    Template(
        Task.FORWARD, Family.CHAT, 1, "{instruction}", "{instruction}\n\n{context}", system="{tag}"
    ),
    Template(
        Task.FORWARD,
        Family.PLAIN,
        2,
        "{tag}\n\n### Request:\n{instruction}\n\n### Answer:\n",
        "{tag}\n\n### Request:\n{instruction}\n\n### Given:\n{context}\n\n### Answer:\n",
    ),
)
