"""Who uses a command."""

import getpass


def login() -> str:
    """Name of the user; empty where there is none, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
