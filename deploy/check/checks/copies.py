"""What is shipped twice is the same: the alerts and boards in the chart, the alerts for Kustomize.

A chart and a Kustomize folder cannot reach outside of themselves. `TARN_UPDATE=1 make deploy ARGS=copies` writes the
copies anew.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

from lib import Context, Failed, Result, files

ALERTS = "monitoring/alerts.yml"
BOARDS = "grafana/dashboards"
RULE = """# From deploy/monitoring/alerts.yml: TARN_UPDATE=1 make deploy ARGS=copies
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tarn
spec:
"""


def check(context: Context) -> Iterator[Result]:
    """One result per folder that has copies."""
    yield context.verify("deploy/helm/tarn/files", lambda: same(context, "helm/tarn/files", chart(context)))
    where = "kustomize/components/monitoring/prometheusrule.yaml"
    yield context.verify(f"deploy/{where}", lambda: same(context, where, {context.deploy / where: rule(context)}))


def chart(context: Context) -> dict[pathlib.Path, str]:
    """What belongs into the chart's files/."""
    below = context.deploy / "helm/tarn/files"
    boards = {below / "dashboards" / path.name: path.read_text() for path in files(context.deploy / BOARDS, "*.json")}
    if not boards:
        raise Failed(f"deploy/{BOARDS} has no board")
    return {below / "alerts.yml": (context.deploy / ALERTS).read_text()} | boards


def rule(context: Context) -> str:
    """The alerts as an object of the Prometheus Operator."""
    text = (context.deploy / ALERTS).read_text()
    lines = text[text.index("\ngroups:") + 1:].splitlines(keepends=True)
    return RULE + "".join(f"  {line}" if line.strip() else line for line in lines)


def same(context: Context, where: str, wanted: dict[pathlib.Path, str]) -> str:
    """Compares, or writes when TARN_UPDATE is set."""
    place = context.deploy / where
    if os.environ.get("TARN_UPDATE"):
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    there = set(files(place, "*")) if place.is_dir() else {place} & {path for path in wanted if path.exists()}
    if there != set(wanted):
        odd = sorted(path.name for path in there ^ set(wanted))
        raise Failed(f"{', '.join(odd)} should not be there, or is missing: TARN_UPDATE=1 make deploy ARGS=copies")
    for path, text in wanted.items():
        if path.read_text() != text:
            raise Failed(f"{path.name} is stale: TARN_UPDATE=1 make deploy ARGS=copies")
    return f"{len(wanted)} files"
