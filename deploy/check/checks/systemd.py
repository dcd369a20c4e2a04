"""The unit: systemd reads it and grades what it may do; its user, folders and configuration."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

from lib import Context, Failed, Result, Server

# The grade of systemd-analyze: 0 is nothing, 10 is everything.
EXPOSURE_MAX = 2.5

# What MemoryDenyWriteExecute=yes does where the kernel can (6.3 and newer), before the program is run.
REFUSE_EXEC_GAIN = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"


def check(context: Context) -> Iterator[Result]:
    """Every file of the folder."""
    folder = context.deploy / "systemd"
    yield context.verify("deploy/systemd/tarn.service", lambda: unit(context, folder / "tarn.service"))
    yield context.verify("deploy/systemd/tarn.service (calls)", lambda: calls(context, folder / "tarn.service"))
    yield context.verify("deploy/systemd/tarn.sysusers", lambda: sysusers(context, folder / "tarn.sysusers"))
    yield context.verify("deploy/systemd/tarn.tmpfiles", lambda: tmpfiles(context, folder / "tarn.tmpfiles"))
    yield context.verify("deploy/systemd/tarn.yaml", lambda: configuration(context, folder))


def unit(context: Context, path: pathlib.Path) -> str:
    """Read with the program where it is, then graded."""
    analyze = context.debian_tool("systemd-analyze", "systemd")
    copy = context.folder() / "tarn.service"
    copy.write_text(path.read_text().replace("/usr/bin/tarn", str(context.binary())))
    _, words = context.attempt([analyze, "verify", "--man=no", copy])
    if words.strip():
        raise Failed(words.strip())
    report = context.run([analyze, "security", "--offline=true", "--no-pager", path])
    grade = re.search(r"exposure level for tarn.service: ([0-9.]+)", report)
    if grade is None or float(grade[1]) > EXPOSURE_MAX:
        raise Failed(f"exposure {grade and grade[1]}, limit is {EXPOSURE_MAX}: {report[-2000:]}")
    return f"systemd-analyze verify; security: exposure {grade[1]}, limit is {EXPOSURE_MAX}"


def calls(context: Context, path: pathlib.Path) -> str:
    """A server at work uses no system call that the unit forbids, and no memory that is written and then run."""
    strace = context.debian_tool("strace")
    analyze = context.debian_tool("systemd-analyze", "systemd")
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", path.read_text(), re.M):
        named = set().union(*(members(context, analyze, name) for name in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    place = context.folder()
    without_gain = [sys.executable, "-c", REFUSE_EXEC_GAIN, strace, "-f", "-c", "-o", str(place / "calls")]
    server = Server(context.binary(), place, below=without_gain)
    try:
        server.wait_until_ready()
        demo = ["demo", "--url", server.url, "--history", "1m", "--once", "--dir", place / "demo", "--receiver", "127.0.0.1:0"]
        context.run([context.binary(), *demo])
        for command in (["flush"], ["compact"], ["query", "up"], ["query", "--sql", "SELECT count(*) FROM logs"]):
            context.run([context.binary(), *command, "--url", server.url])
    finally:
        server.stop()
    used = {line.split()[-1] for line in (place / "calls").read_text().splitlines() if re.match(r" *\d+\.\d", line)} - {"total"}
    if forbidden := sorted(used - allowed):
        raise Failed(f"the unit forbids what tarn does: {forbidden}")
    return f"strace: {len(used)} system calls used, {len(allowed)} allowed"


def members(context: Context, analyze: str, name: str) -> set[str]:
    """System calls of a set of systemd's, of those in it too."""
    if not name.startswith("@"):
        return {name}
    listed = context.run([analyze, "--no-pager", "syscall-filter", name]).splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*(members(context, analyze, inner) for inner in names))


def sysusers(context: Context, path: pathlib.Path) -> str:
    """Makes the user in a folder that stands for a machine."""
    root = with_user(context, path)
    if not (root / "etc/passwd").read_text().startswith("tarn:"):
        raise Failed("it made no user tarn")
    return "systemd-sysusers"


def with_user(context: Context, path: pathlib.Path) -> pathlib.Path:
    """A folder that stands for a machine, with the user."""
    tool = context.debian_tool("systemd-sysusers", "systemd")
    context.root("systemd-sysusers")
    root = context.folder()
    (root / "etc").mkdir()
    context.run([tool, f"--root={root}", path])
    return root


def tmpfiles(context: Context, path: pathlib.Path) -> str:
    """Makes the folders in a folder that stands for a machine."""
    tool = context.debian_tool("systemd-tmpfiles", "systemd")
    root = with_user(context, path.with_name("tarn.sysusers"))
    context.run([tool, f"--root={root}", "--create", path])
    modes = {line.split()[1]: int(line.split()[2], 8) for line in path.read_text().splitlines() if line.startswith("d ")}
    for name, mode in modes.items():
        if (root / name[1:]).stat().st_mode & 0o777 != mode:
            raise Failed(f"{name} has another mode than {mode:o}")
    return f"systemd-tmpfiles: {len(modes)} folders"


def configuration(context: Context, folder: pathlib.Path) -> str:
    """`tarn check`, then a server started as the unit does, in folders of our own."""
    context.run([context.binary(), "check", "--config", folder / "tarn.yaml"])
    command = shlex.split(re.search(r"^ExecStart=(.*)$", (folder / "tarn.service").read_text(), re.M)[1])
    place = context.folder()
    arguments = [part.replace("/etc/tarn/tarn.yaml", str(folder / "tarn.yaml")) for part in command[1:]]
    server = Server(context.binary(), place, arguments)
    try:
        server.wait_until_ready()
        context.run([context.binary(), "healthcheck", "--url", server.url])
    finally:
        try:
            code = server.stop()
        except subprocess.SubprocessError as error:
            raise Failed(str(error)) from error
    if code != 0:
        raise Failed(f"it stopped with {code}: {server.log()[-1000:]}")
    return "tarn check; started with the arguments of the unit, ready, stopped in order"
