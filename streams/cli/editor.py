"""The user's editor on a text."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from schemas.errors import SettingsError


def edited(text: str) -> str:
    """The text as it is when $VISUAL, $EDITOR or vi ends.

    Raises SettingsError where the editor cannot be started, or fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="backstream-") as directory:
        file = Path(directory) / "pair.txt"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise SettingsError(f"the editor {editor!r} failed: {error}; set EDITOR") from error
        return file.read_text(encoding="utf-8")
