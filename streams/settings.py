"""Settings: defaults, a YAML file, the environment (``BACKSTREAM_...``) and flags, each beating the
one before.

An unknown key is an error that names the nearest known one. ``${NAME}`` in the file stands for an
environment variable.
"""

import difflib
import os
import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source
from pydantic_settings import SettingsError as UnreadableSource

from schemas.errors import SettingsError

_OTHER_VARIABLES = {"BACKSTREAM_CACHE", "BACKSTREAM_RATER"}
"""Ours, but no settings: read where they are used."""

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class Role(StrEnum):
    """What a model is asked for: instructions (backward), or ratings (forward: the model that
    answers instructions).
    """

    BACKWARD = "backward"
    FORWARD = "forward"


class KafkaSettings(BaseModel):
    """How to talk to Kafka. Names are the clients' own, with dots as underscores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str = ""
    """``host:port[,host:port]``; filled in with the embedded broker's where empty."""
    group: str = "backstream"
    """Prefix of the consumer groups, ``GROUP.STAGE``: the identity under which progress is kept."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    replication_factor: int = Field(default=1, ge=1)
    """Of the topics that Backstream creates."""
    in_flight: int = Field(default=256, ge=1)
    """Records of one stage taken in and not yet answered for."""
    commit_seconds: float = Field(default=1.0, gt=0)
    session_seconds: float = Field(default=30.0, ge=1)
    rebalance_seconds: float = Field(default=120.0, ge=2)

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, where the protocol has one. Raises SettingsError for files that cannot
        be read.
        """
        if "SSL" not in self.security_protocol.replace("SASL_SSL", "SSL").split("_"):
            return None
        try:
            context = ssl.create_default_context(
                cafile=str(self.ssl_cafile) if self.ssl_cafile else None
            )
            if self.ssl_certfile:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        except OSError as error:
            raise SettingsError(
                f"kafka.ssl_cafile, ssl_certfile or ssl_keyfile cannot be used: {error}"
            ) from error
        return context

    def client(self) -> dict[str, Any]:
        """Arguments that aiokafka's and kafka-python's clients share."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        context = self.ssl_context()
        if context:
            arguments["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = (
                self.sasl_password.get_secret_value() if self.sasl_password else None
            )
        return arguments


class SegmentSettings(BaseModel):
    """What counts as a passage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_characters: int = Field(default=600, ge=1)
    max_characters: int = Field(default=3000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> "SegmentSettings":
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters {self.min_characters} is above max_characters "
                f"{self.max_characters}"
            )
        return self


class GenerationSettings(BaseModel):
    """How instructions are written. Temperature 0 is greedy; the paper samples at 0.7 with top-p
    0.9.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.3, ge=1, le=2)
    max_tokens: int = Field(default=64, ge=1, le=4096)
    samples: int = Field(default=1, ge=1, le=64)
    """Instructions written for each segment; more than one wants a temperature."""
    in_flight: int = Field(default=128, ge=1)
    """Requests that a model stage has open at once."""
    timeout_seconds: float = Field(default=1800.0, gt=0)
    """Of one attempt of a model stage, waiting in the engine's queue behind all that are open
    included.
    """


class CurationSettings(BaseModel):
    """What is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(default=4.0, ge=1, le=5)
    """Lowest rating kept; the paper trains on 4 and on 4.5."""
    novelty: float = Field(default=0.7, gt=0, le=1)
    """ROUGE-L with every kept instruction must be below this."""


class ReratingSettings(BaseModel):
    """What happens to the candidates that are there when a release takes service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    """Whether the release rates them again, behind live records."""
    after_seconds: float = Field(default=60.0, ge=0)
    """Waited after the announcement. A worker that has not changed by then begins no record until
    it has, so that nothing written later is rated by the release before; longer than a model takes
    to load, and nobody has to wait.
    """


class TrainingSettings(BaseModel):
    """When the trainer trains, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_examples: int = Field(default=200, ge=1)
    """New curated examples that start a training run."""
    max_seconds: float = Field(default=6 * 3600.0, gt=0)
    """A run starts after this long if there is any new example at all."""
    max_tokens: int = Field(default=2_000_000, ge=1000)
    """Training tokens of one run: what bounds its time."""
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Of a run, shared by its processes."""
    processes: int = Field(default=1, ge=1)
    """That train together, a GPU each."""
    lora_rank: int | None = Field(default=None, ge=0)
    """Of the adapters that are trained in place of the weights; 0 for none, None for 16 from 1e9
    parameters on.
    """


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="BACKSTREAM_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    state_dir: Path = Path("backstream-state")
    """Topics, logs, releases and the dataset live here; a second start continues where the first
    stopped.
    """
    broker: str | None = None
    """A Kafka of your own; without it, the embedded one."""
    port: int = Field(default=0, ge=0, le=65535)
    """Of the embedded broker; 0 for a free one."""
    model: str = "house"
    """``house``, a checkpoint or release directory, or a Hugging Face id. The trainer trains it,
    and its releases replace it.
    """
    backward: str | None = None
    """A model that writes the instructions in place of ``model``; no release replaces it."""
    forward: str | None = None
    """A model that rates in place of ``model``; no release replaces it."""
    system_prompt: str = ""
    """Leads the backward and rating prompts of models with a chat template."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    """Of the engine; all cores where not given."""
    precision: Literal["auto", "fp32", "int8"] = "auto"
    """Of the model on a CPU; ``auto`` is int8 where the export found that quality holds."""
    device_memory_gb: float | None = Field(default=None, gt=0)
    """Most of a GPU's memory that a model takes, so that a fine-tuner may share the card."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Serve Prometheus metrics here, and /live and /ready."""
    kafka: KafkaSettings = KafkaSettings()
    segments: SegmentSettings = SegmentSettings()
    generation: GenerationSettings = GenerationSettings()
    curation: CurationSettings = CurationSettings()
    rerating: ReratingSettings = ReratingSettings()
    training: TrainingSettings = TrainingSettings()

    def pinned(self, role: Role) -> str | None:
        """The model that plays a role whatever release is in service; None where that is ``model``
        or its release.
        """
        return self.backward if role is Role.BACKWARD else self.forward

    @property
    def rates_again(self) -> bool:
        """Whether a release that takes service rates again what was rated before."""
        return self.rerating.enabled and self.pinned(Role.FORWARD) is None

    @property
    def given_broker(self) -> str | None:
        """Address of a Kafka of the user's own; None where the embedded one is to serve."""
        return self.broker or self.kafka.bootstrap_servers or None

    @property
    def broker_dir(self) -> Path:
        """Of the embedded broker."""
        return self.state_dir / "kafka"

    @property
    def releases_dir(self) -> Path:
        """Where the trainer writes releases."""
        return self.state_dir / "releases"

    def with_broker(self, address: str) -> "Settings":
        """These settings, talking to ``address``."""
        return self.model_copy(
            update={"kafka": self.kafka.model_copy(update={"bootstrap_servers": address})}
        )


def load(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: tuple[str, ...] = (),
) -> Settings:
    """Settings from a file, the environment, ``key.path=value`` assignments and flags (None means
    not given).

    Raises SettingsError that names the key and, for an unknown one, the nearest known.
    """
    _refuse_unknown_variables()
    stated: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment!r} is not of the form key.path=value")
        try:
            nested: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {path}: the value is not YAML") from error
        for key in reversed(path.split(".")):
            nested = {key: nested}
        stated = _merged(stated, nested)
    stated |= {key: value for key, value in (flags or {}).items() if value is not None}
    from_file = _read(file) if file else {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: Source,
            env_settings: Source,
            dotenv_settings: Source,
            file_secret_settings: Source,
        ) -> tuple[Source, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    try:
        layered = Layered(**stated)
    except ValidationError as error:
        raise SettingsError(_explain(error, file)) from error
    except UnreadableSource as error:  # a section in the environment that is not JSON
        raise SettingsError(f"settings from the environment: {error}") from error
    return Settings.model_construct(layered.model_fields_set, **dict(layered))


def _refuse_unknown_variables() -> None:
    known = {f"BACKSTREAM_{name}".upper() for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in os.environ:
        if name.upper().startswith("BACKSTREAM_") and name.upper().split("__")[0] not in known:
            nearest = difflib.get_close_matches(name.upper(), known, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise SettingsError(f"environment variable {name} is no setting{hint}")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"settings file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"settings file {file} is not UTF-8 at byte {error.start:,}") from error

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"settings file {file} is not YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"settings file {file} must hold keys and values")
    return {key: _interpolated(value, file) for key, value in content.items()}


def _interpolated(value: Any, file: Path) -> Any:
    """``value`` with ``${NAME}`` in its strings replaced; after parsing, so that a secret is never
    read as YAML.
    """
    if isinstance(value, dict):
        return {key: _interpolated(inner, file) for key, inner in value.items()}
    if isinstance(value, list):
        return [_interpolated(inner, file) for inner in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise SettingsError(
                f"settings file {file} names ${{{match[1]}}}, which is not in the environment"
            )
        return found

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(one[key], other[key])
        for key in one.keys() & other.keys()
        if isinstance(one[key], dict) and isinstance(other[key], dict)
    }
    return {**one, **other, **both}


def _explain(error: ValidationError, file: Path | None) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(path, _known_keys(Settings), 1)
            lines.append(
                f"unknown setting {path!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")
            )
        else:
            got = "" if "password" in path else f" (got {problem['input']!r})"
            lines.append(f"{path}: {problem['msg']}{got}")
    where = f" in {file}" if file else ""
    return f"settings{where}: " + "; ".join(lines)


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += _known_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys
