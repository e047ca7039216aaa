"""Logging, the same in every process."""

import logging
import threading
import warnings

log = logging.getLogger(__name__)


def configure_logging(level: int = logging.WARNING) -> None:
    """Log to standard error. Above INFO the Kafka clients log nothing.

    The clients report each failed attempt on a broker that is starting as an error. Backstream's
    own errors cover the failures that matter.
    """
    warnings.simplefilter("ignore")
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("aiokafka", "kafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if level > logging.INFO else level)
    threading.excepthook = _log_thread_error


def _log_thread_error(ended: threading.ExceptHookArgs) -> None:
    """Log one line for a thread that ended on an error.

    The threads of the Kafka clients end like this when a broker stops; the error that Backstream
    raises names the cause.
    """
    name = ended.thread.name if ended.thread else "a thread"
    error = (ended.exc_type, ended.exc_value, ended.exc_traceback) if ended.exc_value else None
    log.info("%s ended on %r", name, ended.exc_value, exc_info=error)
