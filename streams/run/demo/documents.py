"""The documents of ``backstream demo``: reference texts that every CPython carries."""

import ast
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.ids import document_id
from schemas.records import Document

_LIBRARY = """
    argparse asyncio collections concurrent contextlib csv dataclasses datetime decimal difflib
    doctest email enum fractions functools gettext heapq http inspect ipaddress json logging mailbox
    multiprocessing optparse os pathlib pickle pickletools random re sched shelve shutil smtplib
    statistics string subprocess tarfile textwrap threading timeit tokenize trace turtle typing
    unittest urllib warnings weakref xml zipfile
""".split()
"""Standard-library modules and packages whose docstrings are fed."""
_READABLE_TOPICS = """
    assert assignment booleans calls class comparisons context-managers
    customization exceptions execmodel function global import in naming nonlocal
    numeric-types objects raise return sequence-types string-methods truth try typesmapping typesseq
    while with yield
""".split()
_READABLE_LIBRARY = """
    collections contextlib fractions functools heapq json random sched shelve shutil statistics
    textwrap timeit
""".split()
"""The part of the documents that is fed where the model is slow: prose, with little code."""


def demo_documents(*, few: bool = False) -> Iterator[Document]:
    """The reference topics of CPython, and docstrings of a part of its standard library.

    ``few`` is a quarter of them, those that read well.
    """
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        if few and name not in _READABLE_TOPICS:
            continue
        source = f"pydoc_data.topics/{name}"
        yield Document(id=document_id(source, text), source=source, text=text, title=name)
    yield from library_documents(_READABLE_LIBRARY if few else _LIBRARY)


def library_documents(names: Iterable[str], path: str = "stdlib") -> Iterator[Document]:
    """The docstrings of modules and packages: one document for each file that has any.

    ``path`` is a name of ``sysconfig.get_paths``: ``stdlib``, or ``purelib`` for what is installed.
    """
    root = Path(sysconfig.get_paths()[path])
    for name in names:
        files = (
            [root / f"{name}.py"]
            if (root / f"{name}.py").exists()
            else sorted((root / name).rglob("*.py"))
        )
        for file in files:
            text = _docstrings(file)
            if text:
                source = f"python/{file.relative_to(root).as_posix()}"
                yield Document(id=document_id(source, text), source=source, text=text)


def _docstrings(file: Path) -> str:
    """The docstrings of a module, each under an underlined heading; empty if it has none."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""
    sections: list[str] = []

    def visit(node: ast.AST, name: str) -> None:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                sections.append(f"{name}\n{'=' * len(name)}\n\n{text}\n")
            for child in node.body:
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    visit(child, f"{name}.{child.name}")

    visit(tree, file.stem if file.stem != "__init__" else file.parent.name)
    return "\n".join(sections)
