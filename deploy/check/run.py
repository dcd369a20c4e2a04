#!/usr/bin/env python3
"""Verifies everything under deploy/ with the tools that its users use, without a network.

Every module in checks/ has `check(ctx)` and gives a `Result` per artefact; a new module is found by itself.
A file that no check looked at is a failure: nothing is shipped unverified. Prints one line per artefact;
names on the command line select modules: `deploy/check/run.py docker systemd`.
"""

from __future__ import annotations

import importlib
import pathlib
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lib import DEPLOY, Context, Result, files  # noqa: E402

# The tools are programs of their own; two keep two cores busy.
WORKERS = 2
# Words for people, and the checks themselves.
UNCHECKED = (".md", "check/")


def modules(selected: list[str]) -> list[str]:
    """Names of the modules in checks/, or those selected."""
    names = [path.stem for path in files(DEPLOY / "check/checks", "*.py")]
    unknown = [name for name in selected if name not in names]
    if unknown:
        sys.exit(f"no such checks: {', '.join(unknown)}; there are: {', '.join(names)}")
    return selected or names


def run(name: str, context: Context) -> list[Result]:
    """Results of one module; a crash of the check is a failure too."""
    results: list[Result] = []
    try:
        for result in importlib.import_module(f"checks.{name}").check(context):
            results.append(result)
            print(result.line(), flush=True)
    except Exception:
        results.append(Result(f"deploy/check/checks/{name}.py", "failed", traceback.format_exc()))
        print(results[-1].line(), flush=True)
    return results


def unchecked(results: list[Result]) -> list[Result]:
    """Files that no result covers, by their own name or that of a folder above."""
    covered = {result.artefact.rstrip("/") for result in results}
    found = []
    for path in files(DEPLOY, "*"):
        name = path.relative_to(DEPLOY).as_posix()
        if name.startswith(UNCHECKED[1]) or name.endswith(UNCHECKED[0]) or "__pycache__" in name:
            continue
        full = f"deploy/{name}"
        if not any(full == artefact or full.startswith(f"{artefact}/") for artefact in covered):
            found.append(Result(full, "failed", "no check looks at it"))
    return found


def main() -> int:
    """Runs the checks; 1 when something failed."""
    start = time.monotonic()
    names = modules(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="tarn-deploy-") as folder:
        context = Context(pathlib.Path(folder))
        try:
            with ThreadPoolExecutor(WORKERS) as pool:
                results = [result for part in pool.map(lambda name: run(name, context), names) for result in part]
        finally:
            context.close()
    if not sys.argv[1:]:
        for result in unchecked(results):
            results.append(result)
            print(result.line())
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in ("ok", "failed", "skipped")}
    for result in results:
        if result.outcome == "failed":
            print(f"FAILED {result.artefact}")
    print(f"deploy: {time.monotonic() - start:.0f} s")
    print(f"{counts['ok']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
