"""Logging, the same in every process of ours."""

import logging
import warnings


def configure_logging(level: int = logging.WARNING) -> None:
    """Log to standard error. Above INFO the clients are silent.

    They report each hiccup of a starting broker as an error; our own errors say what matters.
    """
    warnings.simplefilter("ignore")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("aiokafka", "kafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if level > logging.INFO else level)
