# SPDX-License-Identifier: Apache-2.0
"""A file system that fails on demand: a mirror of a folder, mounted by FUSE, whose operations return
the errors that a test asks for, or do not return at all. The program under test sees a real kernel's
answers: EIO, EDQUOT, ENOSPC, EROFS, and a server that hangs (a process that waits for it can still be
killed, as with NFS)."""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading

from tap import Skip

(LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS,
 RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, ACCESS, CREATE, INTERRUPT,
 DESTROY, BATCH_FORGET, RENAME2, MKNOD) = (1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20,
                                           25, 26, 27, 28, 29, 30, 34, 35, 36, 38, 42, 45, 8)
# By the names that tests use for what fails.
KINDS = {"write": (WRITE,), "sync": (FSYNC, FSYNCDIR), "create": (CREATE, MKDIR),
         "rename": (RENAME, RENAME2), "remove": (UNLINK, RMDIR), "cut": (SETATTR,),
         "read": (READ,), "open": (OPEN,), "stat": (GETATTR,)}
CHANGES = ("write", "create", "rename", "remove", "cut")
UNANSWERED = (FORGET, BATCH_FORGET, INTERRUPT)
MAX_WRITE = 1 << 20
KEEP_CACHE = 2  # FOPEN_KEEP_CACHE: memory goes on to show what was written, as with a disk


class Node:
    def __init__(self, path):
        self.path, self.fds = path, []


class FaultFs:
    """Mounted at `target`, showing `source`. In the test's own mount namespace, served by a thread."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.errors = {}  # opcode: errno
        self.bad = (0, 0)  # from where to where no file can be read
        self.before_sync = lambda: None
        self.history = []  # ("rename", new path) and ("sync", folder): what is durable when
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.nodes = {1: Node(".")}
        self.ids = {".": 1}
        self.next_id = 2
        for folder in (source, target):
            os.makedirs(folder, exist_ok=True)
        try:
            self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Skip("no FUSE here: %s" % error) from None
        options = "fd=%d,rootmode=40000,user_id=%d,group_id=%d" % (self.fd, os.geteuid(),
                                                                  os.getegid())
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"faults", target.encode(), b"fuse", 6, options.encode()) < 0:
            os.close(self.fd)
            raise Skip("FUSE cannot be mounted here: %s" % os.strerror(ctypes.get_errno()))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    # -- what tests ask for ------------------------------------------------------------------------

    def fail(self, number, *kinds):
        """From now on, operations of these kinds end with this errno."""
        self.errors = {code: number for kind in kinds for code in KINDS[kind]}

    def heal(self):
        self.errors = {}
        self.may_go_on.set()

    def hang(self):
        """Nothing is answered until heal(). The test itself must keep its hands off it."""
        self.may_go_on.clear()

    def close(self):
        self.heal()
        ctypes.CDLL(None).umount2(self.target.encode(), 2)
        self.thread.join(10)

    # -- FUSE --------------------------------------------------------------------------------------

    def serve(self):
        while True:
            self.may_go_on.wait()
            # What is not read while it hangs can still be taken back by the kernel, when it kills.
            if not select.select([self.fd], [], [], 0.05)[0] or not self.may_go_on.is_set():
                continue
            try:
                request = os.read(self.fd, MAX_WRITE + 4096)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                os.close(self.fd)
                return
            _, code, unique, node = struct.unpack_from("=IIQQ", request)
            if code in UNANSWERED:
                continue
            try:
                if code in self.errors:
                    raise OSError(self.errors[code], "injected")
                answer, number = self.handle(code, node, request[40:]), 0
            except OSError as error:
                answer, number = b"", error.errno
            with contextlib.suppress(OSError):  # who asked may be gone
                os.write(self.fd, struct.pack("=IiQ", 16 + len(answer), -number, unique) + answer)

    def handle(self, code, node, body):
        handlers = {LOOKUP: self.lookup, GETATTR: self.getattr, SETATTR: self.setattr,
                    MKDIR: self.mkdir, UNLINK: self.unlink, RMDIR: self.rmdir,
                    OPEN: self.open, MKNOD: self.mknod,
                    READ: self.read, WRITE: self.write, STATFS: self.statfs,
                    RELEASE: self.release, FSYNC: self.fsync,
                    OPENDIR: self.open, READDIR: self.readdir, RELEASEDIR: self.release,
                    FSYNCDIR: self.fsyncdir, ACCESS: self.nothing, CREATE: self.create,
                    DESTROY: self.nothing}
        if code == INIT:
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, 65536, 1 << 5, 16, 12, MAX_WRITE, 1, 0, 0, 0)
        if code in (RENAME, RENAME2):
            return self.rename(node, body, 16 if code == RENAME2 else 8)
        if code not in handlers:  # FLUSH, too: the kernel would wait for it when it kills
            raise OSError(errno.ENOSYS, "not here")
        return handlers[code](node, body)

    def full(self, path):
        return os.path.join(self.source, path)

    def below(self, node, name):
        return os.path.normpath(os.path.join(self.nodes[node].path, name))

    def id_of(self, path):
        if path not in self.ids:
            self.ids[path] = self.next_id
            self.nodes[self.next_id] = Node(path)
            self.next_id += 1
        return self.ids[path]

    def status(self, node):
        fds = self.nodes[node].fds
        return os.fstat(fds[0]) if fds else os.lstat(self.full(self.nodes[node].path))

    @staticmethod
    def attributes(node, st):
        return struct.pack("=QQQQQQIIIIIIIIII", node, st.st_size, st.st_blocks, int(st.st_atime),
                           int(st.st_mtime), int(st.st_ctime), 0, 0, 0, st.st_mode, st.st_nlink,
                           st.st_uid, st.st_gid, st.st_rdev, 4096, 0)

    def entry(self, path):
        st = os.lstat(self.full(path))
        node = self.id_of(path)
        return struct.pack("=QQQQII", node, 0, 0, 0, 0, 0) + self.attributes(node, st)

    def lookup(self, node, body):
        return self.entry(self.below(node, body.split(b"\0")[0].decode()))

    def getattr(self, node, _):
        return struct.pack("=QII", 0, 0, 0) + self.attributes(node, self.status(node))

    def setattr(self, node, body):
        valid, _, _, size = struct.unpack_from("=IIQQ", body)
        mode, _, uid, gid = struct.unpack_from("=IIII", body, 68)
        fds = self.nodes[node].fds
        target = fds[0] if fds else self.full(self.nodes[node].path)
        if valid & 8:
            writable = [fd for fd in fds if os.get_inheritable(fd) is False]
            done = False
            for fd in writable:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, size)
                    done = True
                    break
            if not done:
                os.truncate(self.full(self.nodes[node].path), size)
        if valid & 1:
            os.chmod(target, stat.S_IMODE(mode))
        if valid & 6:
            os.chown(target, uid if valid & 2 else -1, gid if valid & 4 else -1)
        return self.getattr(node, b"")

    def mkdir(self, node, body):
        mode, _ = struct.unpack_from("=II", body)
        path = self.below(node, body[8:].split(b"\0")[0].decode())
        os.mkdir(self.full(path), mode & 0o7777)
        return self.entry(path)

    def mknod(self, node, body):
        mode, device = struct.unpack_from("=II", body)
        path = self.below(node, body[16:].split(b"\0")[0].decode())
        os.mknod(self.full(path), mode, device)
        return self.entry(path)

    def forget_path(self, path):
        self.ids.pop(path, None)

    def unlink(self, node, body):
        path = self.below(node, body.split(b"\0")[0].decode())
        os.unlink(self.full(path))
        self.forget_path(path)
        return b""

    def rmdir(self, node, body):
        path = self.below(node, body.split(b"\0")[0].decode())
        os.rmdir(self.full(path))
        self.forget_path(path)
        return b""

    def rename(self, node, body, skip):
        folder, = struct.unpack_from("=Q", body)
        old, new = body[skip:].split(b"\0")[:2]
        before, after = self.below(node, old.decode()), self.below(folder, new.decode())
        if skip == 16 and struct.unpack_from("=I", body, 8)[0]:
            raise OSError(errno.EINVAL, "flags")
        os.rename(self.full(before), self.full(after))
        self.history.append(("rename", after))
        self.forget_path(after)
        moved = self.ids.pop(before, None)
        if moved:
            self.ids[after] = moved
            self.nodes[moved].path = after
        return b""

    def opened(self, node, fd):
        self.nodes[node].fds.append(fd)
        return struct.pack("=QII", fd, KEEP_CACHE, 0)

    def open(self, node, body):
        flags, = struct.unpack_from("=I", body)
        flags &= ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | 0o100000)
        return self.opened(node, os.open(self.full(self.nodes[node].path), flags | os.O_CLOEXEC))

    def create(self, node, body):
        flags, mode = struct.unpack_from("=II", body)
        path = self.below(node, body[16:].split(b"\0")[0].decode())
        fd = os.open(self.full(path), flags | os.O_CREAT | os.O_CLOEXEC, mode & 0o7777)
        entry = self.entry(path)
        return entry + self.opened(self.ids[path], fd)

    def release(self, node, body):
        fd, = struct.unpack_from("=Q", body)
        self.nodes[node].fds.remove(fd)
        os.close(fd)
        return b""

    def read(self, _, body):
        fd, offset, size = struct.unpack_from("=QQI", body)
        if offset < self.bad[1] and offset + size > self.bad[0]:
            raise OSError(errno.EIO, "a bad sector")
        return os.pread(fd, size, offset)

    @staticmethod
    def write(_, body):
        fd, offset, size = struct.unpack_from("=QQI", body)
        return struct.pack("=II", os.pwrite(fd, body[40:40 + size], offset), 0)

    def fsync(self, _, body):
        self.before_sync()
        os.fsync(struct.unpack_from("=Q", body)[0])
        return b""

    def fsyncdir(self, node, _):
        self.before_sync()
        self.history.append(("sync", self.nodes[node].path))
        return b""

    @staticmethod
    def nothing(_, __):
        return b""

    def statfs(self, _, __):
        fs = os.statvfs(self.source)
        return struct.pack("=QQQQQIIII24x", fs.f_blocks, fs.f_bfree, fs.f_bavail, fs.f_files,
                           fs.f_ffree, fs.f_bsize, 255, fs.f_frsize, 0)

    def readdir(self, node, body):
        _, offset, size = struct.unpack_from("=QQI", body)
        names = sorted([".", "..", *os.listdir(self.full(self.nodes[node].path))])
        found = b""
        for index, name in enumerate(names[offset:], offset + 1):
            raw = os.fsencode(name)
            item = struct.pack("=QQII", index, index, len(raw), 0) + raw
            item += bytes(-len(item) % 8)
            if len(found) + len(item) > size:
                break
            found += item
        return found
