"""What the scripts share: the ground that they stand on, checks, and HTTP to our side."""

import contextlib
import http.server
import json
import sys
import threading
import traceback
import urllib.error
import urllib.request
from importlib.metadata import version as installed
from urllib.parse import parse_qsl, urlsplit

GROUND = json.load(sys.stdin)
EVERY = "every product"

# Some packages print; only we write lines that are read.
_out, sys.stdout = sys.stdout, sys.stderr
# Loopback needs no proxy, whatever the environment says.
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _tell(line):
    _out.write(json.dumps(line) + "\n")
    _out.flush()


def version(package):
    version_is(installed(package))


def version_is(number):
    _tell({"version": number})


def settled(payment, status="PAID_SUCCESS"):
    """Kassa has to show this status once its worker has been at work."""
    _tell({"settled": {"transaction_id": payment["transaction_id"], "status": status}})


@contextlib.contextmanager
def check(product, operation, way):
    """Whatever raises inside is a disagreement."""
    line = {"product": product, "operation": operation, "way": way}
    try:
        yield
        line["ok"] = True
    except Exception:
        line.update(ok=False, why=traceback.format_exc())
    _tell(line)


def refuses(call, *args, **kwargs):
    """The software refuses, by a false answer or by an exception."""
    try:
        answer = call(*args, **kwargs)
    except Exception:
        return True
    return not answer


def key(name):
    """A PEM file of the simulator's throw-away keys."""
    with open(f"{GROUND['keys']}/{name}.pem", encoding="ascii") as file:
        return file.read()


def request(method, url, body=b"", headers=None):
    """Status and body of an answer."""
    if isinstance(body, str):
        body = body.encode()
    sent = urllib.request.Request(url, data=body if method == "POST" else None, headers=headers or {}, method=method)
    try:
        with _http.open(sent, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def post(url, body, headers=None):
    return request("POST", url, body, headers)


def control(path, body=None, sandbox=None):
    """The control API of the simulator."""
    base = sandbox or GROUND["sandbox"]
    headers = {"content-type": "application/json"}
    status, text = post(f"{base}/control/{path}", json.dumps(body or {}), headers)
    assert status == 200, (path, status, text)
    return json.loads(text)


@contextlib.contextmanager
def listening(answer):
    """A place for what the software sends: its address, and what came as method, target, headers and body. Each call
    is answered with the JSON that `answer` gives for its target."""
    seen = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.append((self.command, self.path, headers, body))
            told = json.dumps(answer(self.path)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()


def callbacks(number):
    """Lets the simulator post what waits, and gives the callbacks of one order."""
    control("deliver")
    status, text = request("GET", f"{GROUND['sandbox']}/control/callbacks")
    assert status == 200, text
    return [callback for callback in json.loads(text) if callback["out_trade_no"] == number]


def vectors(name="vectors"):
    """The examples that the room's own tests run."""
    with open(f"{GROUND['vectors']}/{name}.json", encoding="utf-8") as file:
        return json.load(file)


def deeds(operation, account=None):
    """What our adapter did."""
    found = [
        deed
        for deed in GROUND["deeds"]
        if deed["operation"] == operation and account in (None, deed["account"])
    ]
    assert found, f"our adapter did no {operation}"
    return found


def form(text):
    """A form as a dictionary; every name stands in it once."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), text
    return dict(pairs)


def query(url):
    return urlsplit(url).query
