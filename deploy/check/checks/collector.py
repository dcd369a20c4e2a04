"""Examples for senders. promtool reads Prometheus' and a real Prometheus sends with it; for the other programs,
which no registry here has, the files are parsed, their references followed, and what they name of Tarn is looked for
in a running one. The line says which it was."""

from __future__ import annotations

import pathlib
import re
import subprocess
import time
import urllib.parse
from collections.abc import Iterator

from lib import Context, Failed, Result, free_ports

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
    """Read as it is; run with the addresses of a Tarn of ours, without TLS."""
    promtool = context.debian_tool("promtool", "prometheus")
    context.run([promtool, "check", "config", "--syntax-only", path])
    program = context.debian_tool("prometheus")
    server, place = context.server(), context.folder()
    document = load(context, path)
    ours(document, server.http)
    yaml = context.module("yaml", "pyyaml")
    (place / "prometheus.yml").write_text(yaml.safe_dump(document))
    context.run([promtool, "check", "config", place / "prometheus.yml"])
    (port,) = free_ports(1)
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=subprocess.STDOUT,
        )
        try:
            arrived(server, 'tarn_build_info{prometheus="one"}')
        finally:
            process.terminate()
            process.wait()
    return "promtool check config; run, what it sent is in tarn"


def ours(document: dict, address: str) -> None:
    """The addresses of a Tarn without TLS or keys."""
    document["global"]["scrape_interval"] = "1s"
    # Under its own name, because what is of Tarn is not sent on.
    document["scrape_configs"] = [one for one in document["scrape_configs"] if one["job_name"] == "tarn"]
    for scrape in document["scrape_configs"]:
        scrape.update(scheme="http", job_name="prometheus")
        scrape["static_configs"] = [{"targets": [address]}]
    for write in document["remote_write"]:
        write["url"] = urllib.parse.urlunsplit(("http", address, urllib.parse.urlsplit(write["url"]).path, "", ""))
    for part in (*document["scrape_configs"], *document["remote_write"]):
        expect(part.pop("authorization").get("credentials_file"), "no credentials_file")
        expect(part.pop("tls_config").get("ca_file"), "no ca_file")


def arrived(server: object, question: str) -> None:
    """Waits until a question has an answer."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not server.get("/api/v1/query", query=question)["data"]["result"]:
        expect(time.monotonic() < deadline, f"nothing came within {ARRIVAL_SECONDS} s: {question}")
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
