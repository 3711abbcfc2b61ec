# SPDX-License-Identifier: Apache-2.0
"""The Debian tree that the system test boots: made by debootstrap from the mirror and the release of this
machine, so that a package built here fits, and kept for the next run."""

import glob
import hashlib
import os
import re
import shutil
import subprocess

# What a node image has anyway, and what the tests use inside.
PACKAGES = ("apt", "ca-certificates", "dbus", "iproute2", "procps", "python3", "rpm", "systemd",
            "systemd-sysv", "tcpdump", "zstd")
MAKING_SECONDS = 900


class TreeError(Exception):
    """The tree cannot be made."""


def release():
    """(name, version) of the distribution, as debootstrap knows the version."""
    with open("/etc/os-release", encoding="utf-8") as file:
        facts = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return facts["ID"].strip('"'), facts.get("VERSION_CODENAME", "").strip('"')


def apt_sources():
    """Every source of apt: (address, suite, components), from both ways to write them."""
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as file:
            text = "".join(line for line in file if not line.lstrip().startswith("#"))
        if path.endswith(".sources"):
            for part in re.split(r"\n\s*\n", text):
                fields = {name.lower(): value.split() for name, value in
                          re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", part, re.MULTILINE)}
                if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
                    continue
                for address in fields.get("uris", []):
                    for suite in fields.get("suites", []):
                        yield address, suite, fields.get("components", [])
        else:
            for address, suite, components in re.findall(
                    r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)[ \t]*(.*)$", text, re.MULTILINE):
                yield address, suite, components.split()


def mirror(suite):
    """(address, components) that apt uses on this machine for a suite."""
    address, components = None, []
    for each, name, parts in apt_sources():
        if name == suite and address in (None, each):
            address = each
            components += [part for part in parts if part not in components]
    if not address:
        raise TreeError("apt has no source for " + suite)
    return address, components


def proxy():
    """apt's proxy, for debootstrap, which does not read apt's settings."""
    done = subprocess.run(["apt-config", "shell", "proxy", "Acquire::http::Proxy"], text=True,
                          capture_output=True, check=False)
    found = re.search(r"proxy='([^']+)'", done.stdout)
    return {"http_proxy": found[1]} if found and "http_proxy" not in os.environ else {}


def dependencies(package):
    """The packages that a .deb needs, the first of alternatives, without versions: apt checks those."""
    done = subprocess.run(["dpkg-deb", "--field", package, "Pre-Depends", "Depends"], text=True,
                          capture_output=True, check=True)
    words = re.sub(r"^(Pre-)?Depends:", ",", done.stdout, flags=re.MULTILINE)
    return sorted({re.split(r"[\s(|:]", each.strip())[0] for each in words.split(",") if each.strip()})


def run(log, *command, environment=None):
    log.write("$ %s\n" % " ".join(command))
    log.flush()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                          timeout=MAKING_SECONDS, env={**os.environ, **proxy(), **(environment or {})})
    if done.returncode:
        raise TreeError("%s: status %d, see %s" % (" ".join(command[:3]), done.returncode, log.name))


def make(path, suite, packages):
    """debootstrap into path; complete or not there at all."""
    address, components = mirror(suite)
    new = "%s.%d" % (path, os.getpid())
    with open(path + ".log", "w", encoding="utf-8") as log:
        try:
            run(log, "debootstrap", "--variant=minbase", "--components=" + ",".join(components),
                "--include=" + ",".join(packages), suite, new, address)
        except (TreeError, subprocess.TimeoutExpired):
            shutil.rmtree(new, ignore_errors=True)
            raise
    # Half of its size, and an identity that copies must not share.
    for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*Packages*", "etc/machine-id"):
        for name in glob.glob(os.path.join(new, pattern)):
            os.unlink(name)
    with open(os.path.join(new, "etc/machine-id"), "w", encoding="ascii"):
        pass
    # Nothing goes online by itself.
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "systemd-networkd-wait-online.service"):
        target = os.path.join(new, "etc/systemd/system", unit)
        if not os.path.lexists(target):
            os.symlink("/dev/null", target)
    try:
        os.rename(new, path)
    except OSError:  # another run was faster
        shutil.rmtree(new)


def cached(folder, package):
    """The folder with a tree in which everything that the package needs is installed."""
    name, suite = release()
    wanted = sorted({*PACKAGES, *dependencies(package)})
    print_of = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    path = os.path.join(folder, "%s-%s-%s" % (name, suite, print_of))
    if not os.path.isdir(path):
        os.makedirs(folder, exist_ok=True)
        for tool in ("debootstrap", "apt-config"):
            if not shutil.which(tool):
                raise TreeError(tool + " is not installed")
        make(path, suite, wanted)
    return path
