"""The unit: systemd reads it and grades what it may do; its user, folders and configuration."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
from collections.abc import Iterator

from lib import Context, Failed, Result, Server

# The grade of systemd-analyze: 0 is nothing, 10 is everything.
EXPOSURE_MAX = 2.5


def check(context: Context) -> Iterator[Result]:
    """Every file of the folder."""
    folder = context.deploy / "systemd"
    yield context.verify("deploy/systemd/tarn.service", lambda: unit(context, folder / "tarn.service"))
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
