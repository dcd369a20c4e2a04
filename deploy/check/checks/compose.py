"""Compose: docker-compose reads the file, every service is held to the same rules, and Tarn, the sender and the
S3 server are run with the commands and environments of the file, as processes instead of containers."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

from lib import Context, Failed, Missing, Result, Server, free_ports

LIMITS = ("mem_limit", "cpus", "pids_limit")
READY_SECONDS = 30


def check(context: Context) -> Iterator[Result]:
    """The one file that there is."""
    path = context.deploy / "compose/quickstart.yml"
    yield context.verify("deploy/compose/quickstart.yml", lambda: rules(context, path))
    yield context.verify("deploy/compose/quickstart.yml (run)", lambda: run(context, path))


def load(context: Context, path: pathlib.Path) -> dict:
    """The file with its shared parts put in."""
    return context.module("yaml", "pyyaml").safe_load(path.read_text())


def rules(context: Context, path: pathlib.Path) -> str:
    """What docker-compose says, then what it does not look at."""
    tool = context.debian_tool("docker-compose")
    context.run([tool, "-f", path, "config", "--quiet"])
    services = load(context, path)["services"]
    for name, service in services.items():
        for problem in problems(path.parent, service):
            raise Failed(f"service {name}: {problem}")
    return f"{context.run([tool, '--version']).strip().rstrip(',')}: {len(services)} services"


def problems(folder: pathlib.Path, service: dict) -> Iterator[str]:
    """Every rule that a service breaks."""
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"port {port} is not published on the loopback only"
    if not service.get("read_only"):
        yield "its root is not read-only"
    if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it keeps capabilities, or may gain privileges"
    for limit in LIMITS:
        if limit not in service:
            yield f"no {limit}"
    if "healthcheck" not in service:
        yield "no healthcheck"
    image = service["image"].split("}")[0].rpartition(":-")[2] if "${" in service["image"] else service["image"]
    if ":" not in image or image.endswith(":latest"):
        yield f"image {image} has no version"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith(".") and not (folder / source).exists():
            yield f"{source} does not exist"


def run(context: Context, path: pathlib.Path) -> str:
    """Rows of the sender come through Tarn into the bucket."""
    services = load(context, path)["services"]
    moto = pathlib.Path(os.environ.get("TARN_TOOLS", "")) / "venv/bin/moto_server"
    if not moto.is_file():
        raise Missing("moto_server", "make tools (PyPI: moto)", required=True)
    (port,) = free_ports(1)
    bucket = f"http://127.0.0.1:{port}"
    here = {"http://s3:5000": bucket, "http://127.0.0.1:5000": bucket, "0.0.0.0": "127.0.0.1", "5000": str(port)}
    log = (context.folder() / "moto.log").open("wb")
    process = subprocess.Popen([moto, *local(services["s3"]["command"], here)], stdout=log, stderr=subprocess.STDOUT)
    try:
        # The health check makes the bucket.
        health = local(services["s3"]["healthcheck"]["test"][3:], here)
        wait(lambda: context.run([sys.executable, "-c", *health]))
        return with_bucket(context, services, here, bucket)
    finally:
        process.kill()
        process.wait()
        log.close()


def with_bucket(context: Context, services: dict, here: dict[str, str], bucket: str) -> str:
    """Starts Tarn on it, sends, flushes, looks."""
    tarn = services["tarn"]
    server = Server(context.binary(), context.folder(), local(tarn["command"], here), tarn["environment"])
    try:
        server.wait_until_ready()
        here = {"http://tarn:4320": server.url, "/tmp/tarn-demo": str(server.folder / "demo")}
        arguments = [*local(services["demo"]["command"], here), "--history", "2m", "--once", "--receiver", "127.0.0.1:0"]
        context.run([context.binary(), *arguments])
        flushed = json.loads(context.run([context.binary(), "flush", "--url", server.url]))
    finally:
        server.stop()
    with urllib.request.urlopen(f"{bucket}/tarn?list-type=2&prefix=quickstart/", timeout=10) as reply:
        objects = reply.read().count(b"<Key>")
    if flushed["rows"] == 0 or objects == 0:
        raise Failed(f"nothing came into the bucket: {flushed}, {objects} objects")
    return f"tarn, its demo and moto as processes: {flushed['rows']} rows, {objects} objects in the bucket"


def local(words: list[str], here: dict[str, str]) -> list[str]:
    """Words of a command with the names of the network of containers replaced."""
    found = []
    for word in words:
        for name, address in here.items():
            if name in word:
                word = word.replace(name, address)
                break
        found.append(word)
    return found


def wait(attempt: Callable[[], object]) -> None:
    """Until an attempt does not fail."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(Failed):
            attempt()
            return
        if time.monotonic() > deadline:
            raise Failed(f"the S3 server is not healthy after {READY_SECONDS} s")
        time.sleep(0.5)
