"""Examples for senders. promtool reads Prometheus' and a real Prometheus sends with it; for the other programs,
which no registry here has, the files are parsed, their references followed, and what they name of Tarn is looked for
in a running one. The line says which it was."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

from lib import Context, Failed, Result, Server, free_ports

CA = "/etc/tarn-sender/ca.pem"
PARSED = "parsed and its references followed; not run, the program is not here"
OTLP_PATHS = {"/v1/logs", "/v1/traces", "/v1/metrics"}
ARRIVAL_SECONDS = 60


def check(context: Context) -> Iterator[Result]:
    """One result per program."""
    folder = context.deploy / "collector"
    for name, function in (
        ("prometheus.yml", prometheus),
        ("otel-collector.yaml", otel),
        ("fluent-bit.yaml", fluent_bit),
        ("vector.yaml", vector),
        ("config.alloy", alloy),
    ):
        yield context.verify(f"deploy/collector/{name}", lambda name=name, f=function: f(context, folder / name))


def load(context: Context, path: pathlib.Path) -> dict:
    """YAML."""
    return context.module("yaml", "pyyaml").safe_load(path.read_text())


def expect(is_so: object, otherwise: str) -> None:
    """`Failed` if it is not so."""
    if not is_so:
        raise Failed(otherwise)


def prometheus(context: Context, path: pathlib.Path) -> str:
    """Read as it is; run as it is but for names of machines and folders, against a Tarn with TLS and a login."""
    promtool = context.debian_tool("promtool", "prometheus")
    context.run([promtool, "check", "config", "--syntax-only", path])
    program = context.debian_tool("prometheus")
    place = context.folder()
    keys = secured(context, place)
    server = Server(
        context.binary(), place, ["--auth.login", "on", "--auth.file", str(place / "auth.yaml"),
                                  "--listen.tls.certificate", str(place / "tarn-ca.pem"),
                                  "--listen.tls.key", str(place / "tls.key")],
        authority=place / "tarn-ca.pem", key=keys["tarn-read"],
    )
    try:
        server.wait_until_ready()
        (port,) = free_ports(1)
        text = path.read_text().replace("/etc/prometheus", str(place)).replace("tarn.example.com:4320", server.http)
        (place / "prometheus.yml").write_text(text.replace("localhost:9090", f"localhost:{port}").replace("15s", "1s"))
        context.run([promtool, "check", "config", place / "prometheus.yml"])
        with (place / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                [program, f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/tsdb",
                 f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=subprocess.STDOUT,
            )
            try:
                wait_for(lambda: answers(server, 'prometheus_build_info{prometheus="one"}'), "nothing came")
                wait_for(lambda: scrapes(port), "Prometheus does not read tarn's /metrics")
            finally:
                process.terminate()
                process.wait()
        expect(not answers(server, 'up{prometheus="one",job="tarn"}'), "what is of tarn came twice")
    finally:
        server.stop()
    return "promtool check config; run over TLS with its keys: it reads tarn, and tarn has what it sent"


def secured(context: Context, place: pathlib.Path) -> dict[str, str]:
    """A certificate, and the keys of the two files that the example names."""
    context.debian_tool("openssl")
    context.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", place / "tls.key",
        "-out", place / "tarn-ca.pem",
    ])
    keys, entries = {}, []
    for name, role in (("tarn-write", "ingest"), ("tarn-read", "viewer")):
        keys[name] = context.run([context.binary(), "access", "keys", "generate"]).splitlines()[0]
        (place / name).write_text(keys[name])
        entries.append({
            "name": name, "token": f"file:{place / name}", "grants": [{"role": role, "tenants": ["*"]}],
        })
    (place / "auth.yaml").write_text(json.dumps({"keys": entries}))
    return keys


def answers(server: Server, question: str) -> bool:
    """Whether Tarn has an answer."""
    return bool(server.get("/api/v1/query", query=question)["data"]["result"])


def scrapes(port: int) -> bool:
    """Whether Prometheus says of Tarn that it is up."""
    query = urllib.parse.urlencode({"query": 'up{job="tarn"} == 1'})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=10) as reply:
        return bool(json.load(reply)["data"]["result"])


def wait_for(is_so: Callable[[], bool], otherwise: str) -> None:
    """Until it is so."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not is_so():
        expect(time.monotonic() < deadline, f"{otherwise} within {ARRIVAL_SECONDS} s")
        time.sleep(0.5)


def otel(context: Context, path: pathlib.Path) -> str:
    """Everything that is named is defined, and everything defined is used."""
    document = load(context, path)
    service = document["service"]
    used: dict[str, set[str]] = {"extensions": set(service["extensions"])}
    for pipeline in service["pipelines"].values():
        for kind, names in pipeline.items():
            used.setdefault(kind, set()).update(names)
    for kind, names in used.items():
        expect(names == set(document[kind]), f"{kind}: defined {sorted(document[kind])}, used {sorted(names)}")
    expect(set(service["pipelines"]) == {"logs", "metrics", "traces"}, "a pipeline per signal")
    exporter = document["exporters"]["otlp/tarn"]
    expect(exporter["tls"] == {"ca_file": CA}, "TLS with the authority of the example")
    expect(exporter["auth"]["authenticator"] in document["extensions"], "its authenticator is no extension")
    expect(exporter["endpoint"].endswith(":4317"), "OTLP over gRPC is port 4317")
    return PARSED


def fluent_bit(context: Context, path: pathlib.Path) -> str:
    """TLS, key, and a path that Tarn has."""
    pipeline = load(context, path)["pipeline"]
    (output,) = pipeline["outputs"]
    expect(output["tls"] is True and output["tls.verify"] is True and output["tls.ca_file"] == CA, "TLS, verified")
    expect(output["header"] == "Authorization Bearer ${TARN_TOKEN}", "its key")
    expect(output["port"] == 4318 and output["logs_uri"] in OTLP_PATHS, "OTLP over HTTP is port 4318")
    paths(context, {output["logs_uri"]})
    return PARSED


def vector(context: Context, path: pathlib.Path) -> str:
    """Inputs exist; TLS, keys, and paths that Tarn has."""
    document = load(context, path)
    asked = set()
    for name, sink in document["sinks"].items():
        for wanted in sink["inputs"]:
            expect(wanted.split(".")[0] in document["sources"], f"{name}: no source {wanted}")
        http = sink.get("protocol", sink)
        expect(http["auth"] == {"strategy": "bearer", "token": "${TARN_TOKEN}"}, f"{name}: its key")
        expect(http["tls"] == {"ca_file": CA}, f"{name}: TLS")
        asked.add(urllib.parse.urlsplit(http.get("uri") or http["endpoint"]).path)
    expect(asked == OTLP_PATHS | {"/api/v1/write"}, f"paths {sorted(asked)}")
    paths(context, asked)
    return PARSED


def alloy(context: Context, path: pathlib.Path) -> str:
    """Brackets are closed, components that are named are defined; TLS, key, and the path of remote write."""
    text = re.sub(r"//.*", "", re.sub(r'"(?:[^"\\]|\\.)*"', lambda found: found[0].replace("//", "  "), path.read_text()))
    for opening, closing in ("{}", "[]", "()"):
        expect(text.count(opening) == text.count(closing), f"{opening} and {closing} do not match")
    defined = {f"{kind}.{label}" for kind, label in re.findall(r'^([a-z._]+) "(\w+)" \{', text, re.M)}
    named = set(re.findall(r"\b((?:otelcol|loki|local|prometheus)\.[a-z._]+)\.(?:input|receiver|targets|handler)\b", text))
    expect(named and named <= defined, f"named and not defined: {sorted(named - defined)}")
    expect(text.count(CA) == 2 and text.count('sys.env("TARN_TOKEN")') == 2, "TLS and key for both ways to send")
    paths(context, {"/api/v1/write"})
    return PARSED


def paths(context: Context, asked: set[str]) -> None:
    """Tarn takes POST at every one of them."""
    for path in asked:
        expect(context.server().takes_post(path), f"tarn has no POST {path}")
