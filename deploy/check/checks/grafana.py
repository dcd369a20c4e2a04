"""Grafana: the shape of data sources and boards, and every question of every panel asked of a running Tarn."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import time
from collections.abc import Iterator

from lib import Context, Failed, Result, Server, files, version_of

# What a board and its panels must have for Grafana 10 and newer to load them as they are.
TARGET = {
    "type": "object",
    "required": ["refId", "datasource", "expr"],
    "properties": {"refId": {"pattern": "^[A-Z]$"}, "expr": {"type": "string", "minLength": 1}},
}
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "gridPos"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "type": {"enum": ["row", "stat", "timeseries", "table"]},
        "title": {"type": "string", "minLength": 1},
        "gridPos": {
            "type": "object",
            "required": ["x", "y", "w", "h"],
            "additionalProperties": False,
            "properties": {name: {"type": "integer", "minimum": 0, "maximum": 400} for name in "xywh"},
        },
        "targets": {"type": "array", "items": TARGET, "minItems": 1},
    },
    "if": {"properties": {"type": {"not": {"const": "row"}}}},
    "then": {"required": ["targets", "datasource", "fieldConfig", "options"]},
}
BOARD = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"pattern": "^[a-z0-9-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "minItems": 1, "items": PANEL},
    },
}
SOURCE = {
    "type": "object",
    "required": ["name", "uid", "type", "access", "url", "jsonData"],
    "properties": {"type": {"enum": ["prometheus", "alertmanager"]}, "access": {"const": "proxy"}},
}
COLUMNS = 24
# What Grafana puts into a question before it sends it.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*", "$service": ".*"}
# Own metrics come every 2 s at first; a rate wants two of them.
DATA_SECONDS = 60
RANGE_SECONDS = 600


def check(context: Context) -> Iterator[Result]:
    """Provisioning and boards."""
    folder = context.deploy / "grafana"
    yield context.verify("deploy/grafana/provisioning/datasources", lambda: sources(context, folder))
    yield context.verify("deploy/grafana/provisioning/dashboards", lambda: providers(context, folder))
    for path in files(folder / "dashboards", "*.json"):
        yield context.verify(context.name(path), lambda path=path: board(context, path))


def load(context: Context, path: pathlib.Path) -> dict:
    """YAML."""
    return context.module("yaml", "pyyaml").safe_load(path.read_text())


def shape(context: Context, what: object, schema: dict) -> None:
    """Against a schema; names the place that is wrong."""
    jsonschema = context.module("jsonschema")
    for error in jsonschema.Draft202012Validator(schema).iter_errors(what):
        raise Failed(f"at {error.json_path}: {error.message[:300]}")


def sources(context: Context, folder: pathlib.Path) -> str:
    """Shape, and what Grafana's "Save & test" and its lists ask of each kind."""
    document = load(context, folder / "provisioning/datasources/tarn.yaml")
    found = document["datasources"]
    shape(context, found, {"type": "array", "minItems": 1, "items": SOURCE})
    uids = [source["uid"] for source in found]
    if document.get("apiVersion") != 1 or len(set(uids)) != len(uids):
        raise Failed("apiVersion must be 1 and every uid its own")
    if [source["uid"] for source in found if source.get("isDefault")] != ["tarn"]:
        raise Failed("exactly one data source, tarn, is the default")
    for source in found:
        if source["jsonData"].get("alertmanagerUid", uids[0]) not in uids:
            raise Failed(f"{source['name']}: alertmanagerUid names no data source of the file")
    server = context.server()
    asked = [("/api/v1/query", {"query": "1+1"}), ("/api/v1/status/buildinfo", {}), ("/api/v1/rules", {}),
             ("/api/v2/status", {}), ("/api/v2/alerts/groups", {}), ("/api/v2/silences", {})]
    for path, parameters in asked:
        server.get(path, **parameters)
    return f"{version_of('jsonschema')}; {len(asked)} questions of Grafana answered by tarn"


def providers(context: Context, folder: pathlib.Path) -> str:
    """Shape of the list of folders."""
    document = load(context, folder / "provisioning/dashboards/tarn.yaml")
    schema = {
        "type": "object",
        "required": ["apiVersion", "providers"],
        "properties": {
            "apiVersion": {"const": 1},
            "providers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "type", "options"],
                    "properties": {"type": {"const": "file"}, "options": {"type": "object", "required": ["path"]}},
                },
            },
        },
    }
    shape(context, document, schema)
    return version_of("jsonschema")


def board(context: Context, path: pathlib.Path) -> str:
    """Shape and layout, then the questions."""
    document = json.loads(path.read_text())
    shape(context, document, BOARD)
    layout(document["panels"])
    names = {variable["name"] for variable in document["templating"]["list"]}
    for used in re.findall(r"\$\{?([a-z]\w*)", json.dumps(document["panels"])):
        if used not in names:
            raise Failed(f"${used} is no variable of the board")
    imported(context, path)
    server = context.server()
    seed(context, server)
    questions = list(expressions(document))
    for title, question in questions:
        ask(server, title, question)
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            values(server, variable["query"]["query"])
    return f"{version_of('jsonschema')}; tarn imports it whole; {len(questions)} questions asked of tarn, all with data"


def imported(context: Context, path: pathlib.Path) -> None:
    """Tarn's own reader of Grafana's boards loses nothing of it."""
    report = context.run([context.binary(), "dashboards", "import", path, "-o", context.folder() / "board.yaml"])
    for kept, of, exactly in re.findall(r"(\d+) of (\d+) \w+ kept, (\d+) of them exactly", report):
        if not kept == of == exactly:
            raise Failed(f"tarn dashboards import: {report}")


def layout(panels: list[dict]) -> None:
    """Ids are unique, nothing leaves the grid or lies over another."""
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        raise Failed("two panels have one id")
    for panel in panels:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > COLUMNS:
            raise Failed(f"{panel['title']} leaves the grid")
    for one, other in itertools.combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]:
            raise Failed(f"{one['title']} and {other['title']} lie over each other")


def seed(context: Context, server: Server) -> None:
    """Some minutes of a small shop, once."""
    done = server.folder / "demo"
    if not done.exists():
        context.run([
            context.binary(), "demo", "--url", server.url, "--history", "5m", "--once", "--dir", done, "--receiver",
            "127.0.0.1:0",
        ])


def expressions(document: dict) -> Iterator[tuple[str, str]]:
    """Title and PromQL of every target, variables put in."""
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            if "$" in text:
                raise Failed(f"{panel['title']}: a variable that the check does not know: {text}")
            yield panel["title"], text


def ask(server: Server, title: str, question: str) -> None:
    """Over a range, as a panel does, until there is data."""
    deadline = time.monotonic() + DATA_SECONDS
    while True:
        now = time.time()
        reply = server.get("/api/v1/query_range", query=question, start=f"{now - RANGE_SECONDS}", end=f"{now}", step="5")
        if any(value != "NaN" for series in reply["data"]["result"] for _, value in series["values"]):
            return
        if time.monotonic() > deadline:
            raise Failed(f"{title}: no data for {question}")
        time.sleep(1)


def values(server: Server, text: str) -> None:
    """`label_values(metric, label)`, as Grafana asks it."""
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", text)
    if found is None:
        raise Failed(f"a variable that the check does not know: {text}")
    if not server.get(f"/api/v1/label/{found[2]}/values", **{"match[]": found[1]})["data"]:
        raise Failed(f"no values for {text}")
