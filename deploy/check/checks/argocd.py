"""Argo CD: schemas, and what its objects point at: the chart takes the values, overlays exist, the project allows all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import manifests
from checks import helm, kustomize
from lib import Context, Failed, Result, files
from pod import Pod

FOLDER = "deploy/argocd"


def check(context: Context) -> Iterator[Result]:
    """One result per file."""
    for path in files(context.repository / FOLDER, "*.yaml"):
        yield context.verify(f"{FOLDER}/{path.name}", lambda path=path: CHECKS[path.name](context, read(context, path.name)))


def read(context: Context, name: str) -> dict:
    """The one object of a file, which Argo CD's schema takes."""
    (one,) = manifests.load(context, (context.repository / FOLDER / name).read_text())
    manifests.validate(context, [one])
    return one


def project(context: Context, one: dict) -> str:
    """It allows what the chart makes with everything switched on, and nothing else."""
    allowed = {(kind["group"], kind["kind"]) for kind in one["spec"]["namespaceResourceWhitelist"]}
    made = set()
    for values in helm.sets(context).values():
        made |= {group_kind(each) for each in helm.render(context, values, tests=False)}
    if made != allowed:
        raise Failed(f"{sorted(made ^ allowed)} are made or allowed, not both")
    return f"{len(allowed)} kinds"


def group_kind(one: dict) -> tuple[str, str]:
    """Group and kind of an object."""
    return one["apiVersion"].rpartition("/")[0], one["kind"]


def permitted(context: Context, spec: dict) -> None:
    """The project takes source and destination."""
    allowed = read(context, "project.yaml")["spec"]
    if spec["source"]["repoURL"] not in allowed["sourceRepos"]:
        raise Failed(f"the project does not know {spec['source']['repoURL']}")
    namespace = spec["destination"]["namespace"]
    if not any(re.fullmatch(each["namespace"].replace("*", ".*"), namespace) for each in allowed["destinations"]):
        raise Failed(f"the project does not go to {namespace}")


def application(context: Context, one: dict) -> str:
    """The chart renders its values into what Kubernetes and the program take."""
    spec = one["spec"]
    permitted(context, spec)
    if context.repository / spec["source"]["path"] != context.deploy / helm.CHART:
        raise Failed(f"{spec['source']['path']} is not the chart")
    values = spec["source"]["helm"]["valuesObject"]
    if not values.get("auth", {}).get("existingSecret"):
        raise Failed("Argo CD would make new keys at every sync")
    objects = helm.render(context, values)
    says = manifests.validate(context, objects)
    Pod(context, objects).check()
    return f"{says}, tarn check"


def application_set(context: Context, one: dict) -> str:
    """Every element gives an Application whose overlay is built for the namespace that it names."""
    (generator,) = one["spec"]["generators"]
    names = []
    for element in generator["list"]["elements"]:
        text = json.dumps(one["spec"]["template"])
        for word in set(re.findall(r"\{\{ \.(\w+) \}\}", text)):
            if word not in element:
                raise Failed(f"{element} has no {word}")
            text = text.replace(f"{{{{ .{word} }}}}", element[word])
        made = json.loads(text) | {"apiVersion": one["apiVersion"], "kind": "Application"}
        manifests.validate(context, [made])
        permitted(context, made["spec"])
        overlay = made["spec"]["source"]["path"].removeprefix(f"{kustomize.FOLDER}/")
        namespaces = {each["metadata"]["namespace"] for each in kustomize.build(context, overlay)}
        if namespaces != {made["spec"]["destination"]["namespace"]}:
            raise Failed(f"{overlay} goes to {sorted(namespaces)}")
        names.append(made["metadata"]["name"])
    return ", ".join(names)


CHECKS = {"project.yaml": project, "application.yaml": application, "applicationset.yaml": application_set}
