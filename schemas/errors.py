"""The exception tree.

    BackstreamError
    ├── SettingsError        a setting is missing, unknown or contradicts another
    ├── BrokerError          Kafka cannot be started, reached or written to
    │   ├── BrokerUnavailable
    │   │                    no broker answers; the same request may be sent again
    │   └── FencedError      a newer process with the same transactional id took over
    ├── WireError            bytes on a topic are not a record that this version reads
    ├── TimeLimitExceeded    a record took more processing time than it may
    ├── StateUnavailable     the state of an agent cannot be restored now
    ├── RemoteUnavailable    a model behind an address cannot be used now
    │   ├── BudgetSpent      the budget of such models is spent
    │   └── RemoteMissing    its server does not know the model, or what is asked for
    ├── SourceError          a file or stream given to ``feed`` or ``seed`` cannot be read
    │   ├── DocumentTooLarge a document is larger than a record may be
    │   └── SourceUnavailable
    │                        a store, a feed or a directory cannot be read now
    ├── DecisionRefused      a person's decision is larger than the stream can take
    ├── RequestRefused       an HTTP request is not accepted, and nothing of it is written
    ├── NotText              bytes that should be text are binary, or in another charset
    ├── NotConverted         a PDF file or the like is damaged, encrypted or too large, or the
    │                        library that reads it is not installed
    ├── ModelError           a checkpoint, an export or a release is not usable
    │   ├── PromptTooLong    a prompt does not fit the model's context window
    │   └── UnsupportedArchitecture
    │                        our own graph does not support this model's architecture
    ├── EngineError          the engine failed while requests were in flight
    │   ├── EngineStopped    the engine does not run any more
    │   └── RemoteError      a server refuses a request, or its answer cannot be used
    ├── PluginError          code of another package failed, or returned what it may not
    ├── TrainingError        a fine-tuning run failed
    ├── StoreError           the file behind the page cannot be read or written
    ├── QueryError           an address or form of the page asks for something that there is not
    ├── NotFound             there is nothing at an address of the page
    └── VisitRefused         a request to the page is not admitted

Each message says what happened, to which record or file, and what to do next. Errors of libraries
are translated where they are caught (``raise ... from error``). The command line prints the message
of a BackstreamError without a traceback.
"""


class BackstreamError(Exception):
    """Base of every error that Backstream raises on purpose."""


class SettingsError(BackstreamError):
    """A setting is missing, unknown or contradicts another."""


class BrokerError(BackstreamError):
    """Kafka cannot be started, reached or written to."""


class BrokerUnavailable(BrokerError):
    """No broker answers, or not in time. The same request may be sent again."""


class FencedError(BrokerError):
    """A newer process with the same transactional id took over; this one must stop."""


class WireError(BackstreamError):
    """Bytes on a topic are not a record that this version reads."""


class TimeLimitExceeded(BackstreamError):
    """A record took more processing time than it may. It would again."""


class StateUnavailable(BackstreamError):
    """The state of an agent cannot be restored now. It may be later."""


class RemoteUnavailable(BackstreamError):
    """A model behind an address cannot be used now. It may be later; no record is to blame."""


class BudgetSpent(RemoteUnavailable):
    """The budget of models behind addresses has no room for another request."""


class RemoteMissing(RemoteUnavailable):
    """The server of a model does not know the model, or does not have what is asked for."""


class SourceError(BackstreamError):
    """A file or stream given to ``feed`` or ``seed`` cannot be read."""

    @classmethod
    def because(cls, error: BaseException, message: str) -> "SourceError":
        """An error with its cause, for those that are yielded and not raised."""
        made = cls(message)
        made.__cause__ = error
        return made


class DocumentTooLarge(SourceError):
    """A document is larger than a record may be."""


class SourceUnavailable(SourceError):
    """A store, a feed, a directory, or a file of it cannot be read now. It may be later."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds
        """Wait at least this long before trying again; infinity where it will not come back."""


class DecisionRefused(BackstreamError):
    """A person's decision is larger than the stream can take, and was not written."""


class RequestRefused(BackstreamError):
    """An HTTP request is not accepted, and nothing of it is written."""

    def __init__(
        self, status: int, reason: str, errors: tuple[str, ...] = (), documents: int = 0
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.errors = errors
        """One for each of the first documents that cannot be read."""
        self.documents = documents
        """Number of all documents that cannot be read."""


class NotText(BackstreamError):
    """Bytes that should be text are binary, or in another charset. The caller adds their name."""

    def __init__(self, message: str, in_other_charset: bool = False) -> None:
        super().__init__(message)
        self.in_other_charset = in_other_charset
        """Whether they are text, but in another charset."""


class NotConverted(BackstreamError):
    """A PDF file or the like cannot be made HTML. The caller adds its name."""

    def __init__(self, message: str, passed_over: bool = False) -> None:
        super().__init__(message)
        self.passed_over = passed_over
        """Whether it is no error that it is left out; the message is then the reason."""


class ModelError(BackstreamError):
    """A checkpoint, an export or a release is not usable."""


class PromptTooLong(ModelError):
    """A prompt does not fit the model's context window."""


class UnsupportedArchitecture(ModelError):
    """Our own graph does not support this model's architecture; the message names the part."""


class EngineError(BackstreamError):
    """The engine failed while requests were in flight. They may be tried again."""


class EngineStopped(EngineError):
    """The engine was closed, or ended on an error. No request succeeds any more."""


class RemoteError(EngineError):
    """The server of a model refuses a request, or its answer cannot be used."""


class PluginError(BackstreamError):
    """Code of another package failed, or returned what it may not."""


class TrainingError(BackstreamError):
    """A fine-tuning run failed."""


class StoreError(BackstreamError):
    """The file behind the page cannot be read or written."""


class QueryError(BackstreamError):
    """An address or a form of the page asks for something that there is not."""


class NotFound(BackstreamError):
    """There is nothing at an address of the page."""


class VisitRefused(BackstreamError):
    """A request to the page is not admitted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the answer; with 303, the message is where to go."""
