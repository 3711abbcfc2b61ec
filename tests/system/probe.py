# SPDX-License-Identifier: Apache-2.0
"""What the process that runs this may do, written as JSON to the file that is its argument. Runs inside
the unit's sandbox, and for comparison as the same account outside of it."""

import ctypes
import errno
import json
import mmap
import os
import socket
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
FAMILIES = range(1, 46)  # AF_UNIX to AF_MCTP
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
READ_IMPLIES_EXEC = 0x0400000
SCHED_FIFO = 1


def outcome(action):
    """'ok', or the name of the error."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return "ok"


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def socket_families():
    """The families of which a socket of some type can be made."""
    opened = []
    for family in FAMILIES:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind).close()
            except OSError:
                continue
            opened.append(family)
            break
    return opened


def create_in(folder):
    path = os.path.join(folder, "knt-probe-%d" % os.getpid())
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def may_write():
    """(folders in which a file can be made, regular files that can be opened for writing)."""
    folders, files = [], []
    for where, below, names in os.walk("/"):
        if where == "/":
            below.remove("proc")  # its own process is there, and /proc/sys is looked at below
        if outcome(lambda: create_in(where)) == "ok":
            folders.append(where)
        files += [path for path in (os.path.join(where, name) for name in names)
                  if os.access(path, os.W_OK) and stat.S_ISREG(os.lstat(path).st_mode)]
    for where, _, names in os.walk("/proc/sys"):
        files += [path for path in (os.path.join(where, name) for name in names)
                  if os.access(path, os.W_OK)]
    return folders, files


def make_suid(folder):
    path = os.path.join(folder, "knt-suid-%d" % os.getpid())
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        os.chmod(path, 0o4700)
    finally:
        os.unlink(path)


def other_accounts():
    """Processes of others that can be seen."""
    return [int(name) for name in os.listdir("/proc")
            if name.isdigit() and os.stat("/proc/" + name).st_uid != os.getuid()]


def main():
    folder = os.path.dirname(sys.argv[1])
    folders, files = may_write()
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    found = {
        "status": status,
        "families": socket_families(),
        "folders": folders,
        "files": files,
        "temporary": os.listdir("/tmp") + os.listdir("/var/tmp"),
        "others": other_accounts(),
        "devices": sorted(name for name in os.listdir("/dev")
                          if stat.S_ISBLK(os.lstat("/dev/" + name).st_mode)),
        "calls": {
            "memory that is written and executed": outcome(lambda: mmap.mmap(
                -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()),
            "another personality": outcome(lambda: call("personality", READ_IMPLIES_EXEC)),
            "a set-user-ID file": outcome(lambda: make_suid(folder)),
            "a user namespace": outcome(lambda: call("unshare", CLONE_NEWUSER)),
            "a mount namespace": outcome(lambda: call("unshare", CLONE_NEWNS)),
            "real-time scheduling": outcome(lambda: os.sched_setscheduler(
                0, SCHED_FIFO, os.sched_param(1))),
            "the host name": outcome(lambda: call("sethostname", b"other", 5)),
            "another account": outcome(lambda: os.setuid(0)),
            "listing /root": outcome(lambda: os.listdir("/roo" + "t")),
        },
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
