# SPDX-License-Identifier: Apache-2.0
"""The page at "/" in a real browser: shows what was sent, lost and uploaded, looks at nothing else, and
takes names from outside as text. KNT_PICTURES=FOLDER keeps pictures of it, to be looked at."""

import contextlib
import http.client
import json
import os
import re

import harness
from browser import Browser
from harness import SMALL, command, get, main, need
from tap import check, contains, equal

HOST = "127.0.0.1:9469"
URL = "http://" + HOST + "/"
NASTY = "<b>&\"'x"  # the kernel takes it for an interface's name
SENT = 2345
LOOKS = (("desktop-light", 1200, 900, "light"), ("desktop-dark", 1200, 900, "dark"),
         ("phone-light", 390, 844, "light"), ("phone-dark", 390, 844, "dark"))


@contextlib.contextmanager
def browser_of(lab):
    browser = Browser(lab.directory)
    try:
        yield browser
    finally:
        browser.close()


def keep_picture(lab, browser, name):
    """Keeps it if asked for; that it has the size of the window, and more than one colour, is checked."""
    folder = os.environ.get("KNT_PICTURES", lab.directory)
    path = os.path.join(folder, name + ".png")
    browser.picture(path)
    check(os.path.getsize(path) > 15000, "%s has %d bytes: an empty page?" % (name, os.path.getsize(path)))


def test_head(lab):
    """One document that allows nothing but itself; another nonce each time."""
    lab.link()
    lab.bucket()
    lab.daemon().start_ready()
    seen = []
    for _ in range(2):
        connection = http.client.HTTPConnection(HOST, timeout=10)
        connection.request("GET", "/?a=<b>")
        reply = connection.getresponse()
        body = reply.read().decode()
        policy = reply.getheader("Content-Security-Policy")
        nonce = re.search(r"script-src 'nonce-([0-9a-f-]{36})'", policy)[1]
        equal(policy, "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
              "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" % (nonce, nonce),
              "policy")
        equal(reply.getheader("X-Content-Type-Options"), "nosniff", "X-Content-Type-Options")
        equal(reply.getheader("Referrer-Policy"), "no-referrer", "Referrer-Policy")
        equal(re.findall(r'nonce="([^"]*)"', body), [nonce, nonce], "nonces in the page")
        check(body.startswith("<!DOCTYPE html>") and body.endswith("</html>\n"), "it is not whole")
        check("@NONCE@" not in body and ".innerHTML" not in body, "odd page")
        equal(re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"']+", body), [], "addresses in it")
        seen.append(nonce)
        connection.close()
    check(seen[0] != seen[1], "the same nonce twice")


def test_what_strangers_learn(lab):
    """Neither filter nor bucket nor directories."""
    lab.link()
    lab.bucket()
    lab.daemon("-f", "udp port 4711").start_ready()
    for page in ("", "overview.json", "metrics", "healthz", "readyz"):
        connection = http.client.HTTPConnection(HOST, timeout=10)
        connection.request("GET", "/" + page)
        body = connection.getresponse().read().decode()
        connection.close()
        for secret in ("4711", harness.BUCKET + '"', lab.directory, lab.gcs.url):
            check(secret not in body, "/%s has %s" % (page, secret))


def test_in_a_browser(lab):
    need("chromium")
    lab.link()
    lab.link(1)
    command("ip", "link", "set", "veth1", "down")
    command("ip", "link", "set", "veth1", "name", NASTY, "up")
    lab.links[1] = NASTY
    lab.bucket()
    daemon = lab.daemon("-i", "veth0," + NASTY, *SMALL).start_ready()
    with browser_of(lab) as browser:
        browser.look(*LOOKS[0][1:])
        browser.open(URL)
        browser.wait("document.getElementById('pill')?.className === 'pill good'", 30, "a good state")
        equal(browser.text("node"), harness.NODE, "node")
        contains(browser.text("lost"), "none", "lost")
        # It asks again by itself.
        lab.send(SENT, sizes=[1514], rate=20000)
        wanted = "{:,}".format(SENT)
        browser.wait("document.getElementById('rate-note').textContent.includes(' %s ')" % wanted, 30,
                     "the packets that were sent")
        browser.wait("document.getElementById('uploaded').textContent === '%d'" %
                     (SENT // harness.MEGABYTE_PACKETS), 30, "files uploaded")
        equal(browser.text("sent"), str(SENT // harness.MEGABYTE_PACKETS), "files uploaded")
        names = browser.value("[...document.querySelectorAll('#interfaces tr')].map((row) => "
                              "[row.cells[0].textContent, row.cells[2].textContent])")
        equal(sorted(names), sorted([["veth0", wanted], [NASTY, "0"]]), "interfaces")
        equal(browser.value("document.querySelectorAll('main b:not(li b)').length"), 0, "markup from outside")
        equal(browser.value("document.querySelectorAll('#rules li').length"),
              len(get(URL + "readyz")["rules"]) + len(get(URL + "healthz")["rules"]), "rules of health")
        browser.wait("document.querySelectorAll('#files tr').length >= 2 && "
                     "document.querySelector('#files td').textContent.startsWith('%s_')" % harness.NODE, 20, "files")
        contains(browser.text("where"), "All packets of the interfaces below go to a bucket of Google", "where packets go")
        check(re.fullmatch(r"it is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", browser.text("clock")), "the clock")
        browser.wait("document.querySelectorAll('#throughput path.line.capture').length === 1 && "
                     "document.querySelector('#throughput path.line.capture').getAttribute('d').includes('L')",
                     60, "a line in the chart")
        for name, width, height, scheme in LOOKS:
            browser.look(width, height, scheme)
            browser.value("dispatchEvent(new Event('resize'))")
            check(browser.value("document.documentElement.scrollWidth <= innerWidth"), "too wide: " + name)
            keep_picture(lab, browser, name)
        dark, light = [], []
        for scheme, colour in (("dark", dark), ("light", light)):
            browser.look(1200, 900, scheme)
            colour += [browser.value("getComputedStyle(document.body).%s" % each)
                       for each in ("backgroundColor", "color")]
        check(dark[0] != light[0] and dark[1] != light[1], "dark is light: %r %r" % (dark, light))
        # A fault: the page says so, and which rule it is; then that nobody answers.
        command("ip", "link", "set", "veth0", "down")
        command("ip", "link", "set", NASTY, "down")
        browser.wait("document.getElementById('pill').className === 'pill bad'", 60, "the fault")
        contains(browser.text("pill"), "interfaces", "the state")
        equal(browser.value("document.querySelector('#rules li.bad b').textContent"), "interfaces", "the rule")
        keep_picture(lab, browser, "fault")
        equal(browser.complaints(), [], "what the browser complains about")
        strange = [each for each in browser.requests()
                   if not each.startswith((URL, "data:", "about:", "chrome"))]
        equal(strange, [], "requests to others")
        equal(daemon.stop(), 0, "exit status")
        browser.wait("document.getElementById('pill').className === 'pill bad' && "
                     "!document.getElementById('pill').textContent.includes('interfaces')", 60, "that nobody answers")


def test_json(lab):
    """What the page is made of, for those who look at it without one."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon().start_ready()
    lab.send(100)
    daemon.wait_for(lambda: get(URL + "overview.json")["packets"] == 100, 20, "the packets")
    now = get(URL + "overview.json")
    equal(set(now["dropped"]), set(harness.DROPS), "reasons")
    equal(now["columns"], ["age_ms", "packets", "bytes", "drops", "uploaded", "lag_ms", "sent"], "columns")
    equal(now["history"][-1][:2], [0, 100], "the last sample is now")
    check(len(now["history"]) >= 2, "no history: %s" % json.dumps(now["history"]))
    daemon.end_segment()
    daemon.wait_for(lambda: get(URL + "overview.json")["uploads"]["segments"] == 1, 20, "an upload")
    now = get(URL + "overview.json")
    check(now["uploads"]["bytes"] > 0, "nothing uploaded")
    # Where the packets are: in the file of the bucket that has this name, with these numbers.
    sent, = lab.objects()
    file, = now["files"]
    equal((file["name"], file["packets"], file["drops"], file["state"]),
          (sent.name.split("/")[-1], 100, 0, "uploaded"), "the file")
    for key, name in (("from", "start"), ("to", "end")):
        equal(file[key][:19], sent.metadata[name][:19], key)
    check(file["from"] < file["to"] < now["time"], "times %r, %s" % (file, now["time"]))
    equal((now["is_filtered"], now["uploads"]["is_to_directory"]), (False, False), "filter and destination")


def test_files_wherever_they_are(lab):
    """Waiting, being sent, refused, deleted for want of room: the page says which."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("*", status=503, times=1000)
    daemon = lab.daemon("-W", "2").start_ready()

    def states():
        return [each["state"].replace("uploading", "waiting") for each in get(URL + "overview.json")["files"]]

    for number in range(3):
        lab.send(10, first=10 * number)
        daemon.end_segment()
        daemon.wait_for(lambda wanted=number + 1: len(states()) == wanted, 20, "a file")
    daemon.wait_for(lambda: states() == ["waiting", "waiting", "deleted"], 20, "the oldest deleted")
    lab.gcs.clear_faults()
    daemon.wait_for(lambda: states() == ["uploaded", "uploaded", "deleted"], 60, "the others uploaded")
    found = {rule["rule"]: rule for rule in get(URL + "overview.json")["rules"]}["spool"]
    equal((found["ok"], found["why"][:26]), (False, "full: 10 packets were dele"), "the rule of the spool")


if __name__ == "__main__":
    main()
