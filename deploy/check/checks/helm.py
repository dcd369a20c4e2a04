"""The chart: Helm's own lint and renderer, the schema of its values, and the program that reads what it renders."""

from __future__ import annotations

import base64
import json
import pathlib
import tarfile
import tomllib
from collections.abc import Iterator

import cluster
import manifests
from lib import Context, Failed, Result, version_of
from pod import KEY, KEYS, Pod

CHART = "helm/tarn"
CHART_NAME = f"deploy/{CHART}"
VALUES_LINES_MAX = 300
DEFAULT_KINDS = ["ConfigMap", "Secret", "Service", "Service", "ServiceAccount", "StatefulSet"]
KUBECONFIG = {
    "apiVersion": "v1", "kind": "Config", "current-context": "here",
    "clusters": [{"name": "here", "cluster": {"server": "ADDRESS"}}],
    "users": [{"name": "me", "user": {}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
}
# Values that must be refused, and a word of the reason.
REFUSED: list[tuple[dict, str]] = [
    ({"replicaCount": 3}, "replicaCount"),
    ({"replicas": 2}, "replicas"),
    ({"config": {"storage": {"ulr": "s3://x"}}}, "ulr"),
    ({"config": {"storage": {"path": "/elsewhere"}}}, "path"),
    ({"config": {"listen": {"http": "0.0.0.0:80"}}}, "listen"),
    ({"config": {"flush": {"age": "five minutes"}}}, "age"),
    ({"config": {"flush": {"bytes": "128 megabytes"}}}, "bytes"),
    ({"config": {"wal": {"sync": "never"}}}, "sync"),
    ({"config": {"compaction": {"enabled": "yes"}}}, "enabled"),
    ({"config": {"storage": {"secret_access_key": "hunter2"}}}, "secret_access_key"),
    ({"config": {"storage": {"secret_access_key": {"value": "hunter2"}}}}, "secret_access_key"),
    # What YAML makes of `rate: off`.
    ({"config": {"ingest": {"rate": False}}}, "rate"),
    ({"auth": {"keys": [{"name": "a", "token": "tarn_a_b", "grants": []}]}}, "keys"),
    ({"auth": {"groups": [{"name": "a", "grants": [{"role": "root", "tenants": ["*"]}]}]}}, "role"),
    ({"image": {"digest": "sha256:abc"}}, "digest"),
    ({"persistence": {"size": "lots"}}, "size"),
    ({"tls": {"clientAuth": "required"}}, "clientAuth"),
    ({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds"),
    ({"files": {"tarn.yaml": "x"}}, "tarn.yaml"),
    ({"ingress": {"enabled": True}}, "hosts"),
    ({"gateway": {"http": {"enabled": True, "hostnames": ["a.example"]}}}, "parentRefs"),
    ({"tls": {"certManager": {"enabled": True}}}, "issuerRef"),
]


def check(context: Context) -> Iterator[Result]:
    """One result per promise of the chart."""
    yield context.verify(CHART_NAME, lambda: lint(context))
    yield context.verify(f"{CHART_NAME}/values.yaml", lambda: values(context))
    yield context.verify(f"{CHART_NAME}/values.schema.json", lambda: schema(context))
    yield context.verify(f"{CHART_NAME}/Chart.yaml", lambda: package(context))
    yield context.verify(f"{CHART_NAME}/templates", lambda: default_render(context))
    yield context.verify(f"{CHART_NAME} (upgrade)", lambda: upgrade(context))
    yield context.verify(f"{CHART_NAME}/ci", lambda: rendered(context))
    yield context.verify(f"{CHART_NAME} (policy)", lambda: policy(context))
    yield context.verify(f"{CHART_NAME} (tarn check)", lambda: configuration(context))
    yield context.verify(f"{CHART_NAME} (roles)", lambda: at_work(context))


def at_work(context: Context) -> str:
    """The server as the chart makes it, asked with the keys that the chart makes."""
    return Pod(context, render(context, {})).roles()


def sets(context: Context) -> dict[str, dict]:
    """The values that the chart is rendered with, by name; those of the chart alone are `default`."""
    yaml = context.module("yaml", "pyyaml")
    found = sorted((context.deploy / CHART / "ci").glob("*-values.yaml"))
    if len(found) < 4:
        raise Failed("values to render with are missing from ci/")
    return {"default": {}} | {path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in found}


def render(context: Context, values: dict, *, tests: bool = True) -> list[dict]:
    """The objects that Helm would send to a cluster."""
    helm = helm_module(context)
    from helm_python.errors import HelmError

    try:
        with helm.Chart.load(context.deploy / CHART) as chart:
            chart.validate_schema(values)
            files = chart.render(values, name="demo", namespace="observability", is_install=True)
    except HelmError as error:
        raise Failed(str(error)) from error
    wanted = (text for name, text in sorted(files.items()) if name.endswith(".yaml") and (tests or "/tests/" not in name))
    return manifests.load(context, "\n---\n".join(wanted))


def helm_module(context: Context) -> object:
    """Helm's SDK."""
    context.module("helm_python", "helm-python-sdk")
    from helm_python import chart

    return chart


def lint(context: Context) -> str:
    """helm lint --strict, with every set of values."""
    helm = helm_module(context)
    all_sets = sets(context)
    for name, values_set in all_sets.items():
        report = helm.lint(context.deploy / CHART, values_set, strict=True)
        if report["errors"] or any(message["severity"] > 1 for message in report["messages"]):
            raise Failed(f"{name}: {json.dumps(report)[:2000]}")
    return f"{version_of('helm-python-sdk')}: lint --strict, {len(all_sets)} sets of values"


def values(context: Context) -> str:
    """Short enough to be read, and every value of the schema stands there."""
    yaml = context.module("yaml", "pyyaml")
    text = (context.deploy / CHART / "values.yaml").read_text()
    lines = text.count("\n")
    if lines > VALUES_LINES_MAX:
        raise Failed(f"{lines} lines, {VALUES_LINES_MAX} are a page that is read")
    known = json.loads((context.deploy / CHART / "values.schema.json").read_text())["properties"]
    missing = absent(known, yaml.safe_load(text), "")
    if missing:
        raise Failed(f"the schema knows {', '.join(missing)}, and nobody reads of it here")
    return f"{lines} lines"


def absent(schema_part: dict, values_part: dict, above: str) -> list[str]:
    """Names of the schema that values.yaml does not show."""
    found = []
    for name, inner in schema_part.items():
        if (above, name) in {("", "global"), ("resources.", "claims")}:
            continue
        if name not in values_part:
            found.append(f"{above}{name}")
        elif name != "config" and name != "issuerRef" and isinstance(values_part[name], dict):
            found += absent(inner.get("properties", {}), values_part[name], f"{above}{name}.")
    return found


def schema(context: Context) -> str:
    """The schema refuses what is wrong, and takes each default that it names."""
    helm = helm_module(context)
    jsonschema = context.module("jsonschema")
    document = json.loads((context.deploy / CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(document)
    with helm.Chart.load(context.deploy / CHART) as chart:
        for wrong, word in REFUSED:
            try:
                chart.validate_schema(wrong)
                chart.render(wrong, name="demo", namespace="observability")
            except Exception as error:
                if word not in str(error):
                    raise Failed(f"{wrong} was refused, but not for {word}: {error}") from error
            else:
                raise Failed(f"{wrong} was taken")
    count = 0
    for name, part in leaves(document["properties"]["config"], ""):
        count += 1
        if "default" in part and not jsonschema.Draft7Validator(part).is_valid(part["default"]):
            raise Failed(f"config.{name}: its default {part['default']!r} is not what it takes")
    if count < 100:
        raise Failed(f"config has {count} settings: TARN_UPDATE=1 cargo test --workspace --bin tarn reference")
    return f"{len(REFUSED)} wrong values refused, {count} defaults taken"


def leaves(part: dict, above: str) -> Iterator[tuple[str, dict]]:
    """Every setting of the schema with its name."""
    for name, inner in part.get("properties", {}).items():
        if "properties" in inner:
            yield from leaves(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", inner


def package(context: Context) -> str:
    """helm package, and the versions that belong together."""
    helm = helm_module(context)
    with helm.Chart.load(context.deploy / CHART) as chart:
        metadata = chart.metadata
    ours = tomllib.loads((context.repository / "Cargo.toml").read_text())
    version = ours.get("workspace", {}).get("package", {}).get("version") or ours["package"]["version"]
    if metadata["appVersion"] != version:
        raise Failed(f"appVersion is {metadata['appVersion']}, Cargo.toml has {version}")
    archive = pathlib.Path(helm.package(context.deploy / CHART, destination=context.folder()))
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    for name in ("tarn/values.schema.json", "tarn/templates/statefulset.yaml"):
        if name not in names:
            raise Failed(f"{archive.name} has no {name}")
    if any("/ci/" in name for name in names):
        raise Failed(f"{archive.name} has the values of ci/")
    return f"{archive.name}, {archive.stat().st_size} bytes"


def default_render(context: Context) -> str:
    """What stands in the default render, by what operators rely on."""
    objects = render(context, {}, tests=False)
    kinds = sorted(one["kind"] for one in objects)
    if kinds != DEFAULT_KINDS:
        raise Failed(f"the default render has {kinds}")
    (server,) = (one["spec"] for one in objects if one["kind"] == "StatefulSet")
    pod = server["template"]["spec"]
    (container,) = pod["containers"]
    wanted = {
        "replicas": (server["replicas"], 1),
        "pods at once": (server["podManagementPolicy"], "Parallel"),
        "volume after deletion": (server["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain"),
        "volumes": (len(server["volumeClaimTemplates"]), 1),
        "time to stop": (pod["terminationGracePeriodSeconds"], 60),
        "token of Kubernetes": (pod["automountServiceAccountToken"], False),
        "user": (pod["securityContext"]["runAsUser"], 65532),
        "root that is read only": (container["securityContext"]["readOnlyRootFilesystem"], True),
        "capabilities": (container["securityContext"]["capabilities"], {"drop": ["ALL"]}),
        # The bucket may be away for hours: no reason to kill anything.
        "liveness": (container["livenessProbe"]["httpGet"]["path"], "/livez"),
        "startup": (container["startupProbe"]["httpGet"]["path"], "/livez"),
        "seconds to start": (container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"], 600),
        "readiness": (container["readinessProbe"]["httpGet"]["path"], "/readyz"),
        "ports": ({port["containerPort"] for port in container["ports"]}, {4317, 4318, 4320}),
    }
    for what, (is_now, should_be) in wanted.items():
        if is_now != should_be:
            raise Failed(f"{what}: {is_now!r}, not {should_be!r}")
    selected_by_services(render(context, {}))
    keys_are_random(context)
    return f"{len(objects)} objects, {len(wanted)} facts"


def selected_by_services(objects: list[dict]) -> None:
    """The Services find the server and nothing else."""
    labels = {one["kind"]: one["spec"]["template"]["metadata"]["labels"] for one in objects if one["kind"] == "StatefulSet"}
    labels |= {one["kind"]: one["metadata"]["labels"] for one in objects if one["kind"] == "Pod"}
    for service in (one for one in objects if one["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        found = {kind for kind, own in labels.items() if selector <= own.items()}
        if found != {"StatefulSet"}:
            raise Failed(f"Service {service['metadata']['name']} selects {sorted(found)}")


def keys_are_random(context: Context) -> None:
    """Three keys of at least 256 random bits that differ from each other and from those of another render."""
    seen: list[str] = []
    for _ in range(2):
        (secret,) = (one["data"] for one in render(context, {}) if one["kind"] == "Secret")
        seen += [base64.b64decode(value).decode() for name, value in secret.items() if name.endswith("-token")]
    parts = {part for key in seen for part in key.split("_")[1:]}
    if len(parts) != 2 * len(seen) or not all(KEY.fullmatch(key) for key in seen):
        raise Failed("the keys that the chart makes are not three random ones")


def upgrade(context: Context) -> str:
    """Keys that are in the cluster are kept, one that was taken away is made anew, and nobody else's are looked at."""
    from helm_python.config import Config

    helm = helm_module(context)
    (before,) = (one for one in render(context, {}) if one["kind"] == "Secret")
    gone = {"metadata": before["metadata"], "data": {name: text for name, text in before["data"].items() if name != "viewer-token"}}
    for there, kept in ((before, 3), (gone, 2), ({**before, "metadata": {**before["metadata"], "name": "other"}}, 0)):
        whole = {"apiVersion": "v1", "kind": "Secret"} | there
        with cluster.serve([whole]) as address, helm.Chart.load(context.deploy / CHART) as chart:
            content = json.dumps(KUBECONFIG).replace("ADDRESS", address)
            with Config(kubeconfig_content=content, namespace="observability", storage_driver="memory") as config:
                files = config.render(chart, {}, name="demo", namespace="observability", is_upgrade=True)
        (after,) = manifests.load(context, files["tarn/templates/secret.yaml"])
        same = sum(after["data"][name] == before["data"][name] for name in KEYS)
        if same != kept:
            raise Failed(f"{same} of the keys are as they were, not {kept}")
    return "three keys kept, one made anew"


def rendered(context: Context) -> str:
    """Every set of values gives objects that Kubernetes knows."""
    objects = [one for values_set in sets(context).values() for one in render(context, values_set)]
    return manifests.validate(context, objects)


def policy(context: Context) -> str:
    """What is valid and unwise, with the defaults and with everything switched on."""
    all_sets = sets(context)
    chosen = ({}, all_sets["everything"])
    return manifests.policy(context, [one for each in chosen for one in render(context, each, tests=False)])


def configuration(context: Context) -> str:
    """The program takes the tarn.yaml and the auth.yaml of every set, and refuses a mistake in either."""
    all_sets = sets(context)
    for name, values_set in all_sets.items():
        try:
            Pod(context, render(context, values_set)).check()
        except Failed as error:
            raise Failed(f"{name}: {error}") from error
    pod = Pod(context, render(context, {}))
    for path in ("etc/tarn.yaml", "run/auth/auth.yaml"):
        good = (pod.folder / path).read_text()
        (pod.folder / path).write_text(f"{good}\nmistake: 1\n")
        try:
            pod.check()
        except Failed:
            (pod.folder / path).write_text(good)
        else:
            raise Failed(f"tarn check does not look at {path}")
    return f"tarn check, {len(all_sets)} sets of values"

