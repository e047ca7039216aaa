"""Preference pairs as files for TRL's ``DPOTrainer``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.prompts.messages import MessagePrompter
from schemas.records import Preference
from streams.data.exports import request_of
from streams.data.files import write_lines, write_table
from streams.kafka.cluster import Cluster
from streams.kafka.reading.newest import newest_records

if TYPE_CHECKING:
    import pyarrow


def preferences(cluster: Cluster) -> list[Preference]:
    """The pairs that are not retracted, in order of first arrival. Raises BrokerError."""
    return newest_records(cluster, Preference)


def dpo_row(pair: Preference) -> dict[str, Any]:
    """A pair in TRL's conversational format, with its scores.

    The prompt of the backward task is the one that asks a model for the instruction of a passage.
    """
    if pair.task == "backward":
        prompt = MessagePrompter().backward(pair.prompt, pair.context, pair.headings, pair.turns)
    else:
        prompt = [{"role": turn.role, "content": turn.text} for turn in pair.turns]
        prompt.append({"role": "user", "content": request_of(pair.prompt, pair.context)})
    return {
        "prompt": prompt,
        "chosen": [{"role": "assistant", "content": pair.chosen.text}],
        "rejected": [{"role": "assistant", "content": pair.rejected.text}],
        "task": pair.task,
        "id": pair.example_id,
        "source": pair.chosen.provenance.source,
        "score": pair.chosen.rating.score,
        "score_chosen": pair.chosen.rating.score,
        "score_rejected": pair.rejected.rating.score,
    }


def columns() -> "pyarrow.Schema":
    """The Arrow schema of the rows."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    messages = pyarrow.list_(pyarrow.struct([("role", text), ("content", text)]))
    return pyarrow.schema(
        [
            *((name, messages) for name in ("prompt", "chosen", "rejected")),
            *((name, text) for name in ("task", "id", "source")),
            *((name, number) for name in ("score", "score_chosen", "score_rejected")),
        ]
    )


def write_preferences(pairs: Iterable[Preference], path: Path) -> int:
    """Write a row for each pair to a .jsonl or .parquet file; return the number written.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    rows = map(dpo_row, pairs)
    if path.suffix == ".parquet":
        return write_table(rows, columns(), path)
    return write_lines((json.dumps(row, ensure_ascii=False) for row in rows), path)
