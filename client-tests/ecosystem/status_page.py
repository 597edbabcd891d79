#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""status_page.py - the status page in headless Chromium: light and dark, on a
desktop and on a phone; no errors, nothing wider than the screen, something on
it; and a namespace that is called <script>.

Talks to the browser through its debugging pipe (descriptors 3 and 4), so that
nothing but Chromium is needed. With ASHLAR_SCREENSHOTS=DIR it leaves the
pictures there. Starts an ashlard of its own: $ASHLARD.
"""
import base64
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SIZES = {"desktop": (1280, 900, False), "phone": (375, 800, True),
         "narrow": (320, 640, True)}


def fail(text):
    print(text)
    sys.exit(1)


# ---- the browser -----------------------------------------------------------


class Browser:
    """Chromium at the other end of a pipe of NUL-ended JSON."""

    def __init__(self, program, profile):
        to_us, from_it = os.pipe()
        to_it, from_us = os.pipe()

        def give_pipes():
            # Away from 3 and 4 first: either end may have these numbers.
            reads, writes = os.dup(to_it), os.dup(from_it)
            os.dup2(os.dup(reads), 3)
            os.dup2(writes, 4)

        low = [os.dup(fd) for fd in (to_it, from_it)]
        for fd in (to_it, from_it):
            os.close(fd)
        to_it, from_it = [os.dup(fd) for fd in low]
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--remote-debugging-pipe", "--no-first-run",
             "--user-data-dir=" + profile, "about:blank"],
            preexec_fn=give_pipes, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in [to_it, from_it] + low:
            os.close(fd)
        self.reads, self.writes = to_us, from_us
        self.rest = b""
        self.last_id = 0
        self.events = []
        self.session = None

    def receive(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.reads], [], [], left)[0]:
                return None
            more = os.read(self.reads, 1 << 20)
            if not more:
                fail("chromium has ended")
            self.rest += more
        line, self.rest = self.rest.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        while True:
            reply = self.receive(30)
            if reply is None:
                fail("chromium does not answer " + method)
            if reply.get("id") == self.last_id:
                if "error" in reply:
                    fail("%s: %s" % (method, reply["error"]))
                return reply["result"]
            self.events.append(reply)

    def evaluate(self, expression):
        reply = self.call("Runtime.evaluate", expression=expression,
                          returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            fail("%s: %s" % (expression, reply["exceptionDetails"]))
        return reply["result"].get("value")

    def wait_for(self, expression, seconds=20):
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                fail("never came: " + expression)
            time.sleep(0.05)

    def complaints(self):
        """What the console shows of errors, exceptions and refused loads."""
        self.evaluate("1")
        found = []
        for event in self.events:
            params = event.get("params", {})
            kind = event.get("method")
            if kind == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif kind == "Runtime.consoleAPICalled":
                found.append("console: %s" % params["args"])
            elif (kind == "Log.entryAdded"
                  and params["entry"]["level"] in ("error", "warning")):
                found.append(params["entry"]["text"])
            elif kind == "Page.javascriptDialogOpening":
                found.append("a dialog opened: " + params["message"])
        self.events = []
        return found

    def end(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait(20)


# ---- pictures --------------------------------------------------------------


def colours_of(png):
    """How often each colour is in a PNG of 8 bits per channel."""
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT":
            data += body
        at += 12 + length
    assert depth == 8
    n = {2: 3, 6: 4}[colour]
    raw, stride = zlib.decompress(data), width * n
    before, counts = bytearray(stride), {}
    for y in range(height):
        start = y * (stride + 1)
        how, line = raw[start], bytearray(raw[start + 1:start + 1 + stride])
        for i in range(stride):
            a = line[i - n] if i >= n else 0
            b = before[i]
            c = before[i - n] if i >= n else 0
            if how == 1:
                line[i] = (line[i] + a) & 255
            elif how == 2:
                line[i] = (line[i] + b) & 255
            elif how == 3:
                line[i] = (line[i] + (a + b) // 2) & 255
            elif how == 4:
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                best = a if pa <= pb and pa <= pc else b if pb <= pc else c
                line[i] = (line[i] + best) & 255
        for i in range(0, stride, n):
            pixel = bytes(line[i:i + 3])
            counts[pixel] = counts.get(pixel, 0) + 1
        before = line
    return counts


def check_picture(name, png, dark):
    counts = colours_of(png)
    total = sum(counts.values())
    main = max(counts, key=counts.get)
    bright = sum(main) / 3
    if len(counts) < 30:
        fail("%s: blank, %d colours" % (name, len(counts)))
    if counts[main] > 0.97 * total:
        fail("%s: nearly blank" % name)
    if (bright < 128) != dark:
        fail("%s: the background is %s" % (name, main.hex()))


# ---- the page --------------------------------------------------------------


def open_page(browser, url, size, dark):
    width, height, mobile = SIZES[size]
    browser.call("Emulation.setDeviceMetricsOverride", width=width,
                 height=height, deviceScaleFactor=2 if mobile else 1,
                 mobile=mobile)
    browser.call("Emulation.setEmulatedMedia", features=[
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
    browser.call("Page.navigate", url=url)
    browser.wait_for("document.documentElement?.dataset.drawn === 'yes'")


def look(browser, url, size, dark):
    name = "%s-%s" % (size, "dark" if dark else "light")
    open_page(browser, url, size, dark)
    width = SIZES[size][0]
    wide = browser.evaluate(
        "Math.max(document.documentElement.scrollWidth,"
        " ...[...document.querySelectorAll('body *')].filter("
        "   (e) => !e.closest('svg') && !e.closest('.hidden')).map("
        "   (e) => Math.ceil(e.getBoundingClientRect().right)))")
    if wide > width:
        fail("%s: %d wide, the screen has %d" % (name, wide, width))
    tall = browser.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": tall}
    shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True,
                        clip=dict(clip, scale=0.25))
    check_picture(name, base64.b64decode(shot["data"]), dark)
    pictures = os.environ.get("ASHLAR_SCREENSHOTS")
    if pictures:
        shot = browser.call("Page.captureScreenshot",
                            captureBeyondViewport=True,
                            clip=dict(clip, scale=1))
        with open(os.path.join(pictures, name + ".png"), "wb") as f:
            f.write(base64.b64decode(shot["data"]))
    found = browser.complaints()
    if found:
        fail("%s: %s" % (name, found))


def check_contents(browser):
    names = browser.evaluate(
        "[...document.querySelectorAll('#namespaces td.name')]"
        ".map((e) => e.textContent)")
    for wanted in HOSTILE:
        if wanted not in names:
            fail("no namespace %r among %r" % (wanted, names))
    for what in ("#namespaces script", "#namespaces img", "#slow img",
                 "#namespaces b"):
        if browser.evaluate("document.querySelector('%s') !== null" % what):
            fail("a name became an element: " + what)
    if browser.evaluate("window.hit") is not None:
        fail("a name became a script")
    if browser.evaluate("document.querySelectorAll('#classes tr').length") < 2:
        fail("no classes of pages")
    if browser.evaluate("document.querySelectorAll('#slow td').length") < 4:
        fail("no slow commands")
    if "SET" not in browser.evaluate("document.querySelector('#slow')"
                                     ".textContent"):
        fail("SET is not among the slow commands")
    ratio = browser.evaluate("document.querySelector('#ratio').textContent")
    if "%" not in ratio:
        fail("no hit ratio: " + ratio)


# ---- the server ------------------------------------------------------------

HOSTILE = ["</td><script>window.hit=1</script>:",
           "<img src=x onerror=window.hit=1>:", "\"'&<b>:",
           "<script>"]
PREFIXES = ["--namespace-prefixes", "<script>"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out += b"$%d\r\n%s\r\n" % (len(word), word)
    return out


def fill(port):
    """Keys of several sizes and namespaces, hits, misses, slow commands."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        batch = [command("CONFIG", "SET", "slowlog-log-slower-than", "0")]
        for i, name in enumerate(HOSTILE):
            batch.append(command("SET", name + "k", "v" * (5000 - 900 * i)))
        batch.append(command("CONFIG", "SET", "slowlog-log-slower-than", "-1"))
        for i in range(6000):
            name = ("session:", "page:", "user:", "cart:")[i % 4]
            batch.append(command("SET", "%s%06d" % (name, i),
                                 b"x" * (40 + (i * 7919) % 3000)))
            batch.append(command("GET", "%s%06d" % (name, i - i % 7)))
        for i in range(0, 6000, 3):
            batch.append(command("DEL", "page:%06d" % i))
        s.sendall(b"".join(batch) + command("ECHO", "all done"))
        s.settimeout(20)
        got = b""
        while not got.endswith(b"all done\r\n"):
            got = got[-100:] + s.recv(1 << 20)


def main():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("missing: chromium is not installed")
        sys.exit(77)
    version = subprocess.run([program, "--version"], capture_output=True,
                             text=True, check=True).stdout.strip()
    print("version: " + version)
    port, web = free_port(), free_port()
    server = subprocess.Popen(
        [os.environ.get("ASHLARD", "ashlard"), "--port", str(port), "--bind",
         "127.0.0.1", "--metrics-port", str(web), "--maxmemory", "64mb",
         "--workers", "2"] + PREFIXES, stderr=subprocess.DEVNULL)
    profile = tempfile.mkdtemp()
    try:
        url = "http://127.0.0.1:%d/" % web
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", web)).close()
                break
            except OSError:
                time.sleep(0.05)
        fill(port)
        browser = Browser(program, profile)
        target = browser.call("Target.createTarget", url="about:blank")
        browser.session = browser.call(
            "Target.attachToTarget", targetId=target["targetId"],
            flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            browser.call(domain + ".enable")
        for size in SIZES:
            for dark in (False, True):
                look(browser, url, size, dark)
        check_contents(browser)
        server.terminate()
        server.wait(20)
        browser.wait_for("document.querySelector('#state.lost') !== null")
        browser.end()
    finally:
        server.kill()
        shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    main()
