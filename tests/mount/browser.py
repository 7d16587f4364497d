# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to in its own protocol over two pipes: https://chromedevtools.github.io/devtools-protocol."""

import base64
import json
import os
import subprocess
import tempfile

from harness import HANG, needs

PROGRAM = "chromium-headless-shell"
OPTIONS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --no-first-run --hide-scrollbars"


class Browser:
    def __init__(self):
        needs(PROGRAM)
        self.profile = tempfile.TemporaryDirectory(prefix="freshet-browser-", ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.answers, to_write = os.pipe()
        argv = [PROGRAM, *OPTIONS.split(), f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"]
        # It takes descriptors 3 and 4, whichever these are.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *argv],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
        )
        os.close(to_read)
        os.close(to_write)
        self.answers = os.fdopen(self.answers, "rb")
        self.said, self.number = b"", 0

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(HANG)
        finally:
            self.process.kill()
            os.close(self.to)
            self.answers.close()
            self.profile.cleanup()

    def hear(self):
        while b"\0" not in self.said:
            more = self.answers.read1(1 << 16)
            assert more, f"{PROGRAM} has ended"
            self.said += more
        message, _, self.said = self.said.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, events=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.hear()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            if events is not None and "method" in answer:
                events.append(answer)


class Page:
    """A page of a width, in light or dark."""

    def __init__(self, browser, url, width, scheme):
        self.browser, self.events = browser, []
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in "Page", "Network", "Runtime", "Log":
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        while not self.seen("Page.loadEventFired"):
            self.events.append(browser.hear())

    def call(self, method, **params):
        return self.browser.call(method, self.session, self.events, **params)

    def seen(self, method):
        return [e["params"] for e in self.events if e.get("method") == method and e.get("sessionId") == self.session]

    def ask(self, expression):
        """What a JavaScript expression gives there."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self):
        return [e["request"]["url"] for e in self.seen("Network.requestWillBeSent")]

    def complaints(self):
        """What it refused, and what it found wrong."""
        return [e["entry"]["text"] for e in self.seen("Log.entryAdded")]

    def screenshot(self, height=None):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"])

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
