"""The one exception tree.

    BackstreamError
    ├── SettingsError        a setting is missing, unknown or contradicts another
    ├── BrokerError          Kafka cannot be started, reached or written to
    │   └── FencedError      another process has taken over what this one did
    ├── WireError            bytes on a topic are not a record that this version reads
    ├── SourceError          a file or stream given to ``feed`` cannot be read
    ├── ModelError           a checkpoint, an export or a release is not usable
    │   ├── PromptTooLong    a prompt does not fit the model's context window
    │   └── UnsupportedArchitecture  the engine's own graph cannot be built for this model
    ├── EngineError          the engine failed while requests were in flight; they may be tried again
    └── TrainingError        a fine-tuning run failed

Each message says what happened, to which record or file, and what to do next. Library errors are
translated where they enter (``raise ... from error``); the command line prints the message of a
BackstreamError and no traceback.
"""


class BackstreamError(Exception):
    """Base of every error that Backstream raises on purpose."""


class SettingsError(BackstreamError):
    """A setting is missing, unknown or contradicts another."""


class BrokerError(BackstreamError):
    """Kafka cannot be started, reached or written to."""


class FencedError(BrokerError):
    """Another process of the same name has started, and what this one did is its own now."""


class WireError(BackstreamError):
    """Bytes on a topic are not a record that this version reads."""


class SourceError(BackstreamError):
    """A file or stream given to ``feed`` cannot be read."""


class ModelError(BackstreamError):
    """A checkpoint, an export or a release is not usable."""


class PromptTooLong(ModelError):
    """A prompt does not fit the model's context window."""


class UnsupportedArchitecture(ModelError):
    """The engine's own graph cannot be built for this model; the message names the part."""


class EngineError(BackstreamError):
    """The engine failed while requests were in flight; they may be tried again."""


class TrainingError(BackstreamError):
    """A fine-tuning run failed."""
