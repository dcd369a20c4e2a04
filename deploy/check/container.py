"""Runs the file system of an image as a container engine does: read-only but for the volume, as its user, without
capabilities, in a network of its own. Called as root inside `unshare --mount --net`; prints what it saw as JSON.

    container.py ROOT CONFIG WORD    CONFIG is the image's own configuration as JSON; it is stopped once it said WORD
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

SIOCSIFFLAGS = 0x8914
IFF_UP = 1
START_SECONDS = 90
STOP_SECONDS = 60


def loopback_up() -> None:
    """What `ip link set lo up` does."""
    with socket.socket() as one:
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def mount(*arguments: str) -> None:
    """The program mount."""
    subprocess.run(["mount", *arguments], check=True)


def prepare(root: str, volume: str) -> None:
    """Everything read-only, the volume not."""
    mount("--bind", root, root)
    for folder in ("/proc", "/dev"):
        os.makedirs(root + folder, exist_ok=True)
        mount("--rbind", folder, root + folder)
    mount("--bind", root + volume, root + volume)
    mount("-o", "remount,bind,ro", root)


def start(root: str, config: dict, command: list[str], output: object) -> subprocess.Popen:
    """A program of the image with its user, folder and environment, and nothing of ours."""
    environment = dict(line.split("=", 1) for line in config["Env"])
    enter = ["chroot", f"--userspec={config['User']}", "--groups=", root]
    return subprocess.Popen(
        ["setpriv", "--no-new-privs", *enter, *command], env=environment, stdout=output, stderr=subprocess.STDOUT,
    )


def is_healthy(root: str, config: dict) -> bool:
    """The health check as the image has it."""
    health = config["Healthcheck"]["Test"]
    if health[0] != "CMD":
        sys.exit("the health check wants a shell, and there is none")
    return start(root, config, health[1:], subprocess.DEVNULL).wait(timeout=30) == 0


def said(log: str) -> str:
    """Everything that the server printed so far."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        return lines.read()


def main() -> None:
    """Starts, asks for health, stops."""
    root, config, word = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    log = f"{root}.log"
    loopback_up()
    prepare(root, next(iter(config["Volumes"])))
    began = time.monotonic()
    unhealthy_before = not is_healthy(root, config)
    with open(log, "wb") as output:
        server = start(root, config, config["Entrypoint"], output)
    healthy = False
    while not healthy and server.poll() is None and time.monotonic() < began + START_SECONDS:
        healthy = is_healthy(root, config)
    seconds = time.monotonic() - began
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    while word not in said(log) and server.poll() is None and time.monotonic() < began + START_SECONDS:
        time.sleep(0.1)
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=STOP_SECONDS)
    try:
        with open(f"{root}/probe", "wb"):
            read_only = False
    except OSError:
        read_only = True
    print(json.dumps({
        "healthy": healthy,
        "unhealthy_before": unhealthy_before,
        "seconds": round(seconds, 1),
        "uid": lines.get("Uid", "").split()[:1],
        "capabilities": lines.get("CapEff", "").strip(),
        "read_only": read_only,
        "exit": server.returncode,
        "said": word in said(log),
        "output": said(log)[-2000:],
    }))


main()
