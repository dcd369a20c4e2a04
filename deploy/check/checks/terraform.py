"""Terraform: format and tests of what needs no provider, calls between modules, checkov, and the chart behind it.

A provider cannot be had without its registry, so `terraform validate` runs where there is none: in the inner modules,
which hold the logic. Of the thin layers around them every reference to a variable, local, module and output is
looked up, and checkov reads all of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import manifests
from checks import helm
from lib import Context, Failed, Result, files
from pod import Pod

FOLDER = "terraform"
NAME = f"deploy/{FOLDER}"
INNER = ("tarn-helm/values", "tarn-aws/policy", "tarn-gcp/identity", "tarn-azure/names")
# What every bucket has, whatever its cloud.
PROMISES = {
    "tarn-aws": ("aws_s3_bucket_versioning", "aws_s3_bucket_server_side_encryption_configuration",
                 "aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_public_access_block", "aws_s3_bucket_policy"),
    "tarn-gcp": ("versioning", "lifecycle_rule", "public_access_prevention", "uniform_bucket_level_access"),
    "tarn-azure": ("versioning_enabled", "azurerm_storage_management_policy", "allow_nested_items_to_be_public",
                   "azurerm_federated_identity_credential"),
}


def check(context: Context) -> Iterator[Result]:
    """The format of all, each inner module, the calls, checkov, and the values in the chart."""
    yield context.verify(NAME, lambda: form(context))
    for name in INNER:
        yield context.verify(f"{NAME}/modules/{name}", lambda name=name: tested(context, name))
    for folder in sorted(path.parent for path in files(context.deploy / FOLDER, "main.tf")):
        name = folder.relative_to(context.deploy / FOLDER)
        yield context.verify(f"{NAME}/{name} (references)", lambda folder=folder: references(context, folder))
    yield context.verify(f"{NAME}/modules (policy)", lambda: policy(context))
    yield context.verify(f"{NAME}/modules/tarn-helm (chart)", lambda: chart(context))


def terraform(context: Context, *arguments: str, cwd: Path) -> str:
    """What terraform printed."""
    program = context.debian_tool("terraform", "terraform (from HashiCorp's repository)")
    # A named file for the command line that is not there is a warning on every run.
    env = {"TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return context.run([program, *arguments, "-no-color"], cwd=cwd, env=env)


def form(context: Context) -> str:
    """terraform fmt, and nothing that belongs to one machine."""
    terraform(context, "fmt", "-check", "-recursive", "-diff", cwd=context.deploy / FOLDER)
    left = [path.name for path in files(context.deploy / FOLDER, "*.tfstate*", "*.tfvars", ".terraform.lock.hcl")]
    if left:
        raise Failed(f"{left} should not be here")
    return f"terraform fmt, {len(list(files(context.deploy / FOLDER, '*.tf', '*.hcl')))} files"


def copied(context: Context, name: str) -> Path:
    """A module in a folder where terraform may leave its own."""
    place = context.folder() / "module"
    shutil.copytree(context.deploy / FOLDER / "modules" / name, place, ignore=shutil.ignore_patterns(".terraform*"))
    terraform(context, "init", "-backend=false", "-input=false", cwd=place)
    return place


def tested(context: Context, name: str) -> str:
    """terraform validate and terraform test."""
    place = copied(context, name)
    terraform(context, "validate", cwd=place)
    said = terraform(context, "test", cwd=place)
    found = re.search(r"(\d+) passed, 0 failed", said)
    if found is None or int(found[1]) < 3:
        raise Failed(f"it has no tests: {said[-500:]}")
    return f"terraform validate, {found[1]} tests"


def source(folder: Path) -> str:
    """The text of a module without comments and without the skips of checkov."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def declared(text: str, kind: str) -> set[str]:
    """Names of the blocks of a kind."""
    return set(re.findall(rf'^{kind} "(\w+)"', text, flags=re.MULTILINE))


def required(text: str) -> set[str]:
    """Variables that have no default."""
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, flags=re.MULTILINE | re.DOTALL)
    return {name for name, body in blocks if not re.search(r"^  default\s*=", body, flags=re.MULTILINE)}


def references(context: Context, folder: Path) -> str:
    """Every var, local, module and resource that is named exists, and every one that exists is named."""
    text = source(folder)
    variables, used = declared(text, "variable"), set(re.findall(r"\bvar\.(\w+)", text))
    if variables != used:
        raise Failed(f"variables: {sorted(variables ^ used)} are declared or used, not both")
    local_names = {name for body in re.findall(r"^locals \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL)
                   for name in re.findall(r"^  (\w+)\s*=", body, flags=re.MULTILINE)}
    if local_names != set(re.findall(r"\blocal\.(\w+)", text)):
        raise Failed(f"locals: {sorted(local_names)} are not those that are used")
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', text, flags=re.MULTILINE))
    data = set(re.findall(r'^data "(\w+)" "(\w+)"', text, flags=re.MULTILINE))
    providers = {kind.split("_")[0] for kind, _ in resources | data}
    pattern = rf"(?<![\w.\"])(data\.)?((?:{'|'.join(providers) or 'none'})_\w+)\.(\w+)"
    for in_data, kind, name in re.findall(pattern, text):
        if (kind, name) not in (data if in_data else resources):
            raise Failed(f"{in_data}{kind}.{name} is not there")
    wanted = set(re.findall(r"^    (\w+) = \{\n      source", text, flags=re.MULTILINE))
    if providers - wanted or wanted - providers - declared(text, "provider"):
        raise Failed(f"providers: {sorted(wanted)} are required, {sorted(providers)} are used")
    calls = re.findall(r'^module "(\w+)" \{\n(.*?)^\}', text, flags=re.MULTILINE | re.DOTALL)
    for name, body in calls:
        called(folder, text, name, body)
    return f"{len(variables)} variables, {len(resources)} resources, {len(calls)} calls"


def called(folder: Path, text: str, name: str, body: str) -> None:
    """A call gives what the module wants, no more, and reads outputs that it has."""
    other = (folder / re.search(r'^  source\s*=\s*"([^"]+)"', body, flags=re.MULTILINE)[1]).resolve()
    inner = source(other)
    given = set(re.findall(r"^  (\w+)\s*=", body, flags=re.MULTILINE)) - {"source"}
    if not inner or given - declared(inner, "variable") or required(inner) - given:
        unknown, missing = given - declared(inner, "variable"), required(inner) - given
        raise Failed(f"module {name}: {sorted(unknown)} are not its variables, {sorted(missing)} are missing")
    outputs = set(re.findall(rf"\bmodule\.{name}\.(\w+)", text))
    if outputs - declared(inner, "output"):
        raise Failed(f"module {name} has no output {sorted(outputs - declared(inner, 'output'))}")


def policy(context: Context) -> str:
    """checkov, and what every bucket has."""
    for name, words in PROMISES.items():
        text = source(context.deploy / FOLDER / "modules" / name)
        missing = [word for word in words if word not in text]
        if missing:
            raise Failed(f"{name} has no {', '.join(missing)}")
    return manifests.checkov(context, context.deploy / FOLDER, "terraform", ("CKV_TF_1",))


def chart(context: Context) -> str:
    """What the inner module works out is what the chart takes and the program accepts."""
    place = copied(context, "tarn-helm/values")
    given = {
        "image": {"repository": "registry.example.com/tarn"},
        "storage": {"url": "s3://example/tarn", "region": "eu-central-1"},
        "config": {"retention": {"logs": "14d"}},
        "identity": {"annotations": {"a.example/role": "tarn"}, "pod_labels": {"a.example/use": "true"}},
        "host": "tarn.example.com",
        "monitoring": True,
    }
    (place / "terraform.tfvars.json").write_text(json.dumps(given))
    terraform(context, "apply", "-auto-approve", "-input=false", cwd=place)
    values = json.loads(terraform(context, "output", "-json", cwd=place))["values"]["value"]
    objects = helm.render(context, values)
    says = manifests.validate(context, objects)
    said = Pod(context, objects).check()
    if "storage.url: s3://example/tarn" not in said or "retention.logs: 14d" not in said:
        raise Failed(f"the settings did not arrive: {said}")
    return f"{says}, tarn check"
