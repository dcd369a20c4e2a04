"""What a cluster would say of manifests, without a cluster.

Kubernetes' own kinds are compared with the closed schemas of three of its versions, kinds of others (Prometheus
Operator, cert-manager, Gateway API, Argo CD) with the small ones in schemas/, which know the fields that are used here.
checkov then looks at all of them for what is valid and still unwise.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable

from lib import Context, Failed, version_of

VERSIONS = ("1.31", "1.34", "1.37")
SCHEMAS = pathlib.Path(__file__).resolve().parent / "schemas"
# What checkov asks for and is not done, each with its reason.
UNWISE_BUT_MEANT = {
    "CKV_K8S_11": "no limit for the CPU: it throttles writes while the node idles",
    "CKV_K8S_15": "images are named by version or digest; pulling each time adds a way to fail",
    "CKV_K8S_43": "the digest of an image is only known to who pushed it",
    "CKV_K8S_35": "a file that names variables by {env: NAME} may have them from a Secret",
}


def load(context: Context, text: str) -> list[dict]:
    """The objects of a YAML stream."""
    yaml = context.module("yaml", "pyyaml")
    return [one for one in yaml.safe_load_all(text) if one]


def validate(context: Context, objects: Iterable[dict]) -> str:
    """Compares objects with the schemas of their kinds; returns with which."""
    kubernetes = context.module("kubernetes_validate", "kubernetes-validate")
    jsonschema = context.module("jsonschema")
    count = 0
    for one in objects:
        count += 1
        named = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
        own = SCHEMAS / f"{one.get('kind')}.json"
        try:
            if own.is_file():
                schema = json.loads(own.read_text())
                jsonschema.Draft202012Validator.check_schema(schema)
                jsonschema.Draft202012Validator(schema).validate(one)
                continue
            for version in VERSIONS:
                kubernetes.validate(one, version, strict=True)
        except jsonschema.ValidationError as error:
            raise Failed(f"{named}: {error.json_path}: {error.message[:500]}") from error
        except kubernetes.SchemaNotFoundError as error:
            raise Failed(f"{named}: no schema for {one.get('apiVersion')}, {one.get('kind')}") from error
    if count == 0:
        raise Failed("there is no object")
    return f"{version_of('kubernetes-validate')} for {', '.join(VERSIONS)}, {count} objects"


def policy(context: Context, objects: list[dict], *, skipped: Iterable[str] = ()) -> str:
    """checkov over objects; returns how many of its checks passed."""
    folder = context.folder()
    for number, one in enumerate(objects):
        (folder / f"{number:02}-{one['kind']}.json").write_text(json.dumps(one))
    return checkov(context, folder, "kubernetes", [*UNWISE_BUT_MEANT, *skipped])


def checkov(context: Context, folder: pathlib.Path, framework: str, skipped: Iterable[str] = ()) -> str:
    """checkov over a folder, offline."""
    arguments = ["--framework", framework, "--skip-download", "--compact", "--quiet", "--output", "json"]
    skip = ["--skip-check", ",".join(skipped)] if skipped else []
    _, output = context.attempt(
        [context.pip_tool("checkov"), "--directory", folder, *arguments, *skip],
        env={"LOG_LEVEL": "ERROR", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"},
    )
    try:
        report = json.loads(output[output.index("{"):])
    except ValueError as error:
        raise Failed(f"checkov said {output.strip()[-1000:]}") from error
    summary = report.get("summary", report)
    if not summary.get("passed"):
        raise Failed("checkov found nothing to look at")
    if summary.get("parsing_errors"):
        raise Failed(f"checkov could not read {report['results'].get('parsing_errors')}")
    failed = report["results"]["failed_checks"]
    if failed:
        lines = (f"{one['check_id']} {one['check_name']}: {one['resource']} {one['file_path']}" for one in failed)
        raise Failed("; ".join(sorted(lines)))
    return f"{version_of('checkov')}, {summary['passed']} checks"
