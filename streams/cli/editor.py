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
        try:
            saved = file.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"the editor {editor!r} left no file: {error}; edit again"
            ) from error
        try:
            return saved.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            descriptor, kept = tempfile.mkstemp(prefix="backstream-", suffix=".txt")
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(saved)
            raise SettingsError(
                f"the editor {editor!r} saved another encoding than UTF-8 ({error}). The texts are "
                f"in {kept}; nothing was decided"
            ) from error
