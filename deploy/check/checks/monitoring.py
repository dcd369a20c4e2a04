"""Alerts about Tarn, their tests, objectives, runbooks, and what the pages for operators name.

promtool and Tarn read and test the rules; each alert fires and does not fire in a test, asks only for
metrics that exist, and has one runbook. What a page names exists: links, commands with their flags,
settings, metrics, routes.
"""

from __future__ import annotations

import functools
import pathlib
import re
import shlex
import time
from collections.abc import Iterator

from lib import Context, Failed, Result, Server, files

ALERTS_MAX = 15
# The pages that this check vouches for, beside all in the two folders.
PAGES = ("operating.md", "SECURITY.md", "limits.md")
FOLDERS = ("monitoring", "runbooks")
# A runbook is read at night.
RUNBOOK_LINES_MAX = 90
# Rules begin when the log is replayed, which is soon after it answers.
LISTED_SECONDS = 30
# Headings that the runbook of an alert has, in this order.
SECTIONS = ("Means", "See", "Causes", "Do", "Never", "Over")
# What a Prometheus adds to what it scrapes.
STANDARD_METRICS = {"up"}
HISTOGRAM_SUFFIXES = ("_bucket", "_count", "_sum")
# Commands that only ask.
QUESTIONS = {("query",), ("logs",), ("traces",), ("healthcheck",), ("node", "list")}
# Flags that every command has.
COMMON_FLAGS = {"--help", "--version"}


def check(context: Context) -> Iterator[Result]:
    """One result per file of rules, for the runbooks, and for what the pages name."""
    folder = context.deploy / "monitoring"
    yield context.verify("deploy/monitoring/alerts.yml", lambda: rules(context, folder / "alerts.yml"))
    yield context.verify("deploy/monitoring/alerts_test.yml", lambda: tests(context, folder))
    yield context.verify("deploy/monitoring (inside)", lambda: within(context, folder / "alerts.yml"))
    yield context.verify("deploy/monitoring/slos.yaml", lambda: loaded(context, folder))
    yield context.verify("deploy/runbooks", lambda: runbooks(context, folder / "alerts.yml"))
    yield context.verify("pages for operators: links", lambda: links(context))
    yield context.verify("pages for operators: commands", lambda: commands(context))
    yield context.verify("pages for operators: questions", lambda: questions(context))
    yield context.verify("pages for operators: names", lambda: names(context))


def rules(context: Context, path: pathlib.Path) -> str:
    """Syntax by promtool and Tarn; few alerts, whole ones, that ask for what there is."""
    promtool = context.debian_tool("promtool", "prometheus")
    context.run([promtool, "check", "rules", path])
    context.run([context.binary(), "rules", "check", "--strict", path])
    found = alerts(context, path)
    if len(found) > ALERTS_MAX:
        raise Failed(f"{len(found)} alerts, {ALERTS_MAX} are what people read")
    problems = []
    known = metrics(context)
    for alert in found:
        texts = alert.get("annotations", {})
        for annotation in ("summary", "description", "runbook_url"):
            if not texts.get(annotation):
                problems.append(f"{alert['alert']} has no {annotation}")
        if alert.get("labels", {}).get("severity") not in ("page", "ticket"):
            problems.append(f"{alert['alert']} is neither page nor ticket")
        for metric in sorted(asked(alert["expr"])):
            if metric not in known:
                problems.append(f"{alert['alert']} asks for {metric}, which is not in storage/model/src/metrics.rs")
    complain(problems)
    return f"promtool check rules, tarn rules check --strict, {len(found)} alerts, metrics exist"


def tests(context: Context, folder: pathlib.Path) -> str:
    """promtool and Tarn run them; each alert fires in one and does not in another."""
    path = folder / "alerts_test.yml"
    expected: dict[str, set[bool]] = {}
    for test in yaml(context).safe_load(path.read_text())["tests"]:
        for one in test.get("alert_rule_test", []):
            expected.setdefault(one["alertname"], set()).add(bool(one.get("exp_alerts")))
    defined = [alert["alert"] for alert in alerts(context, folder / "alerts.yml")]
    complain([f"{name} is not seen both firing and not firing" for name in defined if expected.get(name) != {True, False}])
    promtool = context.debian_tool("promtool", "prometheus")
    context.run([promtool, "test", "rules", path])
    context.run([context.binary(), "rules", "test", path])
    return f"promtool test rules, tarn rules test; each of {len(defined)} fires and does not"


def within(context: Context, path: pathlib.Path) -> str:
    """An alert that Tarn runs by itself means the same from outside."""
    inner = {alert["alert"]: alert for alert in alerts(context, context.repository / "alerting/rules/tarn.yaml")}
    both = [alert for alert in alerts(context, path) if alert["alert"] in inner]
    problems = []
    for alert in both:
        for key in ("expr", "for", "labels"):
            if alert.get(key) != inner[alert["alert"]].get(key):
                problems.append(f"{alert['alert']}: {key} differs from that in alerting/rules/tarn.yaml")
        if alert["annotations"]["summary"] != inner[alert["alert"]]["annotations"]["summary"]:
            problems.append(f"{alert['alert']}: summary differs from that in alerting/rules/tarn.yaml")
    complain(problems)
    return f"{len(both)} alerts are those of alerting/rules/tarn.yaml"


def loaded(context: Context, folder: pathlib.Path) -> str:
    """A Tarn takes alerts and objectives, and lists them."""
    rule_file, slo_file = folder / "alerts.yml", folder / "slos.yaml"
    flags = ["--alerting.rule-files", str(rule_file), "--alerting.slo-files", str(slo_file)]
    context.run([context.binary(), "check", *flags], cwd=context.folder())
    server = Server(context.binary(), context.folder(), flags)
    try:
        server.wait_until_ready()
        wanted = {alert["alert"] for alert in alerts(context, rule_file)}
        deadline = time.monotonic() + LISTED_SECONDS
        while (missing := wanted - listed(server, rule_file)) and time.monotonic() < deadline:
            time.sleep(0.2)
        complain([f"{name} is not listed" for name in sorted(missing)])
        objectives = {one["name"] for one in server.get("/api/v1/slos")["data"]}
        promised = [slo["name"] for slo in yaml(context).safe_load(slo_file.read_text())["slos"]]
        complain([f"{name} is not listed" for name in promised if name not in objectives])
    finally:
        server.stop()
    return f"tarn check; a running Tarn lists {len(wanted)} alerts and {len(promised)} objectives"


def listed(server: Server, file: pathlib.Path) -> set[str]:
    """Names of the rules that a server has of a file."""
    groups = server.get("/api/v1/rules")["data"]["groups"]
    return {rule["name"] for group in groups if group["file"] == str(file) for rule in group["rules"]}


def runbooks(context: Context, path: pathlib.Path) -> str:
    """One per alert and none beside; those of alerts have the same parts in the same order."""
    folder = context.deploy / "runbooks"
    wanted = {slug(alert["alert"]): alert for alert in alerts(context, path)}
    there = {page.stem for page in files(folder, "*.md") if page.stem != "README"}
    problems = [f"{name}.md is missing" for name in sorted(wanted.keys() - there)]
    problems += [f"{name}.md is of no alert" for name in sorted(there - wanted.keys()) if name.startswith("tarn-")]
    for name, alert in wanted.items():
        url = f"deploy/runbooks/{name}.md"
        if alert["annotations"].get("runbook_url") != url:
            problems.append(f"{alert['alert']}: runbook_url is not {url}")
        page = folder / f"{name}.md"
        if not page.is_file():
            continue
        text = page.read_text()
        if not text.startswith(f"# {alert['alert']}\n"):
            problems.append(f"{name}.md does not begin with the name of its alert")
        headings = tuple(re.findall(r"^## (.+)$", text, re.MULTILINE))
        if headings != SECTIONS:
            problems.append(f"{name}.md has the parts {', '.join(headings)}, not {', '.join(SECTIONS)}")
    index = (folder / "README.md").read_text()
    for page in files(folder, "*.md"):
        if page.stem != "README" and f"({page.name})" not in index:
            problems.append(f"README.md does not list {page.name}")
        lines = page.read_text().count("\n")
        if lines > RUNBOOK_LINES_MAX:
            problems.append(f"{page.name} has {lines} lines, limit is {RUNBOOK_LINES_MAX}")
    complain(problems)
    return f"{len(wanted)} of alerts, one each, {len(there) - len(wanted)} of operations"


def links(context: Context) -> str:
    """Every relative link leads to a file, and to a heading of it."""
    problems, count = [], 0
    for page in pages(context):
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                problems.append(f"{context.name(page)}: {target} is not there")
            elif anchor and anchor not in anchors(file):
                problems.append(f"{context.name(page)}: {target} is no heading there")
    complain(problems)
    return f"{count} links of {len(pages(context))} pages lead somewhere"


def commands(context: Context) -> str:
    """Every command of Tarn that a page tells to type exists, with its flags."""
    helps = Helps(context)
    problems, count = [], 0
    for page in pages(context):
        for line in typed(page.read_text()):
            count += 1
            problem = helps.problem(line)
            if problem:
                problems.append(f"{context.name(page)}: {line}: {problem}")
    complain(problems)
    return f"{count} lines that begin with tarn are understood by it"


def names(context: Context) -> str:
    """Settings, metrics and routes that a page names are those there are."""
    settings = set(re.findall(r"^### `([^`]+)`$", context.run([context.binary(), "config", "reference"]), re.MULTILINE))
    sections = {name.split(".")[0] for name in settings}
    known = metrics(context)
    routes = (context.repository / "src/routes.rs").read_text()
    problems, count = [], 0
    for page in pages(context):
        text = page.read_text()
        for token in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", text):
            if token.split(".")[0] in sections and pathlib.Path(token).suffix not in (".md", ".yml", ".yaml"):
                count += 1
                if token not in settings and not any(name.startswith(f"{token}.") for name in settings):
                    problems.append(f"{context.name(page)}: there is no setting {token}")
        for token in set(re.findall(r"\b(?:tarn|prometheus_rule|process)_[a-z_]+[a-z]\b", text)):
            count += 1
            if token not in known and not any(name.startswith(f"{token}_") for name in known):
                problems.append(f"{context.name(page)}: there is no metric {token}")
        for route in set(re.findall(r"(?<![\w.])(/(?:api/v[12]|-)/[a-z_/]+[a-z])", text)):
            count += 1
            if f'"{route}"' not in routes and f'"{route}/' not in routes:
                problems.append(f"{context.name(page)}: there is no route {route}")
    complain(problems)
    return f"{count} settings, metrics and routes exist"


def questions(context: Context) -> str:
    """Every question that a page tells to ask is answered, if only with nothing."""
    server = context.server()
    problems, seen = [], set()
    for page in pages(context):
        for line in typed(page.read_text()):
            words = command_words(line)
            if tuple(words[:1]) not in QUESTIONS and tuple(words[:2]) not in QUESTIONS:
                continue
            # One of a page may name a server or a folder of its own; what is asked is what counts.
            if len(words) < 2 or "--data" in words or tuple(words) in seen:
                continue
            seen.add(tuple(words))
            if "--url" in words:
                at = words.index("--url")
                words = words[:at] + words[at + 2 :]
            code, output = context.attempt([context.binary(), *words], env={"TARN_URL": server.url})
            if code != 0:
                problems.append(f"{context.name(page)}: {line}: exit {code}: {output.strip()[-300:]}")
    complain(problems)
    return f"{len(seen)} are answered by a running Tarn"


class Helps:
    """What `tarn help` says, asked once per command."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[tuple[str, ...], str | None] = {}

    def problem(self, line: str) -> str | None:
        """What is wrong with a line that begins with `tarn`, if anything."""
        try:
            words = command_words(line)
        except ValueError as error:
            return str(error)
        command: tuple[str, ...] = ()
        for word in words:
            if not re.fullmatch(r"[a-z][a-z-]*", word) or self._help((*command, word)) is None:
                break
            command = (*command, word)
        if not command and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            return f"there is no command {words[0]}"
        text = self._help(command) or ""
        rest = words[len(command) :]
        if rest and "\nCommands:\n" in text and command and not rest[0].startswith("-"):
            return f"there is no {' '.join(command)} {rest[0]}"
        for word in rest:
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag != "--" and flag not in COMMON_FLAGS:
                if not re.search(rf"(?<![\w.-]){re.escape(flag)}(?![\w.-])", text):
                    return f"there is no flag {flag}"
        return None

    def _help(self, command: tuple[str, ...]) -> str | None:
        if command not in self._known:
            code, text = self._context.attempt([self._context.binary(), *command, "--help"] if command else
                                               [self._context.binary(), "--help"])
            last = command[-1] if command else "tarn"
            usage = re.search(r"^Usage: (.*)$", text, re.MULTILINE)
            understood = code == 0 and usage is not None and (not command or last in usage[1].split())
            self._known[command] = text if understood else None
        return self._known[command]


def slug(alert: str) -> str:
    """TarnReadOnly becomes tarn-read-only."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()


def alerts(context: Context, path: pathlib.Path) -> list[dict]:
    """The alerting rules of a file."""
    groups = yaml(context).safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def yaml(context: Context):
    """PyYAML, which comes with yamllint."""
    return context.module("yaml", "yamllint")


def asked(expression: str) -> set[str]:
    """Names of metrics in PromQL: identifiers that are no function, keyword, label or text."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", re.sub(r"#.*", "", expression))
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    found = re.findall(r"(?<![\w.])([A-Za-z_:][\w:]*)(?!\w)(?!\s*\()", text)
    return set(found) - {"and", "or", "unless", "offset", "bool", "h"}


@functools.cache
def table(path: pathlib.Path) -> frozenset[str]:
    """The names of Tarn's own metrics, in every form in which they are scraped."""
    found = re.findall(r'^\s+[A-Z0-9_]+ = "([a-z0-9_]+)"', path.read_text(), re.MULTILINE)
    if len(found) < 50:
        raise Failed(f"{len(found)} metrics in {path}: its form has changed")
    forms = {f"{name}{suffix}" for name in found for suffix in ("", "_total", *HISTOGRAM_SUFFIXES)}
    return frozenset(forms | STANDARD_METRICS)


def metrics(context: Context) -> frozenset[str]:
    """As `table`, of this repository."""
    return table(context.repository / "storage/model/src/metrics.rs")


def pages(context: Context) -> list[pathlib.Path]:
    """What this check vouches for."""
    found = [context.repository / name for name in PAGES]
    return found + [page for folder in FOLDERS for page in files(context.deploy / folder, "*.md")]


def prose(text: str) -> str:
    """A page without its examples."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def typed(text: str) -> Iterator[str]:
    """Lines that a page tells to type: those of examples for a shell, and short ones in a sentence."""
    for block in re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            found = re.search(r"(?:^|^\$ |sudo (?:-u tarn )?|exec \S+ -- |run --rm \S+ )(tarn(?: .*)?)$", line.strip())
            if found:
                yield found[1]
    for code in re.findall(r"`(tarn [^`]+)`", prose(text)):
        yield code.replace("…", "").replace("|", " ").strip() if "…" in code else code


@functools.cache
def anchors(page: pathlib.Path) -> frozenset[str]:
    """Headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain)


def command_words(line: str) -> list[str]:
    """What `tarn` is given in a line: without comments, and without what stands behind a pipe."""
    words = shlex.split(line, comments=True)
    end = next((i for i, word in enumerate(words) if word in ("|", ">", "&&", ";", "&")), len(words))
    return words[1:end]


def complain(problems: list[str]) -> None:
    """Raises all of them at once."""
    if problems:
        raise Failed("; ".join(problems))
