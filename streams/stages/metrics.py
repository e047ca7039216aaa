"""The metrics as one typed list with name, type, labels and meaning.

``docs/metrics.md`` is generated from it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "backstream_"


class MetricType(StrEnum):
    """Prometheus metric types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric. ``name`` carries its unit, as Prometheus recommends; ids are never labels."""

    name: str
    type: MetricType
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name on the metrics page."""
        return _PREFIX + self.name


RECORDS = MetricDefinition(
    "records_total",
    MetricType.COUNTER,
    "Finished records, by outcome: processed, duplicate or dead.",
    ("stage", "outcome"),
)
OUTPUTS = MetricDefinition(
    "outputs_total",
    MetricType.COUNTER,
    "Messages acknowledged by the broker, by topic. On curated they outnumber the examples.",
    ("stage", "topic"),
)
REJECTIONS = MetricDefinition(
    "rejections_total",
    MetricType.COUNTER,
    "Records refused on their merits, by reason; deleted_unread: deleted by retention before they "
    "were read.",
    ("stage", "reason"),
)
REPLACED = MetricDefinition(
    "replaced_characters_total",
    MetricType.COUNTER,
    "Characters of passages that could not be decoded and are U+FFFD.",
    ("stage",),
)
MASKED = MetricDefinition(
    "masked_places_total",
    MetricType.COUNTER,
    "Places of accepted examples whose e-mail address, phone number or key is masked.",
    ("stage",),
)
RETRIES = MetricDefinition(
    "retries_total", MetricType.COUNTER, "Repeated attempts after an error.", ("stage",)
)
IN_FLIGHT = MetricDefinition(
    "in_flight_records", MetricType.GAUGE, "Records accepted and not yet finished.", ("stage",)
)
SECONDS = MetricDefinition(
    "record_seconds",
    MetricType.HISTOGRAM,
    "Time from accepting a record to the acknowledgement of everything written for it.",
    ("stage",),
)
UNREADABLE = MetricDefinition(
    "unreadable_messages_total",
    MetricType.COUNTER,
    "Messages passed over outside the stages because this version cannot read them, by topic.",
    ("topic",),
)

REFUSED_RELEASES = MetricDefinition(
    "refused_releases_total",
    MetricType.COUNTER,
    "Announced releases that this worker could not use: missing, changed, unsigned, unloadable.",
)

EXAMPLES = MetricDefinition(
    "curated_examples",
    MetricType.GAUGE,
    "Examples on curated that are not retracted, as the trainer has read them, by origin: "
    "augmented or seed.",
    ("origin",),
)
REMOTE_REQUESTS = MetricDefinition(
    "remote_requests_total",
    MetricType.COUNTER,
    "Requests to models behind addresses, by outcome: answered; busy (the server asks to come "
    "again); failed (not reached, an error, or an answer that cannot be used); refused; lost (no "
    "answer, or not in time).",
    ("role", "outcome"),
)
REMOTE_TOKENS = MetricDefinition(
    "remote_tokens_total",
    MetricType.COUNTER,
    "Tokens of their answers as the servers counted them, by kind: prompt or completion.",
    ("role", "kind"),
)
REMOTE_COST = MetricDefinition(
    "remote_cost_total", MetricType.COUNTER, "Cost of these tokens by `remote.prices`.", ("role",)
)

TRAINING_RUNS = MetricDefinition(
    "training_runs_total",
    MetricType.COUNTER,
    "Training runs of the trainer, by outcome: in_service, kept or failed.",
    ("outcome",),
)

INTAKE_DOCUMENTS = MetricDefinition(
    "intake_documents_total",
    MetricType.COUNTER,
    "Documents that `intake` and `watch` met, by way in (http, directory, store, feed) and "
    "outcome: acknowledged by the broker, refused because they cannot be read, passed_over.",
    ("way", "outcome"),
)
INTAKE_BYTES = MetricDefinition(
    "intake_bytes_total",
    MetricType.COUNTER,
    "Bytes of what was acknowledged: of bodies by http, of documents elsewhere.",
    ("way",),
)
INTAKE_REQUESTS = MetricDefinition(
    "intake_requests_total",
    MetricType.COUNTER,
    "Answers to `POST /documents`, by status.",
    ("status",),
)
INTAKE_SECONDS = MetricDefinition(
    "intake_seconds",
    MetricType.HISTOGRAM,
    "Time of a request to `/documents` until its answer.",
    ("way",),
)
INTAKE_LOOKS = MetricDefinition(
    "intake_looks_total",
    MetricType.COUNTER,
    "Times that `watch` has looked at a source, by outcome: done or failed.",
    ("way", "outcome"),
)
INTAKE_WAITING = MetricDefinition(
    "intake_waiting_records", MetricType.GAUGE, "Documents that wait for the segmenter."
)

METRICS = (
    RECORDS,
    OUTPUTS,
    REJECTIONS,
    REPLACED,
    MASKED,
    RETRIES,
    IN_FLIGHT,
    SECONDS,
    UNREADABLE,
    REFUSED_RELEASES,
    EXAMPLES,
    REMOTE_REQUESTS,
    REMOTE_TOKENS,
    REMOTE_COST,
    TRAINING_RUNS,
    INTAKE_DOCUMENTS,
    INTAKE_BYTES,
    INTAKE_REQUESTS,
    INTAKE_SECONDS,
    INTAKE_LOOKS,
    INTAKE_WAITING,
)
"""Every metric."""

_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 180)


def as_markdown() -> str:
    """Return the text of docs/metrics.md, which ``python -m streams.stages.metrics`` prints."""
    lines = [
        "# Metrics",
        "",
        "What a worker serves at `/metrics` on `metrics_port`, the trainer on "
        "`trainer_metrics_port`, `watch` on `watch.metrics_port`, and `intake` beside its "
        "documents, for Prometheus. Made from `streams/stages/metrics.py`.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{metric.full_name}` | {metric.type} | "
        f"{', '.join(f'`{label}`' for label in metric.labels)} | {metric.meaning} |"
        for metric in METRICS
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Metrics:
    """The metrics of one process, on a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _made: dict[str, Counter | Gauge | Histogram] = field(default_factory=dict)

    def counter(self, definition: MetricDefinition, **labels: str) -> Counter:
        """The counter of these labels."""
        made = self._make(definition, Counter)
        return made.labels(**labels) if labels else made  # type: ignore[return-value]

    def gauge(self, definition: MetricDefinition, **labels: str) -> Gauge:
        """The gauge of these labels."""
        made = self._make(definition, Gauge)
        return made.labels(**labels) if labels else made  # type: ignore[return-value]

    def histogram(self, definition: MetricDefinition, **labels: str) -> Histogram:
        """The histogram of these labels."""
        return self._make(definition, Histogram).labels(**labels)  # type: ignore[return-value]

    def _make(
        self, definition: MetricDefinition, kind: type[Counter] | type[Gauge] | type[Histogram]
    ) -> Counter | Gauge | Histogram:
        made = self._made.get(definition.name)
        if made is None:
            options: dict[str, Any] = {"buckets": _BUCKETS} if kind is Histogram else {}
            made = kind(
                definition.full_name,
                definition.meaning,
                definition.labels,
                registry=self.registry,
                **options,
            )
            self._made[definition.name] = made
        return made


if __name__ == "__main__":
    print(as_markdown(), end="")
