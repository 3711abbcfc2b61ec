# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over a pipe (Chrome DevTools Protocol): a page, its DOM, pictures of it."""

import base64
import json
import os
import select
import subprocess
import time

from tap import Failure, wait_until

ANSWER_S = 60


class Browser:
    def __init__(self, directory):
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()

        def places():  # it reads from 3 and writes to 4
            one, other = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(one, 3)
            os.dup2(other, 4)

        with open(os.path.join(directory, "chromium.log"), "wb") as log:
            # Not its own sandbox: the test has namespaces of its own, in which that does not work.
            self.process = subprocess.Popen(
                ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
                 "--user-data-dir=" + os.path.join(directory, "chromium"), "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False, preexec_fn=places,
                env={"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.count, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def receive(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise Failure("no answer from the browser")
            part = os.read(self.back, 1 << 20)
            if not part:
                raise Failure("the browser ended: %s" % self.process.poll())
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.count += 1
        order = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.to, json.dumps(order).encode() + b"\0")
        while True:
            message = self.receive(ANSWER_S)
            if message.get("id") == self.count:
                break
            self.events.append(message)
        if "error" in message:
            raise Failure("%s: %s" % (method, message["error"]))
        return message["result"]

    def look(self, width, height, scheme):
        """A window of this size; scheme: "light" or "dark"."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failure("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def text(self, identifier):
        return self.value("document.getElementById(%s)?.textContent" % json.dumps(identifier))

    def wait(self, expression, timeout, what):
        return wait_until(lambda: self.value(expression), timeout, what)

    def picture(self, path):
        """Of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def complaints(self):
        """What its console shows of errors: scripts, refused by policy, not found."""
        found = []
        for each in self.events:
            if each.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                found.append(json.dumps(each["params"]))
        return found

    def requests(self):
        return [each["params"]["request"]["url"] for each in self.events
                if each.get("method") == "Network.requestWillBeSent"]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        os.close(self.to)
        os.close(self.back)
