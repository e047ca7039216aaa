"""Every setting: its name, type, default and meaning. ``docs/settings.md`` is the user's table."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agents.answers.settings import AnsweringSettings
from agents.curation.settings import CuratorSettings, split_at_commas
from agents.inventing.settings import InventionSettings
from agents.pairing.settings import PreferenceSettings
from agents.passages.navigation import NAVIGATION
from agents.rewriting.settings import RewritingSettings
from agents.sampling import SeveralSamples
from models.prompts.openings import OPENINGS
from models.prompts.templates import BUILT_IN, Templates
from models.remote.address import RemoteAddress, is_remote
from schemas.errors import SettingsError
from streams.settings.intake import IntakeSettings, WatchSettings
from streams.settings.kafka import KafkaSettings, checked_brokers
from streams.settings.page import PageSettings
from streams.settings.remote import RemoteSettings


class Role(StrEnum):
    """What a model does: it writes instructions (backward), or answers and rates (forward)."""

    BACKWARD = "backward"
    FORWARD = "forward"


class SegmentSettings(BaseModel):
    """How documents are cut. The lengths are those of a passage, in characters."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_characters: int = Field(default=600, ge=1)
    max_characters: int = Field(default=3000, ge=1)
    max_repetition: float = Field(default=0.3, ge=0, le=1)
    """Largest share of a passage's sentences that may repeat an earlier one."""
    refused_headings: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_at_commas)] = (
        NAVIGATION
    )
    """Headings, in any case, whose text is refused, with that of their subsections."""
    capital_words: int = Field(default=3, ge=0)
    """Fewest words of a heading in capitals that is refused; 0 to refuse none."""
    capital_share: float = Field(default=0.3, ge=0, le=1)
    """Share of a document's headings in capitals above which they pass, as in manual pages."""
    min_reply_characters: int = Field(default=200, ge=1)
    """Fewest characters of a reply in a conversation; ``max_characters`` are its most."""
    max_history_characters: int = Field(default=12_000, ge=0)
    """Most characters of what was said before the message that a reply answers."""
    max_seconds: float = Field(default=60.0, gt=0)
    """CPU seconds for reading and cutting a document. One that takes longer is a dead letter."""

    @model_validator(mode="after")
    def _in_order(self) -> "SegmentSettings":
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters {self.min_characters} is above max_characters "
                f"{self.max_characters}"
            )
        return self


class GenerationSettings(SeveralSamples):
    """How instructions are sampled.

    Temperature 0 is greedy. The paper samples at 0.7 with top-p 0.9.
    """

    repetition_penalty: float = Field(default=1.3, ge=1, le=2)
    max_tokens: int = Field(default=64, ge=1, le=4096)
    openings: dict[
        Annotated[str, Field(pattern=r"^\S", max_length=40)], Annotated[float, Field(gt=0)]
    ] = Field(default_factory=lambda: dict(OPENINGS))
    """First words of instructions with their weights; none leaves them to the model."""
    samples: int = Field(default=1, ge=1, le=64)
    """Instructions written for each segment; the best-rated one is accepted.

    More than one needs a temperature above 0.
    """
    in_flight: int = Field(default=128, ge=1)
    """Most records that a model stage has taken in and not yet acknowledged."""
    timeout_seconds: float = Field(default=1800.0, gt=0)
    """Longest duration of one attempt of a model stage, its wait in the engine's queue included."""


class ScorerSettings(BaseModel):
    """How pairs are rated."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    evidence: Literal["combined", "likelihood", "digits"] = "combined"
    """What ratings are made from: the likelihoods of the pair's texts, the digits that the model
    gives, or both. A release without a judge rates by digits.
    """


class ReratingSettings(BaseModel):
    """What happens to existing candidates when a release is deployed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = True
    """Whether the release rates them again, at a lower priority than live records."""
    after_seconds: float = Field(default=60.0, ge=0)
    """Seconds from the announcement to the start of the re-rating.

    A worker that has not changed to the release by then begins no record until it has, so that the
    previous release rates nothing that is written later. A value above the time that a model takes
    to load avoids that pause.
    """


class ReleaseSettings(BaseModel):
    """Which announced releases are accepted, and how the trainer signs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trusted_keys: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_at_commas)] = ()
    """Public keys (ed25519), each as 32 bytes in base64 or the path of a PEM file.

    With any, a release must be signed with one of them. The base needs no signature.
    """
    signing_key: Path | None = None
    """PEM file of the private key with which the trainer signs. No other user may read it."""


class TrainerSettings(BaseModel):
    """When the trainer trains, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_examples: int = Field(default=200, ge=1)
    """Curated examples that start a training run: new ones, and those that were rated again."""
    max_seconds: float = Field(default=6 * 3600.0, gt=0)
    """A run starts after this long if there is any new example."""
    max_tokens: int = Field(default=2_000_000, ge=1000)
    """Training tokens of one run. They bound its duration."""
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """CPU threads of a run, divided among its processes."""
    processes: int = Field(default=1, ge=1)
    """Processes that train together, one GPU each."""
    lora_rank: int | None = Field(default=None, ge=0)
    """Rank of the adapters that are trained in place of the weights.

    0 for no adapters. None: 16 for a base of 1e9 parameters or more, else no adapters.
    """
    mix: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_-]*$")], Annotated[float, Field(ge=0)]] = {}
    """Shares of the sources in an epoch: ``seed``, and stages such as ``answerer``.

    A source that is not named is left out. None: each example once.
    """
    confidence: Literal["ignore", "weigh"] = "ignore"
    """Whether the loss of a response is weighed by the example's confidence."""
    least_confidence: float = Field(default=0.0, ge=0, le=1)
    """Examples with a confidence below this are not trained on."""

    @model_validator(mode="after")
    def _mix_has_a_share(self) -> "TrainerSettings":
        if self.mix and not any(self.mix.values()):
            raise ValueError("mix has no share above 0: leave it out for each example once")
        return self


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        env_prefix="BACKSTREAM_",
        env_nested_delimiter="__",
    )

    state_dir: Path = Path("backstream-state")
    """Directory of the embedded broker's topics and logs, the releases and the dataset.

    A second start continues where the first stopped.
    """
    broker: str | None = None
    """``host:port[,host:port]`` of an external Kafka. None: the embedded broker."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the embedded broker. 0: a free port."""
    model: str = "house"
    """A name such as ``house``, a checkpoint or release directory, a GGUF file, or a hub id.

    The trainer fine-tunes this model, and its releases replace it.
    """
    backward: str | None = None
    """A model that writes the instructions in place of ``model``. No release replaces it.

    Also the address of one that is served elsewhere: ``openai:MODEL@http://host:port/v1``.
    """
    forward: str | None = None
    """A model that rates in place of ``model``, as ``backward``. No release replaces it."""
    prompts: Path | None = None
    """A file of prompts of the user's own, in place of the project's. None: the project's."""
    system_prompt: str = ""
    """System turn of the prompts that have none, for models with a chat template."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes CUDA if a session on it works."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the engine. None: all CPUs that the process may use."""
    precision: Literal["auto", "fp32", "int8"] = "auto"
    """Precision on a CPU. ``auto`` is int8 if the export measured no loss of quality."""
    device_memory_gb: float | None = Field(default=None, gt=0)
    """Limit of a model's GPU memory in GB, so that a fine-tuner can share the card."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of /metrics, /live and /ready. 0: a free port. None: no endpoint."""
    trainer_metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """The same for the trainer, which may run on the host of a worker."""
    metrics_host: str = "127.0.0.1"
    """Address that the endpoint listens on. ``0.0.0.0``: all interfaces, without authentication."""
    shutdown_seconds: float = Field(default=20.0, ge=1)
    """A process ends this long after SIGTERM or Ctrl-C at the latest, whatever it is doing."""
    kafka: KafkaSettings = KafkaSettings()
    segments: SegmentSettings = SegmentSettings()
    generation: GenerationSettings = GenerationSettings()
    answering: AnsweringSettings = AnsweringSettings()
    invention: InventionSettings = InventionSettings()
    scorer: ScorerSettings = ScorerSettings()
    curation: CuratorSettings = CuratorSettings()
    rewriting: RewritingSettings = RewritingSettings()
    preferences: PreferenceSettings = PreferenceSettings()
    rerating: ReratingSettings = ReratingSettings()
    releases: ReleaseSettings = ReleaseSettings()
    training: TrainerSettings = TrainerSettings()
    intake: IntakeSettings = IntakeSettings()
    watch: WatchSettings = WatchSettings()
    page: PageSettings = PageSettings()
    remote: RemoteSettings = RemoteSettings()
    agents: dict[str, dict[str, Any]] = {}
    """Agents of other packages that run, with the settings of each by its name."""

    @field_validator("prompts")
    @classmethod
    def _is_found_from_anywhere(cls, prompts: Path | None) -> Path | None:
        return None if prompts is None else prompts.expanduser().absolute()

    @field_validator("broker")
    @classmethod
    def _is_an_address(cls, broker: str | None) -> str | None:
        if broker is not None and not broker.strip():
            raise ValueError("it is empty: give host:port, or leave it out for the embedded broker")
        return None if broker is None else checked_brokers(broker)

    @field_validator("backward", "forward")
    @classmethod
    def _is_a_model(cls, name: str | None) -> str | None:
        if name is not None and is_remote(name):
            try:
                RemoteAddress.parse(name)
            except SettingsError as error:
                raise ValueError(str(error)) from error
        return name

    @field_validator("model")
    @classmethod
    def _is_local(cls, name: str) -> str:
        if is_remote(name):
            raise ValueError(
                "a model that is served elsewhere cannot be trained: name it with --backward or "
                "--forward"
            )
        return name

    @model_validator(mode="after")
    def _precision_can_be_estimated(self) -> "Settings":
        if self.curation.target_precision is not None and self.scorer.evidence == "digits":
            raise ValueError(
                "curation.target_precision has no effect with scorer.evidence digits, whose "
                "precision is not estimated: set curation.threshold, or another evidence"
            )
        return self

    @model_validator(mode="after")
    def _samples_meet(self) -> "Settings":
        partitions = self.kafka.topics.scored.partitions or 1
        compete = self.curation.rules.outrated
        if self.rewriting.enabled and not compete:
            raise ValueError(
                "rewriting.enabled needs curation.rules.outrated, by which a rewritten response "
                "takes the place of its original: set it to true"
            )
        if partitions > 1 and compete and (self.generation.samples > 1 or self.rewriting.enabled):
            several = f"generation.samples {self.generation.samples}"
            which = "rewriting.enabled" if self.rewriting.enabled else several
            raise ValueError(
                f"{which} needs one partition of scored, not "
                f"{partitions}: the samples of a passage would be spread over them. Set "
                "kafka.topics.scored.partitions and kafka.topics.curated.partitions to 1"
                + ("" if self.rewriting.enabled else ", or curation.rules.outrated to false")
            )
        return self

    def pinned(self, role: Role) -> str | None:
        """Return the model that is fixed for a role; None for ``model`` and its releases."""
        return self.backward if role is Role.BACKWARD else self.forward

    def templates(self) -> Templates:
        """Read the prompts file, if there is one. Raises SettingsError."""
        if self.prompts is None:
            return BUILT_IN
        from models.prompts.own.reading import read_own  # Jinja takes a while to import

        return read_own(self.prompts)

    @property
    def rates_again(self) -> bool:
        """Whether a release that is deployed rates existing candidates again."""
        return self.rerating.enabled and self.pinned(Role.FORWARD) is None

    @property
    def given_broker(self) -> str | None:
        """Address of the external Kafka; None for the embedded broker."""
        return self.broker or self.kafka.bootstrap_servers or None

    @property
    def broker_dir(self) -> Path:
        """Directory of the embedded broker."""
        return self.state_dir / "kafka"

    @property
    def releases_dir(self) -> Path:
        """Directory to which the trainer writes releases, and in which workers find them."""
        return self.state_dir / "releases"

    @property
    def usage_file(self) -> Path:
        """What models behind addresses have used."""
        return self.state_dir / "remote-usage.sqlite"

    @property
    def dataset_file(self) -> Path:
        """The trainer's copy of the curated set. It holds offsets, so each topic prefix has one."""
        return self.state_dir / f"{self.kafka.topic_prefix}dataset.sqlite"

    def with_broker(self, address: str) -> "Settings":
        """Return a copy of these settings that connects to ``address``."""
        return self.model_copy(
            update={"kafka": self.kafka.model_copy(update={"bootstrap_servers": address})}
        )
