"""The files of a pod, laid out in a folder as its volumes would, and the program that reads them there."""

from __future__ import annotations

import base64
import os
import pathlib
import re

from lib import Context, Failed

# Where manifests put things, and where they are when the program is asked on this machine.
PLACES = {"/run/tarn": "run", "/var/lib/tarn": "data", "/etc/tarn": "etc"}
# What stands in a Secret that the manifests expect to be there already.
KEYS = ("admin-token", "ingest-token", "viewer-token")
# As Tarn makes them: an id, and 256 random bits.
KEY = re.compile("tarn_[0-9a-f]{16}_[0-9a-f]{64}")


class Pod:
    """One server as manifests describe it."""

    def __init__(self, context: Context, objects: list[dict]) -> None:
        self.context = context
        self.folder = context.folder()
        self.env: dict[str, str] = {}
        for part in ("run/auth", "run/tls", "data", "etc"):
            (self.folder / part).mkdir(parents=True)
        spec = next(one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet")
        data = {(one["kind"], one["metadata"]["name"]): one.get("data", {}) for one in objects}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for file, text in data["ConfigMap", volumes["config"]["configMap"]["name"]].items():
            self._write(f"etc/{file}", text)
        for source in spec["containers"][0].get("envFrom", []):
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
        for place, below in PLACES.items():
            text = text.replace(place, str(self.folder / below))
        (self.folder / path).write_text(text)

    def _certificate(self) -> None:
        """A certificate that signed itself, in the files of a Secret for TLS."""
        folder = self.folder / "run/tls"
        self.context.run([
            self.context.debian_tool("openssl"), "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=tarn",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "tls.key", "-out", folder / "tls.crt",
        ])
        (folder / "ca.crt").write_text((folder / "tls.crt").read_text())
