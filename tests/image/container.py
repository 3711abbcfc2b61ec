# SPDX-License-Identifier: Apache-2.0
"""A container of the image as a kubelet would have it started: from the pod of a rendered DaemonSet to an
OCI runtime's configuration, run by runc in the network namespace of the test.

Capabilities are bounding, effective and permitted, never inheritable or ambient, and seccomp's default
profile follows from them: so do containerd and CRI-O."""

import json
import os
import platform
import re
import stat
import subprocess
import tempfile

from daemon import Daemon
from tap import Failure, wait_until

SECCOMP = "/usr/share/containers/seccomp.json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
UNITS = {"": 1, "Ki": 2 ** 10, "Mi": 2 ** 20, "Gi": 2 ** 30}
# What a privileged container may.
with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last_cap:
    ALL = (1 << int(last_cap.read()) + 1) - 1
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD
LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE""".split()


def held():
    """What this process may pass on, which is all that a container of it can have."""
    with open("/proc/self/status", encoding="ascii") as status:
        bits = int(re.search(r"CapEff:\s*(\w+)", status.read())[1], 16)
    return [name for bit, name in enumerate(CAPABILITIES) if bits & ALL & 1 << bit]


def quantity(text):
    number, unit = re.fullmatch(r"(\d+)(\w*)", str(text)).groups()
    return int(number) * UNITS[unit]


def applies(rule, capabilities):
    """Is a rule of the profile for this architecture and these capabilities?"""
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    included, excluded = rule.get("includes") or {}, rule.get("excludes") or {}
    if included.get("arches") and architecture not in included["arches"]:
        return False
    if included.get("caps") and not set(included["caps"]) & set(capabilities):
        return False
    return not (architecture in (excluded.get("arches") or ())
                or set(excluded.get("caps") or ()) & set(capabilities))


def seccomp(capabilities):
    """RuntimeDefault: the profile that podman and CRI-O ship, for these capabilities."""
    with open(SECCOMP, encoding="utf-8") as file:
        profile = json.load(file)
    architectures = [each for entry in profile["archMap"] for each in
                     [entry["architecture"], *(entry["subArchitectures"] or [])]
                     if entry["architecture"] == "SCMP_ARCH_" + platform.machine().upper()]
    rules = []
    for rule in profile["syscalls"]:
        if applies(rule, capabilities):
            made = {"names": rule["names"], "action": rule["action"]}
            if rule.get("errnoRet") is not None:
                made["errnoRet"] = rule["errnoRet"]
            if rule.get("args"):
                made["args"] = [{key: value for key, value in each.items() if key != "valueTwo"
                                 or value} for each in rule["args"]]
            rules.append(made)
    return {"defaultAction": profile["defaultAction"],
            "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": architectures, "syscalls": rules}


class Pod:
    """What a kubelet makes of the only container of a DaemonSet (a dict, as in YAML).

    image: the image's settings. volumes: a folder of the test for each volume's name. files: what else
    is mounted, read-only: path inside and path of the test's."""

    def __init__(self, daemonset, image, volumes, files, node):
        spec = daemonset["spec"]["template"]["spec"]
        container, = spec["containers"]
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        self.environment = dict(each.split("=", 1) for each in image["Env"])
        for each in container.get("env", []):
            self.environment[each["name"]] = self.expand(each["value"]) if "value" in each else node
        self.arguments = [*image["Entrypoint"],
                          *(self.expand(each) for each in container.get("args", []))]
        uid, _, gid = image["User"].partition(":")
        self.uid = context.get("runAsUser", int(uid))
        self.gid = context.get("runAsGroup", int(gid))
        self.groups = [context["fsGroup"]] if "fsGroup" in context else []
        self.is_privileged = context.get("privileged", False)
        self.is_read_only = context.get("readOnlyRootFilesystem", False)
        self.may_escalate = self.is_privileged or context.get("allowPrivilegeEscalation", True)
        wanted = context.get("capabilities", {})
        assert self.is_privileged or wanted["drop"] == ["ALL"]
        self.capabilities = ["CAP_" + each for each in
                             (held() if self.is_privileged else wanted.get("add", []))]
        kind = context.get("seccompProfile", {}).get("type")
        assert kind in (None, "RuntimeDefault")
        self.has_seccomp = kind == "RuntimeDefault" and not self.is_privileged
        limits = container.get("resources", {}).get("limits", {})
        self.memory = quantity(limits["memory"]) if "memory" in limits else None
        self.mounts = [(each["mountPath"], self.part_of(volumes[each["name"]], each), each.get("readOnly", False))
                       for each in container["volumeMounts"]]
        self.mounts += [(inside, path, True) for inside, path in files.items()]

    def expand(self, text):
        return re.sub(r"\$\((\w+)\)", lambda match: self.environment[match[1]], str(text))

    def part_of(self, volume, mount):
        """A volume, or its folder that subPathExpr names, which the kubelet makes: root's, with the volume's mode."""
        if "subPathExpr" not in mount:
            return volume
        path = os.path.join(volume, self.expand(mount["subPathExpr"]))
        if not os.path.exists(path):
            os.mkdir(path)
            os.chmod(path, stat.S_IMODE(os.stat(volume).st_mode))
        return path

    def config(self, root):
        """config.json of the OCI runtime specification."""
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "mode=755", "size=64k"]},
            {"destination": "/sys", "type": "bind", "source": "/sys",
             "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]}]
        mounts += [{"destination": destination, "type": "bind", "source": source,
                    "options": ["rbind", "ro" if is_read_only else "rw"]}
                   for destination, source, is_read_only in self.mounts]
        process = {
            "user": {"uid": self.uid, "gid": self.gid, "additionalGids": self.groups},
            "args": self.arguments, "cwd": "/",
            "env": ["%s=%s" % each for each in self.environment.items()],
            "noNewPrivileges": not self.may_escalate,
            "capabilities": {name: self.capabilities
                             for name in ("bounding", "effective", "permitted")}}
        linux = {
            # No network namespace: hostNetwork.
            "namespaces": [{"type": each} for each in ("pid", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"]}
        if self.memory:
            linux["resources"] = {"memory": {"limit": self.memory, "swap": self.memory}}
        if self.has_seccomp:
            linux["seccomp"] = seccomp(self.capabilities)
        return {"ociVersion": "1.0.2", "process": process, "mounts": mounts, "linux": linux,
                "hostname": "pod", "root": {"path": root, "readonly": self.is_read_only}}


class Container(Daemon):
    """A run of a Pod; the Lab ends it."""

    def __init__(self, directory, pod, root):
        super().__init__(directory, pod.arguments, with_notify=False)
        self.bundle = tempfile.mkdtemp(prefix="bundle-", dir=directory)
        self.state = os.path.join(directory, "runc")
        self.name = "knt-image-%d-%s" % (os.getpid(), os.path.basename(self.bundle))
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(pod.config(root), file)

    def start(self, output=None):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["runc", "--root", self.state, "run", "--bundle", self.bundle, "--pid-file",
                 os.path.join(self.bundle, "pid"), self.name],
                stdin=subprocess.DEVNULL, stdout=output or log, stderr=output or log)
        return self

    @property
    def pid(self):
        with open(os.path.join(self.bundle, "pid"), encoding="ascii") as file:
            return int(file.read())

    def probe(self, command):
        """Run a command in it as a kubelet does; returns (exit status, output)."""
        done = subprocess.run(["runc", "--root", self.state, "exec", self.name, *command],
                              capture_output=True, text=True, check=False, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def status(self, field):
        """A field of /proc/PID/status."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return re.search(r"^%s:\s*(.*)$" % field, file.read(), re.MULTILINE)[1]

    def memory_peak(self):
        """The most that its cgroup ever had, page cache included; 0 if nobody counted."""
        with open("/proc/%d/cgroup" % self.pid, encoding="ascii") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
        for _, controllers, path in lines:
            for name in (("/sys/fs/cgroup/memory%s/memory.max_usage_in_bytes" % path)
                         if controllers == "memory" else None,
                         ("/sys/fs/cgroup%s/memory.peak" % path) if controllers == "" else None):
                if name and os.path.exists(name):
                    with open(name, encoding="ascii") as file:
                        return int(file.read())
        return 0

    def kill(self):
        if self.is_running():
            subprocess.run(["runc", "--root", self.state, "delete", "--force", self.name], check=False,
                           capture_output=True)
            try:
                wait_until(lambda: not self.is_running(), 10, "the container's end")
            except Failure:
                self.process.kill()
                self.process.wait(10)
