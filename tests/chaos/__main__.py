"""The command: ``python -m tests.chaos [--class NAME] [--seed N] [--documents N]``."""

import argparse
import sys
import time
from pathlib import Path

from tests.chaos.faults import CLASSES
from tests.chaos.report import write_report
from tests.chaos.result import Result
from tests.chaos.scene import FaultClass, Scene, Unavailable

_WORK = Path("work/chaos")


def main() -> int:
    """Run the chosen classes, write the report, and return 1 where anything was wrong."""
    options = _parse()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    chosen = [one for one in CLASSES if options.chosen in (None, one.name)]
    shares = sum(one.share for one in (chosen if options.chosen else CLASSES))
    results = []
    for fault_class in chosen:
        stored = Result.load(options.work, fault_class.name) if options.resume else None
        if stored is not None and stored.seed == options.seed:
            say(f"{fault_class.name}: kept from an earlier run")
            results.append(stored)
            continue
        count = round(options.documents * fault_class.share / shares)
        try:
            result = _play(fault_class, count, options, say)
        except Unavailable as error:
            say(f"{fault_class.name}: skipped: {error}")
            continue
        results.append(result)
        result.write(options.work)
    if options.chosen is None or options.report:
        write_report(options.work, options.output)
        say(f"wrote {options.output}")
    failed = [result.name for result in results if not result.passed]
    print("FAILED: " + ", ".join(failed) if failed else "passed", flush=True)
    return 1 if failed else 0


def _play(fault_class: FaultClass, count: int, options: argparse.Namespace, say) -> Result:  # type: ignore[no-untyped-def]
    say(f"{fault_class.name}: {fault_class.title}; {count:,} documents, seed {options.seed}")
    scene = Scene(
        fault_class,
        options.seed,
        count,
        options.work / "run" / fault_class.name,
        say=lambda line: say(f"{fault_class.name}: {line}"),
    )
    with scene:
        result = scene.play()
    verdict = result.verdict
    say(
        f"{fault_class.name}: {'passed' if result.passed else 'FAILED'} in {result.seconds:.0f} s: "
        f"fed {verdict['fed']:,}, candidates {verdict['ids']['candidates']:,}, "
        f"lost {len(verdict['lost'])}, duplicates after folding "
        f"{len(verdict['duplicates_folded'])}, unexpected dead letters "
        f"{len(verdict['dead_unexpected'])}"
    )
    for line in [*result.problems, *result.wrong, *result.restarts][:20]:
        say(f"{fault_class.name}:   {line}")
    return result


def _parse() -> argparse.Namespace:
    names = [one.name for one in CLASSES]
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--class", dest="chosen", choices=names, help="one class (default: all)")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    parser.add_argument(
        "--documents", type=int, default=20_000, help="shared by the classes (default: %(default)s)"
    )
    parser.add_argument(
        "--work", type=Path, default=_WORK, help="results, logs and data (default: %(default)s)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the stored results of the same seed"
    )
    parser.add_argument(
        "--report", action="store_true", help="write the report after a single class too"
    )
    parser.add_argument("--output", type=Path, default=Path("docs/reliability.md"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
