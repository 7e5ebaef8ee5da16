"""Chromium with an empty profile, by its driver: how long until a page shows something, and how many bytes it took."""

import json
import subprocess
import tempfile
import time
import urllib.request

from places import free_port

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --ignore-certificate-errors""".split()
LIMIT_S = 60
# Milliseconds from the navigation until the text is there, looked for at every frame from the document's beginning on.
LOOK = """
const look = () => document.body?.innerText.includes(%s) ? window.shownAfterMs = performance.now() : requestAnimationFrame(look);
look();
"""
BYTES = """
return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, entry) => sum + entry.transferSize, 0);
"""


class Browser:
    """One browser; its cache is empty."""

    def __init__(self, slow=False):
        port = free_port()
        self.at = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.profile = tempfile.TemporaryDirectory(prefix="usher-bench-", ignore_cleanup_errors=True)
        self.wait()
        options = {"args": [*FLAGS, f"--user-data-dir={self.profile.name}"]}
        # With another strategy the driver runs no script before the page's load event, which waits for a font of icons.
        wanted = {"goog:chromeOptions": options, "acceptInsecureCerts": True, "pageLoadStrategy": "none"}
        asked = {"capabilities": {"alwaysMatch": wanted}}
        self.session = ""
        self.session = "/session/" + self.call("POST", "/session", asked)["sessionId"]
        # Where nothing has been loaded yet: what starts with the browser is not the page's.
        self.call("POST", "/url", {"url": "about:blank"})
        if slow:
            # 10 Mbit/s, 50 ms.
            rate = 10_000_000 // 8
            conditions = {"offline": False, "latency": 50, "download_throughput": rate, "upload_throughput": rate}
            self.call("POST", "/chromium/network_conditions", {"network_conditions": conditions})

    def wait(self):
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.at + "/status", timeout=5).close()
                return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("chromedriver does not answer")

    def call(self, method, path, body=None):
        session = "" if path == "/session" else self.session
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.at + session + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S + 10) as answer:
            return json.load(answer)["value"]

    def load(self, url, wanted):
        """Milliseconds from the navigation to this text, and the bytes until nothing more was asked for in a second."""
        look = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": LOOK % json.dumps(wanted)}}
        self.call("POST", "/goog/cdp/execute", look)
        self.call("POST", "/execute/sync", {"script": "location.href = arguments[0]", "args": [url]})
        shown = self.until_shown(url, wanted)
        before = -1
        while (now := self.call("POST", "/execute/sync", {"script": BYTES, "args": []})) != before:
            before = now
            time.sleep(1)
        return shown, now

    def until_shown(self, url, wanted):
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            try:
                if shown := self.call("POST", "/execute/sync", {"script": "return window.shownAfterMs", "args": []}):
                    return shown
            except urllib.error.HTTPError:
                pass  # the page was just being replaced
            time.sleep(0.05)
        raise TimeoutError(f"{url} never showed {wanted}")

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.kill()
            self.driver.wait()
            self.profile.cleanup()


def load_once(url, wanted, slow=False):
    """The same in a browser of its own."""
    browser = Browser(slow)
    try:
        return browser.load(url, wanted)
    finally:
        browser.close()
