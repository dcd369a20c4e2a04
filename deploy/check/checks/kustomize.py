"""Kustomize: what kubectl builds of every overlay, by the schemas of Kubernetes, checkov and the program itself."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterator

import manifests
from checks import helm
from lib import Context, Failed, Result
from pod import KEY, KEYS, Pod

FOLDER = "deploy/kustomize"
OVERLAYS = ("dev", "staging", "production")
# What each of them is for, by the objects that it has.
KINDS = {
    "dev": {"ConfigMap": 1, "Service": 2, "ServiceAccount": 1, "StatefulSet": 1},
    "staging": {"ConfigMap": 2, "PrometheusRule": 1, "Service": 2, "ServiceAccount": 1, "ServiceMonitor": 1, "StatefulSet": 1},
    "production": {
        "ConfigMap": 2, "NetworkPolicy": 1, "PodDisruptionBudget": 1, "PrometheusRule": 1, "Service": 2,
        "ServiceAccount": 1, "ServiceMonitor": 1, "StatefulSet": 1,
    },
}


def check(context: Context) -> Iterator[Result]:
    """The base beside the chart, and one result per overlay."""
    yield context.verify(f"{FOLDER}/base", lambda: base(context))
    for name in OVERLAYS:
        yield context.verify(f"{FOLDER}/overlays/{name}", lambda name=name: overlay(context, name))
    yield context.verify(f"{FOLDER}/components", lambda: components(context))
    yield context.verify(f"{FOLDER}/make-keys.sh", lambda: keys(context))
    yield context.verify(f"{FOLDER}/auth.yaml", lambda: roles(context))


def build(context: Context, path: str) -> list[dict]:
    """What `kubectl kustomize` makes of a folder."""
    kubectl = context.debian_tool("kubectl", "kubernetes-client")
    return manifests.load(context, context.run([kubectl, "kustomize", context.repository / FOLDER / path]))


def pod_of(objects: list[dict]) -> dict:
    """The pod, without the hash in the name of its configuration."""
    pod = copy.deepcopy(next(one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet"))
    for volume in pod["volumes"]:
        if "configMap" in volume:
            volume["configMap"]["name"] = re.sub(r"-[a-z0-9]{10}$", "", volume["configMap"]["name"])
    return pod


def base(context: Context) -> str:
    """The pod and the ports of the base are those of the chart without any values."""
    ours = build(context, "base")
    values = {"fullnameOverride": "tarn", "auth": {"existingSecret": "tarn-auth"}}
    charts = helm.render(context, values, tests=False)
    for one, other in zip(*(sorted(pod_of(objects).items()) for objects in (ours, charts)), strict=True):
        if one != other:
            raise Failed(f"the pod is not the chart's: {one} beside {other}")
    for one, other in zip(*([one["spec"]["ports"] for one in objects if one["kind"] == "Service"] for objects in (ours, charts)), strict=True):
        if one != other:
            raise Failed(f"the ports are not the chart's: {one} beside {other}")
    Pod(context, ours).check()
    return manifests.validate(context, ours)


def overlay(context: Context, name: str) -> str:
    """Its kinds, their schemas, what is unwise, and that the program takes its settings."""
    objects = build(context, f"overlays/{name}")
    kinds: dict[str, int] = {}
    for one in objects:
        kinds[one["kind"]] = kinds.get(one["kind"], 0) + 1
        if one["metadata"].get("namespace") is None:
            raise Failed(f"{one['kind']} {one['metadata']['name']} has no namespace")
    if kinds != KINDS[name]:
        raise Failed(f"it has {kinds}, not {KINDS[name]}")
    says = manifests.validate(context, objects)
    wise = manifests.policy(context, objects, skipped=() if "NetworkPolicy" in kinds else ("CKV2_K8S_6",))
    said = Pod(context, objects).check()
    if ("storage.url" in said) != (name != "dev"):
        raise Failed(f"the bucket is not what the overlay says: {said}")
    return f"{says}, {wise}, tarn check"


def components(context: Context) -> str:
    """Every component is part of an overlay that was built."""
    yaml = context.module("yaml", "pyyaml")
    used = set()
    for name in OVERLAYS:
        text = (context.repository / FOLDER / "overlays" / name / "kustomization.yaml").read_text()
        used |= {path.rsplit("/", 1)[1] for path in yaml.safe_load(text).get("components", [])}
    there = {path.name for path in (context.repository / FOLDER / "components").iterdir()}
    if used != there:
        raise Failed(f"there are {sorted(there)}, overlays have {sorted(used)}")
    return ", ".join(sorted(there))


def keys(context: Context) -> str:
    """shellcheck, and the Secret that it makes."""
    script = context.repository / FOLDER / "make-keys.sh"
    context.run([context.debian_tool("shellcheck"), script])
    context.debian_tool("kubectl", "kubernetes-client")
    (secret,) = manifests.load(context, context.run([script, "observability"]))
    manifests.validate(context, [secret])
    made = {base64.b64decode(secret["data"][name]).decode() for name in KEYS}
    if len(made) != 3 or not all(KEY.fullmatch(key) for key in made):
        raise Failed(f"its keys are not random: {sorted(made)}")
    if secret["metadata"]["namespace"] != "observability" or "auth.yaml" not in secret["data"]:
        raise Failed(f"it makes {secret}")
    return "shellcheck, three keys"


def roles(context: Context) -> str:
    """The file names the keys that the script makes."""
    yaml = context.module("yaml", "pyyaml")
    named = {one["token"] for one in yaml.safe_load((context.repository / FOLDER / "auth.yaml").read_text())["keys"]}
    if named != {f"file:/run/tarn/auth/{name}" for name in KEYS}:
        raise Failed(f"it names {sorted(named)}")
    return "the keys of make-keys.sh"
