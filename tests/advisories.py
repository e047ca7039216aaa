"""``python -m tests.advisories``: known vulnerabilities of the locked packages.

pip-audit asks the OSV database about each one. Where that cannot be reached, this says so and
succeeds: nothing was found out. It fails where a package has a known vulnerability.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

_SERVICE = "https://api.osv.dev/v1/query"
_LOCK = Path(__file__).parents[1] / "requirements.lock"
_SECONDS = 5
_ALL_SECONDS = 300


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.advisories", description=__doc__)
    parser.add_argument("--lock", type=Path, default=_LOCK)
    parser.add_argument("--service", default=_SERVICE, help="query address of an OSV database")
    options = parser.parse_args(arguments)

    if reason := _unreachable(options.service):
        print(f"not audited: the advisory service cannot be reached ({reason})")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        output = _audit(options.lock, options.service, report)
        if not report.exists():
            if reason := _unreachable(options.service):
                print(f"not audited: the advisory service could be reached no more ({reason})")
                return 0
            print(f"the packages of {options.lock} could not be audited:\n{output}")
            return 1
        return _show(json.loads(report.read_text(encoding="utf-8"))["dependencies"])


def _unreachable(service: str) -> str | None:
    """Why the service does not answer, or None where it does."""
    query = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "26.0"}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(service, json.dumps(query).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            json.load(answer)
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return None


def _audit(lock: Path, service: str, report: Path) -> str:
    """Write the report of all packages, and return what pip-audit prints."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps"]
    command += ["--disable-pip", "--progress-spinner", "off", "--timeout", str(_SECONDS)]
    command += ["--vulnerability-service", "osv", "--osv-url", service]
    command += ["--format", "json", "--output", str(report)]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"pip-audit took more than {_ALL_SECONDS} s"
    return "\n".join(ran.stderr.splitlines()[-5:])


def _show(packages: list[dict[str, object]]) -> int:
    skipped = [package for package in packages if "skip_reason" in package]
    for package in skipped:
        print(f"{package['name']}: not audited: {package['skip_reason']}")
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        found = package["vulns"]
        assert isinstance(found, list)
        for vulnerability in found:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            print(
                f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}"
            )
    print(f"{len(packages) - len(skipped)} packages audited, {len(vulnerable)} vulnerable")
    return bool(vulnerable)


if __name__ == "__main__":
    sys.exit(main())
