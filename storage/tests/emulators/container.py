# Makes a container in Azurite: one PUT with a shared-key signature.
import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

base, account, key, name = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
headers = {"x-ms-date": date, "x-ms-version": "2023-11-03", "Content-Length": "0"}
signed = "\n".join(
    ["PUT"] + [""] * 11
    + [f"x-ms-date:{date}", "x-ms-version:2023-11-03", f"/{account}/{account}/{name}", "restype:container"]
)
digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
request = urllib.request.Request(f"{base}/{name}?restype=container", method="PUT", headers=headers)
with urllib.request.urlopen(request) as answer:
    assert answer.status == 201, answer.status
