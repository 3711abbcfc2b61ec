#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: made whole, understood by systemd, and shut in."""

import pathlib
import re
import tempfile

import lint

EXPOSURE_MAX = 22  # tenths, as systemd-analyze wants it; 4 of them for reading how exact the clock is
UNIT = lint.BUILD / "systemd/kube-node-tracer.service"


def check_text(tap, unit):
    tap.point(re.findall(r"@\w+@|\$\{\w+\}", unit), "nothing is left to be filled in")
    values = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    deadline = next(o.default for o in lint.options() if o.key == "daemon.shutdown_deadline")
    tap.point([] if int(values["TimeoutStopSec"]) > int(deadline) + 10 else [values["TimeoutStopSec"]],
              "systemd waits longer than the daemon's own deadline")
    tap.point([] if {"64", "78"} == set(values["RestartPreventExitStatus"].split()) else ["differs"],
              "usage and configuration errors are not restarted")
    tap.point([] if values["CapabilityBoundingSet"] == "CAP_NET_RAW" else ["differs"],
              "CAP_NET_RAW is the only capability")


def check_systemd(tap, unit):
    analyze = lint.tool("systemd-analyze")
    names = ("systemd-analyze verify has nothing to say",
             f"exposure is at most {EXPOSURE_MAX / 10}")
    if not analyze:
        for name in names:
            tap.skip(name, "no systemd-analyze")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / UNIT.name
        # It is not installed yet; the program is the one of this build.
        path.write_text(re.sub(r"^(Exec\w+=\+?)\S+", rf"\1{lint.PROGRAM}", unit, flags=re.MULTILINE))
        result = lint.run(analyze, "verify", "--man=no", path)
        said = [line for line in (result.stdout + result.stderr).splitlines() if UNIT.name in line]
        tap.point(said or ([f"exit status {result.returncode}"] if result.returncode else []), names[0])
        result = lint.run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", path)
        score = re.search(r"exposure level for \S+: ([\d.]+)", result.stdout)
        bad = [] if score and not result.returncode else [result.stdout[-2000:] + result.stderr]
        tap.point(bad, f"{names[1]} ({score.group(1) if score else 'unknown'})")


def check_account(tap):
    name = "the account's file is understood"
    sysusers = lint.tool("systemd-sysusers")
    if not sysusers:
        tap.skip(name, "no systemd-sysusers")
        return
    with tempfile.TemporaryDirectory() as root:
        source = lint.SOURCE / "systemd/kube-node-tracer.sysusers"
        result = lint.run(sysusers, f"--root={root}", "--dry-run", "-", input=source.read_text())
        # Without --dry-run (before systemd 250) there is nothing to ask.
        if "unrecognized option" in result.stderr:
            tap.skip(name, "systemd-sysusers has no --dry-run")
            return
        tap.point([] if "Creating user 'kube-node-tracer'" in result.stderr and not result.returncode
                  else [result.stderr], name)


def main():
    tap = lint.Tap()
    if not UNIT.is_file():
        tap.point([f"{UNIT} is missing"], "the unit is built")
        tap.done()
    unit = UNIT.read_text()
    check_text(tap, unit)
    check_systemd(tap, unit)
    check_account(tap)
    tap.done()


if __name__ == "__main__":
    main()
