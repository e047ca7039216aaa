"""The dataset card beside an export of preference pairs."""

from collections.abc import Iterable, Sequence

import numpy as np

from schemas.records import Preference
from schemas.release import Release
from streams.data.card import Export, applied, counted, front, licence, table

_QUANTILES = (0, 25, 50, 75, 100)


def preference_card(
    export: Export, pairs: Sequence[Preference], releases: Iterable[Release]
) -> str:
    """The card in Markdown, after YAML metadata. ``releases`` are as for ``card``."""
    made = [pair.chosen.provenance for pair in pairs]
    languages = counted(each.language for each in made if each.language)
    parts = [
        front(export, len(pairs), [name for name, _ in languages], ["preference", "dpo"]),
        f"# {export.file.stem}",
        "Pairs of a better and a worse answer to one prompt, made by Backstream: a model wrote one "
        "side of each at least, and a model rated both from 1 to 5. "
        f"Exported on {export.on.isoformat()} to `{export.file.name}`, in the shape "
        f"`{export.shape}`.",
        *applied(export, len(pairs)),
        "## Pairs",
        table(("task", "pairs"), counted(pair.task for pair in pairs)) or "There is none.",
        table(("language", "pairs"), languages),
    ]
    if pairs:
        margins = np.quantile([pair.margin for pair in pairs], [q / 100 for q in _QUANTILES])
        chosen = np.quantile(
            [pair.chosen.rating.score for pair in pairs], [q / 100 for q in _QUANTILES]
        )
        parts += [
            "## Ratings",
            table(
                ("quantile", "difference of the scores"),
                [(f"{q}%", f"{value:.2f}") for q, value in zip(_QUANTILES, margins, strict=True)],
            ),
            table(
                ("quantile", "score of the chosen side"),
                [(f"{q}%", f"{value:.2f}") for q, value in zip(_QUANTILES, chosen, strict=True)],
            ),
            table(("rated by", "pairs"), counted(pair.chosen.rating.release for pair in pairs)),
        ]
    sides = [side for pair in pairs for side in (pair.chosen, pair.rejected)]
    used = {side.rating.release for side in sides} | {side.provenance.release for side in sides}
    parts += licence(export, used, releases)
    return "\n\n".join(part for part in parts if part) + "\n"
