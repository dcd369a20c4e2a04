"""The way of deploy/README.md from the unit file to a login and a key, walked by a program: its own certificate,
configuration, link and sentences, on ports of the loopback."""

from __future__ import annotations

import json
import pathlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from lib import Context, Failed, Result, Server

PASSWORD = "a pass phrase of five minutes"
BODY = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityText": "INFO", "body": {"stringValue": "hello"}}]}]}]}
# Users are read from the bucket before anybody is told that there are none.
LINK_SECONDS = 20


class Reply(NamedTuple):
    """Of an HTTP request."""

    status: int
    headers: object
    body: bytes


def check(context: Context) -> Iterator[Result]:
    """One walk for the page and the configuration that it uses."""
    yield context.verify("deploy/systemd/tarn-tls.yaml", lambda: walk(context))


def walk(context: Context) -> str:
    """All steps."""
    page = (context.deploy / "README.md").read_text()
    place = context.folder()
    certificate(context, page, place)
    configuration = adapted(context, place)
    server = start(context, place, configuration)
    try:
        server.wait_until_ready()
        context.run([context.binary(), "healthcheck", "--url", server.url])
        token = key_by_browser(server, link(page, server))
        send(server, token)
        send(server, key_by_command(context, server, place))
        found = command(context, server, place, "logs", "hello")
        expect(found.count("hello") >= 2, f"tarn logs does not find what was sent: {found}")
    finally:
        code = server.stop()
    expect(code == 0, f"it stopped with {code}")
    return "tarn check; certificate, link, password, two keys, rows over TLS, refusals, as deploy/README.md says"


def expect(is_so: object, otherwise: str) -> None:
    """`Failed` if it is not so."""
    if not is_so:
        raise Failed(otherwise)


def certificate(context: Context, page: str, place: pathlib.Path) -> None:
    """By the very line of the page."""
    context.debian_tool("openssl")
    line = re.search(r"^mkdir -p tls && (openssl req (?:.*\\\n)*.*)$", page, re.M)
    expect(line, "the page has no line with openssl")
    (place / "tls").mkdir()
    context.run(["sh", "-c", line[1]], cwd=place)


def adapted(context: Context, place: pathlib.Path) -> pathlib.Path:
    """tarn-tls.yaml with our folders, and with the keys in a file of the page; as it is, it is right too."""
    text = (context.deploy / "systemd/tarn-tls.yaml").read_text().replace("/etc/tarn/tls", str(place / "tls"))
    page = (context.deploy / "README.md").read_text()
    keys = re.search(r"auth\.yaml > /dev/null <<'END'\n(.*?)^END$", page, re.M | re.S)
    expect(keys, "the page has no auth.yaml")
    (place / "auth.yaml").write_text(keys[1])
    (place / "credentials").mkdir()
    (place / "credentials/tarn_admin").write_text(
        context.run([context.binary(), "access", "keys", "generate"]).splitlines()[0]
    )
    path = place / "tarn.yaml"
    path.write_text(text)
    # It listens everywhere, and nothing has to be allowed for that.
    context.run([context.binary(), "check", "--config", path])
    path.write_text(f"{text}auth:\n  file: {place}/auth.yaml\n")
    return path


def start(context: Context, place: pathlib.Path, configuration: pathlib.Path) -> Server:
    """On the loopback, where a login would not be asked for without auth.login."""
    return Server(
        context.binary(), place, ["--config", str(configuration), "--auth.login", "on"],
        {"CREDENTIALS_DIRECTORY": str(place / "credentials")}, place / "tls/tls.crt",
    )


def link(page: str, server: Server) -> str:
    """The newest one, found in the log as the page finds it."""
    pattern = re.search(r"journalctl -u tarn \| grep -o '([^']*)'", page)
    expect(pattern, "the page has no line with journalctl")
    deadline = time.monotonic() + LINK_SECONDS
    while True:
        found = [one for line in server.log().splitlines() for one in re.findall(pattern[1], line)]
        if found or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    expect(found, f"no link in the log: {server.log()[-1500:]}")
    expect(found[-1].startswith("https://"), f"the link is not that of TLS: {found[-1]}")
    return found[-1].split("#")[1]


def key_by_browser(server: Server, token: str) -> str:
    """Sets the password, and asks for a key as the pages do."""
    reply = ask(server, "/api/v1/access/password", {"link": token, "password": PASSWORD})
    expect(reply.status == 200, f"the link sets no password: {reply.status} {reply.body!r}")
    cookie = reply.headers["Set-Cookie"].split(";")[0]
    again = ask(server, "/api/v1/access/password", {"link": token, "password": PASSWORD})
    expect(again.status >= 400, "the link works twice")
    reply = ask(server, "/api/v1/access/me", cookie=cookie)
    me = json.loads(reply.body)["data"]
    expect(me["principal"]["name"] == "admin", f"who logged in is {me['principal']}")
    wanted = {"name": "collector", "grants": [{"role": "ingest", "tenants": ["*"]}]}
    reply = ask(server, "/api/v1/access/keys", wanted, cookie=cookie)
    expect(reply.status in (401, 403), f"a key without the page's own token: {reply.status}")
    reply = ask(server, "/api/v1/access/keys", wanted, cookie=cookie, csrf=me["csrf"])
    expect(reply.status in (200, 201), f"no key: {reply.status} {reply.body!r}")
    return json.loads(reply.body)["data"]["token"]


def key_by_command(context: Context, server: Server, place: pathlib.Path) -> str:
    """Without a browser: by the key that stands in the file."""
    printed = command(context, server, place, "access", "keys", "create", "collector", "--role", "ingest")
    found = re.search(r"\btarn_[0-9A-Za-z]+_[0-9A-Za-z_-]+", printed)
    expect(found, f"tarn access keys create printed no key: {printed}")
    return found[0]


def command(context: Context, server: Server, place: pathlib.Path, *arguments: str) -> str:
    """A command of Tarn's with the settings of the page."""
    return context.run([context.binary(), *arguments], env={
        "TARN_URL": server.url,
        "TARN_CACERT": str(place / "tls/tls.crt"),
        "TARN_TOKEN": (place / "credentials/tarn_admin").read_text().strip(),
    })


def send(server: Server, token: str) -> None:
    """A row with the key, without it, with another one; and the key asks nothing."""
    wanted = {"Bearer " + token: 200, "": 401, "Bearer tarn_no_key": 401}
    for shown, status in wanted.items():
        reply = ask(server, "/v1/logs", BODY, authorization=shown, address=server.otlp)
        expect(reply.status == status, f"a row with {shown[:12]!r}: {reply.status} {reply.body!r}, want {status}")
    reply = ask(server, "/api/v1/query?query=up", authorization="Bearer " + token)
    expect(reply.status == 403, f"a key that only sends was answered {reply.status}")


def ask(
    server: Server, path: str, body: object = None, *, cookie: str = "", csrf: str = "", authorization: str = "",
    address: str = "",
) -> Reply:
    """A request as a page or a sender makes it."""
    headers = {"Cookie": cookie, "X-Tarn-Csrf": csrf, "Authorization": authorization}
    headers = {name: value for name, value in headers.items() if value}
    if cookie:
        headers |= {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": server.url}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(f"https://{address or server.http}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60, context=server.trust) as reply:
            return Reply(reply.status, reply.headers, reply.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.headers, error.read())
