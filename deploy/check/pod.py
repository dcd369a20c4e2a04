"""The files of a pod, laid out in a folder as its volumes would, and the program that reads them there."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import urllib.error
import urllib.request

from lib import Context, Failed, Server

# Where manifests put things, and where they are when the program is asked on this machine.
PLACES = {"/run/tarn": "run", "/data": "data", "/etc/tarn": "etc"}
# What stands in a Secret that the manifests expect to be there already.
KEYS = ("admin-token", "ingest-token", "viewer-token")
# As Tarn makes them: an id, and 256 random bits.
KEY = re.compile("tarn_[0-9a-f]{16}_[0-9a-f]{64}")

LOG = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}'
# A route, what is sent to it, and what it answers nobody, the sender, the reader, the administrator.
ASKED = (
    ("/livez", None, 200, 200, 200, 200),
    ("/readyz", None, 200, 200, 200, 200),
    ("/v1/logs", LOG, 401, 200, 403, 200),
    ("/api/v1/query?query=1", None, 401, 403, 200, 200),
    ("/metrics", None, 401, 403, 200, 200),
    ("/api/v1/access/keys", None, 401, 403, 403, 200),
)


def image(context: Context) -> dict[str, str]:
    """The variables that the image brings along."""
    text = (context.deploy / "docker/Dockerfile").read_text()
    return dict(re.findall(r"\b(TARN_\w+__\w+)=(\S+)", text))


def answered(request: urllib.request.Request) -> int:
    """The status of the reply."""
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


class Pod:
    """One server as manifests describe it."""

    def __init__(self, context: Context, objects: list[dict]) -> None:
        self.context = context
        self.folder = context.folder()
        # They win over tarn.yaml.
        self.env = {name: self._moved(value) for name, value in image(context).items()}
        for part in ("run/auth", "run/tls", "data", "etc"):
            (self.folder / part).mkdir(parents=True)
        spec = next(one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet")
        data = {(one["kind"], one["metadata"]["name"]): one.get("data", {}) for one in objects}
        container = spec["containers"][0]
        mounted = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        if mounted != {image(context)["TARN_STORAGE__PATH"]}:
            raise Failed(f"the image writes to {image(context)['TARN_STORAGE__PATH']}, {sorted(mounted)} can be written")
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for file, text in data["ConfigMap", volumes["config"]["configMap"]["name"]].items():
            self._write(f"etc/{file}", text)
        for source in container.get("envFrom", []):
            self.env |= data["ConfigMap", source["configMapRef"]["name"]]
        if "auth" in volumes:
            self._keys(data.get(("Secret", volumes["auth"]["secret"]["secretName"])))
        if "tls" in volumes:
            self._certificate()

    def check(self) -> str:
        """What `tarn check` says; `Failed` with its words when it does not take the files."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("TARN_")}
        arguments = [self.context.binary(), "check", "--config", self.folder / "etc/tarn.yaml"]
        code, output = self.context.attempt(["env", "-i", *(f"{k}={v}" for k, v in (env | self.env).items()), *arguments],
                                            cwd=self.folder)
        if code != 0 or "configuration is valid" not in output:
            raise Failed(f"tarn check exited with {code}: {output.strip()}")
        return output

    def roles(self) -> str:
        """Starts the server and asks it with each key, as senders, Grafana and a ServiceMonitor would."""
        folder = self.context.folder()
        server = Server(self.context.binary(), folder, ["--config", str(self.folder / "etc/tarn.yaml")])
        try:
            server.wait_until_ready()
            keys = {name: (self.folder / "run/auth" / f"{name}-token").read_text() for name in ("admin", "ingest", "viewer")}
            for path, body, *wanted in ASKED:
                for who, status in zip((None, "ingest", "viewer", "admin"), wanted, strict=True):
                    request = urllib.request.Request(f"{server.url}{path}", data=body)
                    if body is not None:
                        request.add_header("Content-Type", "application/json")
                    if who is not None:
                        request.add_header("Authorization", f"Bearer {keys[who]}")
                    got = answered(request)
                    if got != status:
                        raise Failed(f"{path} with {who or 'no key'}: {got}, not {status}")
        finally:
            server.stop()
        return f"{len(ASKED)} routes with three keys and none"

    def _keys(self, secret: dict | None) -> None:
        if secret is None:
            example = (self.context.deploy / "kustomize/auth.yaml").read_text()
            self._write("run/auth/auth.yaml", example)
            for number, name in enumerate((*KEYS, "oidc-secret")):
                self._write(f"run/auth/{name}", f"tarn_{number:016x}_{number:064x}")
            return
        for file, text in secret.items():
            self._write(f"run/auth/{file}", base64.b64decode(text).decode())

    def _write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(self._moved(text))

    def _moved(self, text: str) -> str:
        for place, below in PLACES.items():
            text = re.sub(rf"{place}\b", str(self.folder / below), text)
        return text

    def _certificate(self) -> None:
        """A certificate that signed itself, in the files of a Secret for TLS."""
        folder = self.folder / "run/tls"
        self.context.run([
            self.context.debian_tool("openssl"), "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=tarn",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "tls.key", "-out", folder / "tls.crt",
        ])
        (folder / "ca.crt").write_text((folder / "tls.crt").read_text())
