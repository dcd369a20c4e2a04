"""What the checks of deploy/ share: results, tools that may be missing, programs, a Tarn to ask.

A check verifies one artefact with the tool that its users use. It returns in words what it was verified
with, raises `Failed` with what is wrong, or `Missing` when the tool is not on this machine. A tool that pip
installs must be there when CI is set; what needs Debian or root may be missing, and is said to be.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
# Terraform and checkov over everything take less than a minute; what takes longer hangs.
PROGRAM_SECONDS = 180
# A debug build on a busy machine.
START_SECONDS = 60


class Failed(Exception):
    """An artefact is wrong."""


class Missing(Exception):
    """A tool is not on this machine; `install` is what to type."""

    def __init__(self, tool: str, install: str, required: bool = False) -> None:
        super().__init__(f"{tool} is missing, type: {install}")
        self.required = required


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one artefact: `outcome` is ok, skipped or failed."""

    artefact: str
    outcome: str
    detail: str

    def line(self) -> str:
        """As it is printed."""
        if self.outcome == "ok":
            return f"{self.artefact}: ok ({self.detail})"
        return f"{self.artefact}: {self.outcome}: {self.detail}"


class Server:
    """A Tarn of our own: its own folder, ports that were free, gone at the end."""

    def __init__(
        self, binary: pathlib.Path, folder: pathlib.Path, arguments: list[str] | None = None,
        environment: dict[str, str] | None = None, authority: pathlib.Path | None = None,
        below: list[str] | None = None, key: str = "",
    ) -> None:
        self.folder = folder
        self.http, self.grpc, self.otlp = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.url = f"{'https' if authority else 'http'}://{self.http}"
        self.trust = ssl.create_default_context(cafile=authority) if authority else None
        self._shown = {"Authorization": f"Bearer {key}"} if key else {}
        self._is_below = bool(below)
        self._log = open(folder / "tarn.log", "wb")  # noqa: SIM115 (closed by stop)
        self._process = subprocess.Popen(
            [
                *(below or []),
                binary,
                "--storage.path", str(folder / "data"),
                "--listen.http", self.http,
                "--listen.otlp-grpc", self.grpc,
                "--listen.otlp-http", self.otlp,
                *(arguments or []),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("TARN_")} | (environment or {}),
        )

    def wait_until_ready(self) -> None:
        """Returns when `/readyz` says so."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2, context=self.trust) as reply:
                    if reply.status == 200:
                        return
            time.sleep(0.2)
        raise Failed(f"tarn did not become ready: {self.log()[-1500:]}")

    def get(self, path: str, **parameters: str) -> object:
        """The JSON of a reply; `Failed` with Tarn's own words otherwise."""
        query = urllib.parse.urlencode(parameters)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                request = urllib.request.Request(f"{self.url}{path}?{query}", headers=self._shown)
                with urllib.request.urlopen(request, timeout=60, context=self.trust) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                said = error.read().decode(errors="replace")[:500]
                # Parts of it are still starting when it is ready for others.
                if error.code != 503 or time.monotonic() > deadline:
                    raise Failed(f"{path}?{query}: {error.code} {said}") from error
            time.sleep(0.2)

    def takes_post(self, path: str) -> bool:
        """Whether there is anything at a path: an empty body is refused there, not the path."""
        request = urllib.request.Request(self.url + path, data=b"", method="POST")
        try:
            urllib.request.urlopen(request, timeout=60, context=self.trust).close()
        except urllib.error.HTTPError as error:
            return error.code not in (404, 405)
        return True

    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "tarn.log").read_text(errors="replace")

    def _server(self) -> int:
        """Its own process, also when another program started it."""
        process = self._process.pid
        children = pathlib.Path(f"/proc/{process}/task/{process}/children")
        if self._is_below and (found := children.read_text().split()):
            return int(found[0])
        return process

    def stop(self) -> int:
        """Ends it in order and gives its exit code."""
        if self._process.poll() is None:
            os.kill(self._server(), signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        return self._process.returncode


class Context:
    """Handed to every check; safe to use from several threads."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.repository = REPOSITORY
        self.deploy = DEPLOY
        self.ci = bool(os.environ.get("CI"))
        self._folder = folder
        self._server: Server | None = None
        self._lock = threading.Lock()
        self._stripped: pathlib.Path | None = None
        self._stripping = threading.Lock()

    def verify(self, artefact: str, function: Callable[[], str]) -> Result:
        """Runs a function that returns what it verified the artefact with."""
        try:
            return Result(artefact, "ok", function())
        except Failed as error:
            return Result(artefact, "failed", str(error))
        except Missing as error:
            return Result(artefact, "failed" if error.required and self.ci else "skipped", str(error))

    def pip_tool(self, name: str, package: str | None = None) -> str:
        """A program that `make tools` installs with pip."""
        return self._find(name, f"make tools (PyPI: {package or name})", required=True)

    def debian_tool(self, name: str, package: str | None = None) -> str:
        """A program that comes with a Debian package."""
        return self._find(name, f"sudo apt-get install {package or name}", required=False)

    def root(self, tool: str) -> None:
        """For what only root can do."""
        if os.geteuid() != 0:
            raise Missing(f"root, which {tool} needs,", "sudo -E make deploy")

    def module(self, name: str, package: str | None = None) -> object:
        """A Python module that `make tools` installs."""
        try:
            return __import__(name)
        except ImportError as error:
            raise Missing(f"the Python module {name}", f"make tools (PyPI: {package or name})", True) from error

    def run(
        self, arguments: list[str | pathlib.Path], *, cwd: pathlib.Path | None = None, stdin: str | None = None,
        env: dict[str, str] | None = None, seconds: int = PROGRAM_SECONDS,
    ) -> str:
        """What a program printed; `Failed` with its words when it exits with anything but 0."""
        code, output = self.attempt(arguments, cwd=cwd, stdin=stdin, env=env, seconds=seconds)
        if code != 0:
            raise Failed(f"{pathlib.Path(arguments[0]).name} exited with {code}: {output.strip()[-3000:]}")
        return output

    def attempt(
        self, arguments: list[str | pathlib.Path], *, cwd: pathlib.Path | None = None, stdin: str | None = None,
        env: dict[str, str] | None = None, seconds: int = PROGRAM_SECONDS,
    ) -> tuple[int, str]:
        """Exit code, and what a program printed on both outputs."""
        try:
            done = subprocess.run(
                [str(argument) for argument in arguments], cwd=cwd or self.repository, input=stdin or "",
                env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", timeout=seconds, check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{arguments[0]} did not end within {seconds} s") from error
        return done.returncode, done.stdout

    def folder(self) -> pathlib.Path:
        """A fresh folder that goes when the run ends."""
        return pathlib.Path(tempfile.mkdtemp(dir=self._folder))

    def binary(self) -> pathlib.Path:
        """The program that was built: TARN_BIN, or what `make` and `cargo` leave in the target folder."""
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or self.repository / "target")
        named = os.environ.get("TARN_BIN")
        for path in [pathlib.Path(named)] if named else [target / "debug/tarn", target / "local/tarn"]:
            if path.is_file():
                return path.resolve()
        raise Missing("the program tarn", "cargo build --locked, or name one in TARN_BIN", required=True)

    def stripped(self) -> pathlib.Path:
        """That program as packages have it; one that was built for tests is mostly notes for debuggers."""
        with self._stripping:
            if self._stripped is None:
                path = self.folder() / "tarn"
                self.run([self.debian_tool("strip", "binutils"), "--strip-unneeded", "-o", path, self.binary()])
                self._stripped = path
            return self._stripped

    def server(self) -> Server:
        """One running Tarn that all checks may ask."""
        with self._lock:
            if self._server is None:
                server = Server(self.binary(), self.folder())
                self._server = server
                server.wait_until_ready()
            return self._server

    def close(self) -> None:
        """Stops what was started."""
        if self._server is not None:
            self._server.stop()

    def name(self, path: pathlib.Path) -> str:
        """A path as results print it: from the top of the repository."""
        return path.resolve().relative_to(self.repository).as_posix()

    def _find(self, name: str, install: str, *, required: bool) -> str:
        beside = pathlib.Path(sys.executable).parent / name
        found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
        if found is None:
            raise Missing(name, install, required)
        return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def files(folder: pathlib.Path, *patterns: str) -> Iterator[pathlib.Path]:
    """Files below a folder whose names fit one of the patterns, in order."""
    yield from sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})


def version_of(package: str) -> str:
    """`name version` of an installed Python package."""
    from importlib import metadata

    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package
