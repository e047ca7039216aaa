"""The user's editor on a text, as another process."""

import re
import sys
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from streams.cli.editor import edited


def _editor(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} -c '{code}'")


@pytest.mark.parametrize(("before", "after"), [("", r"\r\n"), (r"\xef\xbb\xbf", r"\n")])
def test_a_text_is_as_the_editor_saved_it(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    saved = rf'b"{before}Gr\xc3\xb6\xc3\x9fe{after}"'
    _editor(monkeypatch, f'import sys; open(sys.argv[1], "wb").write({saved})')
    assert edited("before") == "Größe\n"


def test_a_text_in_another_encoding_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    _editor(monkeypatch, r'import sys; open(sys.argv[1], "wb").write(b"Gr\xf6\xdfe")')
    with pytest.raises(SettingsError, match="another encoding than UTF-8") as raised:
        edited("before")
    found = re.search(r"The texts are in (\S+);", str(raised.value))
    assert found is not None
    kept = Path(found[1])
    assert kept.read_bytes() == "Größe".encode("latin-1")
    kept.unlink()


def test_an_editor_that_leaves_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _editor(monkeypatch, "import os, sys; os.remove(sys.argv[1])")
    with pytest.raises(SettingsError, match="left no file"):
        edited("before")
