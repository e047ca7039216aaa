"""Logging, the same in every process of ours."""

import logging
import threading
import warnings

log = logging.getLogger(__name__)


def configure_logging(level: int = logging.WARNING) -> None:
    """Log to standard error. Above INFO the clients are silent.

    They report each hiccup of a starting broker as an error; our own errors say what matters.
    """
    warnings.simplefilter("ignore")
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("aiokafka", "kafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if level > logging.INFO else level)
    threading.excepthook = _tell


def _tell(ended: threading.ExceptHookArgs) -> None:
    """One line for a thread that an error ended: a dying broker ends the clients' so, and our own
    error tells why.
    """
    name = ended.thread.name if ended.thread else "a thread"
    error = (ended.exc_type, ended.exc_value, ended.exc_traceback) if ended.exc_value else None
    log.info("%s ended on %r", name, ended.exc_value, exc_info=error)
