"""yamllint over every YAML file that is no template."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lib import Context, Failed, Result, files, version_of

RULES = {
    "extends": "default",
    "rules": {
        "line-length": {"max": 160},
        "document-start": "disable",
        "comments": {"min-spaces-from-content": 1},
        "braces": {"max-spaces-inside": 1},
        "indentation": {"indent-sequences": "whatever"},
        "truthy": {"check-keys": False},
    },
}


def check(context: Context) -> Iterator[Result]:
    """One result for all of them."""
    yield context.verify("deploy/**/*.yaml", lambda: lint(context))


def lint(context: Context) -> str:
    """The version of yamllint, and how many files it read."""
    tool = context.pip_tool("yamllint")
    found = [path for path in files(context.deploy, "*.yaml", "*.yml") if "templates" not in path.parts]
    if not found:
        raise Failed("there is none")
    context.run([tool, "--strict", "--config-data", json.dumps(RULES), *found])
    return f"{version_of('yamllint')}, {len(found)} files"
