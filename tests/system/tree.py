# SPDX-License-Identifier: Apache-2.0
"""Debian trees, made by debootstrap from the mirror and the release of this machine, so that a package built here
fits, and kept for the next run in KNT_SYSTEM_CACHE (else build/system of the source tree): the smallest system,
from which images are built, too, and that with what the package needs, which the system test boots.

As a program it makes the first."""

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
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.abspath(os.environ.get("KNT_SYSTEM_CACHE") or os.path.join(TOP, "build", "system"))


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


def fields(package):
    """What a .deb depends on, as it says so."""
    return subprocess.run(["dpkg-deb", "--field", package, "Pre-Depends", "Depends"], text=True,
                          capture_output=True, check=True).stdout


def dependencies(package):
    """The packages that a .deb needs, the first of alternatives, without versions: apt checks those."""
    words = re.sub(r"^(Pre-)?Depends:", ",", fields(package), flags=re.MULTILINE)
    return sorted({re.split(r"[\s(|:]", each.strip())[0] for each in words.split(",") if each.strip()})


def run(log, *command, environment=None):
    log.write("$ %s\n" % " ".join(command))
    log.flush()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                          timeout=MAKING_SECONDS, env={**os.environ, **proxy(), **(environment or {})})
    if done.returncode:
        raise TreeError("%s: status %d, see %s" % (" ".join(command[:3]), done.returncode, log.name))


def complete(path, make):
    """What make(new, log) makes at a path: complete, or not there at all."""
    if os.path.isdir(path):
        return path
    new = "%s.%d" % (path, os.getpid())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.rmtree(new, ignore_errors=True)  # of one that was killed, and had this number
    with open(path + ".log", "w", encoding="utf-8") as log:
        try:
            make(new, log)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    try:
        os.rename(new, path)
    except OSError:  # another run was faster
        shutil.rmtree(new)
    return path


def base():
    """The folder with the smallest system of this release, with the sources that apt has here."""
    name, suite = release()

    def make(new, log):
        address, components = mirror(suite)
        for tool in ("debootstrap", "apt-config"):
            if not shutil.which(tool):
                raise TreeError(tool + " is not installed: tests/tools does it")
        run(log, "debootstrap", "--variant=minbase", "--components=" + ",".join(components), suite, new, address)
        with open(os.path.join(new, "etc/apt/sources.list"), "w", encoding="ascii") as sources:
            for each, of, parts in apt_sources():
                if of == suite or of.startswith((suite + "-", suite + "/")):
                    print("deb", each, of, *parts, file=sources)

    return complete(os.path.join(CACHE, "%s-%s" % (name, suite)), make)


def cached(package):
    """The folder with a tree in which everything that the package needs is installed."""
    def make(new, log):
        run(log, "cp", "-a", "--reflink=auto", base(), new)
        shutil.copy("/etc/resolv.conf", os.path.join(new, "etc/resolv.conf"))
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES,
                                       *dependencies(package)]):
            run(log, "chroot", new, "apt-get", "--quiet", "--option=Acquire::Retries=3", *arguments,
                environment={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"})
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

    # The versions that the package asks for, too: an older tree may not have them.
    wanted = "\n".join([*PACKAGES, fields(package)])
    return complete("%s-%s" % (base(), hashlib.sha256(wanted.encode()).hexdigest()[:12]), make)


def layer(lower, folder):
    """A throw-away copy of a tree: folder/root, which is an overlay where the kernel can make one. Whoever asks
    unmounts it."""
    upper, work, root = [os.path.join(folder, name) for name in ("upper", "work", "root")]
    for each in (upper, work, root):
        os.mkdir(each)
    options = "lowerdir=%s,upperdir=%s,workdir=%s" % (lower, upper, work)
    if subprocess.run(["mount", "-t", "overlay", "-o", options, "knt-tree", root], capture_output=True,
                      check=False).returncode:
        subprocess.run(["cp", "-a", "--reflink=auto", lower + "/.", root], check=True)
    return root


if __name__ == "__main__":
    print(base())
