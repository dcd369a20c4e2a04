"""Ansible: its linter, and the role run on a folder that stands for a machine: twice, with a mistake, without one."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Iterator

from lib import Context, Failed, Result, version_of

FOLDER = "deploy/ansible"
# What stands where afterwards, and who may read it.
MODES = {
    "usr/bin/tarn": 0o755,
    "usr/lib/systemd/system/tarn.service": 0o644,
    "usr/lib/sysusers.d/tarn.conf": 0o644,
    "etc/tarn/tarn.yaml": 0o640,
    "etc/tarn/auth.yaml": 0o640,
    "etc/tarn/auth/collector": 0o640,
    "etc/tarn/tls": 0o750,
    "etc/tarn/tls/tls.key": 0o640,
    "etc/tarn/credentials": 0o700,
    "etc/tarn/credentials/s3_key": 0o600,
    "etc/tarn/rules.yml": 0o640,
    "etc/systemd/system/tarn.service.d/override.conf": 0o644,
}
# Puts tarn.yaml in place.
LAST = "Say what it does"
SECRET = "correct-horse-battery-staple"
RULES = "groups: [{name: shop, rules: [{alert: Down, expr: 'up == 0'}]}]\n"


def check(context: Context) -> Iterator[Result]:
    """The linter, the syntax of the example, and the role at work."""
    yield context.verify(FOLDER, lambda: lint(context))
    yield context.verify(f"{FOLDER}/playbook.yml", lambda: syntax(context))
    yield context.verify(f"{FOLDER}/roles/tarn (run)", lambda: role(context))


def env(context: Context) -> dict[str, str]:
    """Ansible keeps its own things in a folder of ours, and finds its own programs."""
    return {
        "ANSIBLE_HOME": str(context.folder()),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_REMOTE_TMP": str(context.folder()),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_ROLES_PATH": str(context.repository / FOLDER / "roles"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "NO_COLOR": "1",
        "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def lint(context: Context) -> str:
    """ansible-lint by its strictest profile."""
    tool = context.pip_tool("ansible-lint")
    context.run([tool, "--offline", "--strict", "--profile", "production", "."], cwd=context.repository / FOLDER, env=env(context))
    return f"{version_of('ansible-lint')}, profile production"


def syntax(context: Context) -> str:
    """The example with its inventory."""
    tool = context.pip_tool("ansible-playbook", "ansible-core")
    context.run([tool, "--syntax-check", "-i", "inventory.yml", "playbook.yml"], cwd=context.repository / FOLDER, env=env(context))
    return f"{version_of('ansible-core')}, --syntax-check"


def variables(context: Context, root: pathlib.Path) -> dict:
    """What an operator would give, for a folder that belongs to whoever runs this."""
    import grp
    import pwd

    tls = root.parent / "tls"
    tls.mkdir(exist_ok=True)
    context.run([
        context.debian_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=tarn", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", tls / "key", "-out", tls / "crt",
    ])
    return {
        "tarn_root": str(root),
        "tarn_owner": pwd.getpwuid(os.geteuid()).pw_name,
        "tarn_group": grp.getgrgid(os.getegid()).gr_name,
        "tarn_manage_service": False,
        "tarn_program": str(context.binary()),
        "tarn_config": {
            "listen": {"http": "0.0.0.0:4320"},
            "retention": {"logs": "30d"},
            "alerting": {"rule_files": [f"{root}/etc/tarn/rules.yml"]},
        },
        "tarn_files": {"rules.yml": RULES},
        "tarn_auth": {"keys": [{
            "name": "collector", "token": f"file:{root}/etc/tarn/auth/collector",
            "grants": [{"role": "ingest", "tenants": ["*"]}],
        }]},
        "tarn_tokens": {"collector": f"tarn_collector_{SECRET}"},
        "tarn_credentials": {"s3_key": SECRET},
        "tarn_tls_certificate": (tls / "crt").read_text(),
        "tarn_tls_key": (tls / "key").read_text(),
        "tarn_service": ["MemoryMax=8G"],
    }


def play(context: Context, given: dict, *more: str) -> tuple[int, str]:
    """The role on this machine; exit code and words."""
    folder = context.folder()
    (folder / "play.json").write_text(json.dumps(
        [{"name": "Try", "hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["tarn"]}]
    ))
    (folder / "vars.json").write_text(json.dumps(given))
    tool = context.pip_tool("ansible-playbook", "ansible-core")
    arguments = ["-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "-e", "@vars.json", "--diff"]
    return context.attempt([tool, *arguments, *more, "play.json"], cwd=folder, env=env(context))


def role(context: Context) -> str:
    """Installed once; then nothing changes; a mistake does not get in place; no secret is printed."""
    root = context.folder() / "machine"
    root.mkdir()
    given = variables(context, root)
    code, said = play(context, given)
    if code != 0:
        raise Failed(f"the role failed: {said[-3000:]}")
    printed = said
    for path, mode in MODES.items():
        if not (root / path).exists():
            raise Failed(f"{path} is missing")
        if (root / path).stat().st_mode & 0o7777 != mode:
            raise Failed(f"{path} has mode {(root / path).stat().st_mode & 0o7777:o}, not {mode:o}")
    code, said = play(context, given)
    if code != 0 or "changed=0" not in said:
        raise Failed(f"a second run changes something: {said[-3000:]}")
    before = (root / "etc/tarn/tarn.yaml").read_text()
    code, said = play(context, given | {"tarn_config": {"retention": {"logs": "soon"}}}, "--start-at-task", LAST)
    if code == 0 or "neither a duration" not in said or (root / "etc/tarn/tarn.yaml").read_text() != before:
        raise Failed(f"a mistake got in place: {said[-2000:]}")
    if SECRET in printed + said:
        raise Failed("a secret was printed")
    return f"{version_of('ansible-core')}, {len(MODES)} files, a second run that changes nothing, a mistake refused"
