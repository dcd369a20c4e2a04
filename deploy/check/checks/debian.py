"""The Debian package: built, read by lintian, installed, upgraded, removed and purged in a folder that stands for
a machine, and the program in it started with the configuration in it."""

from __future__ import annotations

import filecmp
import os
import pathlib
from collections.abc import Iterator

from lib import Context, Failed, Result, Server

SCRIPTS = ("build.sh", "postinst", "prerm", "postrm")
# What an operator wrote must survive.
EDITED = "# by the operator\nstorage:\n  path: /var/lib/tarn\n"


def check(context: Context) -> Iterator[Result]:
    """The scripts, then the package that they make."""
    folder = context.deploy / "debian"
    for name in SCRIPTS:
        yield context.verify(f"deploy/debian/{name}", lambda name=name: shell(context, folder / name))
    package = context.folder()
    built = context.verify("deploy/debian", lambda: build(context, folder, package))
    yield built
    if built.outcome == "ok":
        yield context.verify("deploy/debian (lintian)", lambda: lint(context, package))
        yield context.verify("deploy/debian (installed)", lambda: install(context, package))


def shell(context: Context, path: pathlib.Path) -> str:
    """shellcheck."""
    context.run([context.debian_tool("shellcheck"), path])
    return "shellcheck"


def only(package: pathlib.Path) -> pathlib.Path:
    """The package in the folder."""
    return next(package.glob("*.deb"))


def build(context: Context, folder: pathlib.Path, package: pathlib.Path) -> str:
    """Made of the program that there is, packed in a hurry."""
    for tool, debian in (("dpkg-deb", "dpkg"), ("objdump", "binutils")):
        context.debian_tool(tool, debian)
    again = context.folder()
    for target in (package, again):
        context.run([folder / "build.sh", context.stripped(), target], env={"COMPRESSION": "-Zgzip -z1"})
    expect(filecmp.cmp(only(package), only(again), shallow=False), "two builds differ")
    return f"dpkg-deb: {only(package).name}, {only(package).stat().st_size >> 20} MiB, twice alike"


def lint(context: Context, package: pathlib.Path) -> str:
    """Neither errors nor warnings."""
    tool = context.debian_tool("lintian")
    arguments = ["--allow-root"] if os.geteuid() == 0 else []
    context.run([tool, *arguments, "--fail-on", "error,warning", only(package)])
    return context.run([tool, "--version"]).strip()


def dpkg(context: Context, root: pathlib.Path, *arguments: str | pathlib.Path) -> str:
    """dpkg on that machine; its scripts run here and are told where it is."""
    return context.run([
        "dpkg", f"--root={root}", "--force-script-chrootless", "--force-depends", "--force-confold", "--no-triggers",
        f"--log={root}/dpkg.log", *arguments,
    ])


def install(context: Context, package: pathlib.Path) -> str:
    """A whole life of the package."""
    context.debian_tool("dpkg")
    for tool in ("systemd-sysusers", "systemd-tmpfiles"):
        context.debian_tool(tool, "systemd")
    context.root("dpkg")
    root = context.folder()
    for folder in ("etc", "var/lib/dpkg/updates", "var/lib/dpkg/info"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg(context, root, "--install", only(package))
    configuration, data = root / "etc/tarn/tarn.yaml", root / "var/lib/tarn"
    expect_mode(root / "etc/tarn/tls", 0o750)
    expect_mode(root / "etc/tarn/credentials", 0o700)
    expect((root / "etc/passwd").read_text().startswith("tarn:"), "no user tarn")
    expect(os.access(root / "usr/bin/tarn", os.X_OK), "no program")
    start(context, root)
    configuration.write_text(EDITED)
    dpkg(context, root, "--install", only(package))
    expect(configuration.read_text() == EDITED, "an upgrade overwrote the operator's configuration")
    data.mkdir(parents=True)
    dpkg(context, root, "--remove", "tarn")
    expect(configuration.read_text() == EDITED, "the operator's configuration went with the package")
    expect(not (root / "usr/bin/tarn").exists(), "the program stayed")
    dpkg(context, root, "--purge", "tarn")
    expect(not (root / "etc/tarn").exists(), "a purge left /etc/tarn")
    expect(data.exists(), "a purge took the data")
    return "dpkg: installed, started, upgraded with an edited configuration, removed, purged; the data stayed"


def start(context: Context, root: pathlib.Path) -> None:
    """The program and the configuration of the package, in folders of our own."""
    server = Server(root / "usr/bin/tarn", context.folder(), ["--config", str(root / "etc/tarn/tarn.yaml")])
    try:
        server.wait_until_ready()
    finally:
        code = server.stop()
    expect(code == 0, f"it stopped with {code}: {server.log()[-1000:]}")


def expect(is_so: bool, otherwise: str) -> None:
    """`Failed` if it is not so."""
    if not is_so:
        raise Failed(otherwise)


def expect_mode(path: pathlib.Path, mode: int) -> None:
    """Permissions of a folder."""
    found = path.stat().st_mode & 0o777
    expect(found == mode, f"{path.name} has mode {found:o}, want {mode:o}")
