"""The example package of ``docs/extending.md``, installed into a directory as pip would."""

import re
from collections.abc import Mapping
from pathlib import Path

_DOCUMENT = Path(__file__).parents[1] / "docs" / "extending.md"


def blocks() -> dict[str, str]:
    """The files of the document, by name."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    return {
        name: code
        for code, name in re.findall(r"^```python\n(# (\S+\.py)\n.+?)^```", text, re.M | re.S)
    }


def entry_points() -> str:
    """The entry points of the document, as pip writes them."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^```toml\n(.+?)^```", text, re.M | re.S)
    tables = re.findall(r'\[project\.entry-points\."(.+?)"\]\n((?:.+\n)+)', "\n".join(found))
    return "\n".join(f"[{group}]\n{lines.replace(chr(34), '')}" for group, lines in tables)


def install(
    directory: Path,
    files: Mapping[str, str],
    points: str,
    name: str = "example",
    version: str = "1.0",
) -> None:
    """Write modules and the description that ``importlib.metadata`` reads."""
    for file, text in files.items():
        (directory / file).write_text(text, encoding="utf-8")
    info = directory / f"{name}-{version}.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    info.joinpath("entry_points.txt").write_text(points, encoding="utf-8")
