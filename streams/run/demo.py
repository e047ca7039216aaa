"""``backstream demo``: the whole loop once, on documents that every CPython carries."""

import ast
import asyncio
import signal
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from models.releases.release import read_manifest
from models.serving.served_model import ServedModel
from schemas.errors import TrainingError
from schemas.ids import document_id
from schemas.records import Document, Example, Release
from streams.data.dataset import snapshot
from streams.data.exports import Shape, write_jsonl
from streams.data.feed import feed
from streams.kafka.cluster import Cluster
from streams.kafka.reading import RecordReader
from streams.kafka.replay import replay
from streams.kafka.topics import DOCUMENTS
from streams.observe.audit import Audit, audit
from streams.observe.lag import Flow, FlowReader
from streams.observe.progress import Progress
from streams.releases.announcements import read_releases
from streams.releases.rerating import Rerating, rerating
from streams.run.supervisor import Supervisor
from streams.settings import Settings

_POLL_SECONDS = 0.5
_TELL_SECONDS = 5.0
_TRAINING_TOKENS = 100_000
"""About a minute of training on 2 cores."""
_RERATING_SECONDS = 3.0
"""One worker with a small model changes sooner."""
_LIBRARY = """
    argparse asyncio collections concurrent contextlib csv dataclasses datetime decimal difflib
    doctest email enum fractions functools gettext heapq http inspect ipaddress json logging mailbox
    multiprocessing optparse os pathlib pickle pickletools random re sched shelve shutil smtplib
    statistics string subprocess tarfile textwrap threading timeit tokenize trace turtle typing
    unittest urllib warnings weakref xml zipfile
""".split()
"""Standard-library modules and packages whose docstrings are fed."""


def demo_documents() -> Iterator[Document]:
    """CPython's reference topics, and the docstrings of a part of its standard library, a document
    each.
    """
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        source = f"pydoc_data.topics/{name}"
        yield Document(id=document_id(source, text), source=source, text=text, title=name)
    yield from library_documents(_LIBRARY)


def library_documents(names: Iterable[str], path: str = "stdlib") -> Iterator[Document]:
    """The docstrings of modules and packages, a document for each file that has any.

    They are those of the standard library, or of what is installed where ``path`` is ``purelib``.
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


def run_demo(settings: Settings, base: Path, limit: int | None = None) -> int:
    """Run the demo to its end, print the summary, and return the exit code."""
    training = settings.training.model_copy(
        update={"max_tokens": min(settings.training.max_tokens, _TRAINING_TOKENS)}
    )
    rerating = settings.rerating.model_copy(
        update={"after_seconds": min(settings.rerating.after_seconds, _RERATING_SECONDS)}
    )
    settings = settings.model_copy(update={"training": training, "rerating": rerating})
    run = _Run(settings, base)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.interrupt)
    try:
        return _run(run, settings, base, limit)
    except KeyboardInterrupt:
        run.progress.note(
            "interrupted; everything is stopped, and another `backstream demo` goes on from here"
        )
        return 130


def _run(run: "_Run", settings: Settings, base: Path, limit: int | None) -> int:
    with Supervisor(settings, base, run.progress.note) as supervisor, run.progress:
        run.cluster = supervisor.settings.kafka.cluster()
        supervisor.start_worker()
        fed = run.feed(limit)
        with FlowReader(run.cluster) as reader:
            run.until_idle(supervisor, reader)
            run.train(supervisor)
            run.until_loaded(supervisor)
            run.until_rated_again(supervisor)
            run.until_idle(supervisor, reader)
            account = audit(run.cluster, reader.committed())
        examples = snapshot(run.cluster)
        releases = read_releases(run.cluster)
    output = settings.state_dir / "curated.jsonl"
    write_jsonl(examples, output, Shape.TRIPLES)
    print(_summary(fed, account, examples, releases, run, output))
    return 0 if account.complete else 1


@dataclass
class _Run:
    """The steps of one demo and what they measured."""

    settings: Settings
    base: Path
    cluster: Cluster = field(default_factory=lambda: Cluster({}))
    progress: Progress = field(default_factory=Progress)
    started: float = field(default_factory=time.monotonic)
    first_curated: float | None = None
    served: str = ""
    kept_before: set[str] = field(default_factory=set)
    rerating: Rerating | None = None
    interrupted: bool = False

    def interrupt(self, *_: object) -> None:
        """A signal's handler. What it raises may be lost in a library's bare ``except``: then the
        next poll raises it again.
        """
        self.interrupted = True
        raise KeyboardInterrupt

    def feed(self, limit: int | None) -> int:
        """Feed what the topic does not hold yet; a second demo goes on where the first stopped."""
        reader = RecordReader()
        held = {
            document.id
            for received in replay(self.cluster, DOCUMENTS)
            if (document := reader.read_record(received, Document)) is not None
        }
        missing = [
            document for document in islice(demo_documents(), limit) if document.id not in held
        ]
        report = feed(self.cluster, missing)
        self.progress.note(
            f"fed {report.written:,} documents ({report.bytes / 1e6:.1f} MB); {len(held):,} "
            "were there already"
        )
        return report.written + len(held)

    def until_idle(self, supervisor: Supervisor, reader: FlowReader) -> None:
        """Wait until everything is answered for, in two readings that agree: one alone can fall
        between two commits.
        """
        last: Flow | None = None
        while True:
            self._take_events(supervisor)
            flow = reader.read()
            self.progress.flow(flow)
            if self.first_curated is None and flow.messages["curated"]:
                self.first_curated = time.monotonic() - self.started
                self.progress.note(
                    f"the first curated example is there, after {self.first_curated:.0f} s"
                )
            if flow.idle and flow == last:
                return
            last = flow
            time.sleep(_POLL_SECONDS)

    def train(self, supervisor: Supervisor) -> None:
        """One training run, in a process of its own. Raises TrainingError where it fails."""
        process = supervisor.train_once()
        while process.is_alive():
            self._take_events(supervisor)
            process.join(_POLL_SECONDS)
        self._take_events(supervisor)
        if process.exitcode:
            raise TrainingError(
                f"the trainer ended with exit code {process.exitcode}; its message is above"
            )

    def until_loaded(self, supervisor: Supervisor) -> None:
        """Wait until the worker serves the newest release; one that was not promoted is loaded
        here, to verify it.
        """
        releases = read_releases(self.cluster)
        if not releases:
            return
        newest = releases[-1]
        if newest.status != "in_service":
            served = asyncio.run(
                ServedModel.load(Path(newest.location), device=self.settings.device)
            )
            served.close()
            return
        while self.served != newest.id:
            self._take_events(supervisor)
            time.sleep(_POLL_SECONDS)

    def until_rated_again(self, supervisor: Supervisor) -> None:
        """Wait until a release that took service has rated again what the one before it had
        rated.
        """
        serving = next(
            (r for r in reversed(read_releases(self.cluster)) if r.id == self.served), None
        )
        if serving is None:
            return
        seconds, told = self.settings.rerating.after_seconds, 0.0
        self.kept_before = {example.id for example in snapshot(self.cluster)}
        while self.rerating is None or not self.rerating.finished:
            self._take_events(supervisor)
            time.sleep(_POLL_SECONDS)
            if time.time() < serving.announced_at + seconds:
                continue
            self.rerating = rerating(self.cluster, serving, seconds)
            if time.monotonic() - told >= _TELL_SECONDS or self.rerating.finished:
                told = time.monotonic()
                self.progress.note(
                    f"{serving.id} has rated {self.rerating.done:,} of "
                    f"{self.rerating.total:,} candidates again"
                )

    def _take_events(self, supervisor: Supervisor) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        for event in supervisor.poll():
            self.progress.event(event)
            if event["event"] in ("ready", "serving"):
                self.served = event["release"]


def _docstrings(file: Path) -> str:
    """The docstrings of a module under underlined headings, as its documentation would print
    them.
    """
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


def _summary(
    documents: int,
    account: Audit,
    examples: list[Example],
    releases: list[Release],
    run: _Run,
    output: Path,
) -> str:
    from streams.releases.describe import describe_release

    lines = [
        "",
        f"{documents:,} documents, every id accounted for"
        if account.complete
        else "IDS WERE LOST: see `backstream audit`",
    ]
    lines += [
        f"  {s.stage:10} {s.ids:>6,} in = {s.followed:,} passed + {s.rejected:,} rejected + "
        f"{s.dead:,} dead"
        for s in account.stages
    ]
    lines += [
        f"  rejected by {stage}: {reason} {count:,}"
        for (stage, reason), count in sorted(account.rejections.items())
    ]
    lines += ["", f"{len(examples):,} curated examples" + ("; the best three:" if examples else "")]
    for example in sorted(examples, key=lambda e: -(e.rating.score if e.rating else 0.0))[:3]:
        response = " ".join(example.response.split())
        score = f"{example.rating.score:.2f}" if example.rating else "seed"
        lines.append(
            f"  {score}  {example.instruction}\n        {response[:150]}…\n        from "
            f"{example.provenance.source}"
        )
    lines.append("")
    if releases:
        lines.append(describe_release(releases[-1]))
        served = f"loaded and in service: {run.served}"
        lines.append(
            f"  {served}"
            if run.served == releases[-1].id
            else f"  loaded and verified, not promoted; {served}"
        )
        if run.rerating is not None:
            kept = {example.id for example in examples}
            lines.append(
                f"  it rated {run.rerating.done:,} candidates again: "
                f"{len(run.kept_before & kept):,} examples stayed, "
                f"{len(run.kept_before - kept):,} were taken back, "
                f"{len(kept - run.kept_before):,} came in"
            )
    else:
        lines.append(
            f"no release: nothing new to train on; in service: {read_manifest(run.base).id}"
        )
    first = (
        f"the first curated example after {run.first_curated:.0f} s, "
        if run.first_curated is not None
        else ""
    )
    lines += [
        "",
        f"{first}all of it in {time.monotonic() - run.started:.0f} s",
        f"the curated set: {output}",
    ]
    return "\n".join(lines)
