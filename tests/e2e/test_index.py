# SPDX-License-Identifier: Apache-2.0
"""The index at the end of a file: it says what is in the file, and every reader reads the file as before."""

import gzip
import os
import random
import shutil
import subprocess
import sys

import packets
from harness import MEGABYTE_PACKETS, SMALL, command, main, need
import index_reader  # the harness knows where
from index_reader import Index
from tap import Failure, Skip, check, equal, wait_until

MAC = "02000000000202000000000a"
V4 = "45000054000000004006%s0a0000010a000002"
UDP4, GRE4, IPIP4 = (V4.replace("4006%s", "40%02x0000" % each) for each in (17, 47, 4))
TCP4, ICMP4 = V4 % "0000", V4.replace("4006%s", "40010000")
V6 = "600000000040%s4020010db800000000000000000000000%d20010db8000000000000000000000001"
SYN, RST = ("%s01bb00000000000000005%03xffff00000000" % ("c%03x", flags) for flags in (2, 4))
INNER = MAC + "0800" + "4500005400000000400600000af401010af40102" + SYN % 7
# What a node may see, and what somebody may send: what each is stands in tests/unit/index/test_key.c.
FRAMES = [bytes.fromhex(each.replace(" ", "")) for each in (
    *(MAC + "0800" + TCP4 + SYN % port for port in range(5)),
    MAC + "0800" + TCP4 + RST % 1,
    MAC + "0800" + UDP4 + "c0000035 00000000 0000",
    MAC + "0800" + ICMP4 + "0800000000000000",
    MAC + "0800" + "45000054000020014006 0000 0a000001 0a000002" + SYN % 0,
    MAC + "0800" + "46000054000000004006 0000 0a000001 0a000002 01010101" + SYN % 0,
    MAC + "0806" + "0001080006040001 020000000001 0a000002 000000000000 0a000001",
    MAC + "86dd" + V6 % ("06", 2) + SYN % 0,
    MAC + "86dd" + V6 % ("06", 3) + SYN % 0,
    MAC + "86dd" + V6 % ("3a", 2) + "8700000000000000",
    MAC + "86dd" + V6 % ("2c", 2) + "0600000000000000" + SYN % 0,
    MAC + "8100 0064 0800" + TCP4 + SYN % 0,
    MAC + "88a8 0064 8100 0065 0800" + TCP4 + SYN % 0,
    MAC + "8100 0064 88cc 0207",
    MAC + "88cc" + "0207" * 20,
    *(MAC + "%04x" % length + "424203" + "00" * 40 for length in (3, 38, 1500)),
    MAC + "0800" + UDP4 + "c00012b5 00000000 0800000000002a00" + INNER,
    MAC + "86dd" + V6 % ("11", 2) + "c0002118 00000000 0800000000002a00" + INNER,
    MAC + "0800" + UDP4 + "c00017c1 00000000 0200655800002a00 0102800112345678" + INNER,
    MAC + "0800" + UDP4 + "c00017c1 00000000 0000080000002a00" + INNER[28:],
    MAC + "0800" + GRE4 + "b0000800 11111111 22222222 33333333" + INNER[28:],
    MAC + "0800" + GRE4 + "00006558" + INNER,
    MAC + "0800" + GRE4 + "00010800" + INNER[28:],
    MAC + "0800" + IPIP4 + INNER[28:],
    MAC + "0800" + IPIP4.replace("4004", "4029") + V6 % ("06", 2) + SYN % 0,
)]
SENDER = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
for line in sys.stdin:
    out.send(bytes.fromhex(line))
"""


def send_frames(lab, frames):
    """As they are, from the far end."""
    done = subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % lab.peer.process.pid, sys.executable, "-c", SENDER,
                           "peer0"], input="\n".join(each.hex() for each in frames), text=True, check=False,
                          capture_output=True)
    equal((done.returncode, done.stderr), (0, ""), "sender")


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def check_index(one):
    """Of an object: all that it says is in the file, and the object's metadata say what it is."""
    index = index_reader.check(read_bytes(one.path))
    equal(one.metadata["index"], "1:%d:%d" % (index.index_bytes, index.tail_bytes), "metadata of " + one.name)
    equal(index.packets, one.number("packets"), "packets in the index of " + one.name)
    facts = dict(index.facts)
    equal(facts.pop("tunnels"), "vxlan:4789,8472 geneve:6081 gre ipip 6in4", "tunnels")
    # The object has it in the metadata only if it is not empty.
    known = {key: value for key, value in one.metadata.items() if key not in ("bytes", "crc32c", "index")}
    equal({key: value for key, value in facts.items() if value}, {key: value for key, value in known.items() if value},
          "facts of " + one.name)
    equal(index.snaplen, one.number("snaplen"), "snaplen")
    return index


def test_it_says_what_is_in_the_file(lab):
    """Every kind of packet, in every kind of file, whole and cut anywhere in the headers."""
    lab.link()
    lab.bucket()
    kinds = (["-c", "gzip", "-s", "0"], ["-c", "zstd", "--capture-format", "pcapng", "-s", "0"], ["-c", "gzip:0"],
             ["-c", "gzip", "--capture-precision", "nano", "-s", "34"], ["-c", "zstd", "-s", "50"], ["-s", "68"],
             ["-s", "15"])
    for number, kind in enumerate(kinds):
        daemon = lab.daemon(*kind, "-G", "0", "--capture-flush-interval", "1").start_ready()
        send_frames(lab, FRAMES)
        lab.send(300, stream=1 + number, sizes=[60, 200])
        equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal(len(objects), len(kinds), "objects")
    for one, kind in zip(objects, kinds):
        index = check_index(one)
        equal(index.packets, 300 + len(FRAMES), "packets with %r" % kind)
        check(not any(index.unlisted), "unlisted members with %r" % kind)
    whole = {key for member in Index(read_bytes(objects[0].path)).keys for key in member}
    for kind in ((0x0800, 1, 0x10, 6, 16), (0x0800, 1, 0x60, 6, 16), (0x86DD, 2, 0x50, 6, 16), (0x8100, 1, 1, 6, 0)):
        check(any(key[3] == kind for key in whole), "no key of type %r" % (kind,))


def test_a_conversation_is_in_the_members_that_have_it(lab):
    """Not in others: that is what the index is for."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-s", "0", "--capture-flush-interval", "1").start_ready()
    lab.send(500, sizes=[1514])
    send_frames(lab, FRAMES[:1])
    lab.send(3000, stream=2, sizes=[1514])
    equal(daemon.stop(), 0, "exit status")
    one = lab.objects()[0]
    index = check_index(one)
    key = b"\x0a\0\0\x01", b"\x0a\0\0\x02", 443, (0x0800, 1, 0, 6, 0)
    equal(sum(key in member for member in index.keys), 1, "members with the conversation")
    check(index.member_count > 8, "%d members" % index.member_count)


def test_a_scan_costs_listings_only(lab):
    """More conversations than are listed: the members are marked, and everything is in the file."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    frame = FRAMES[0]
    frames = [frame[:26] + (0x0B000000 + i * 7919).to_bytes(4, "big") + frame[30:] for i in range(9000)]
    send_frames(lab, frames)
    equal(daemon.stop(), 0, "exit status")
    index = check_index(lab.objects()[0])
    equal(index.packets, len(frames), "packets")
    check(any(index.unlisted), "no member is unlisted")
    check(index.index_bytes < 8 << 20, "%d bytes of index" % index.index_bytes)


def has_index(one):
    return Index(read_bytes(one.path)).has_footer


def record_and_crash(lab, *arguments):
    """Objects of a recorder that was killed, and of its recovery."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL, *arguments).start_ready()
    lab.send(3 * MEGABYTE_PACKETS // 2, sizes=[1514], rate=20000)
    send_frames(lab, FRAMES)
    wait_until(lambda: [name for name in lab.spool_files("capturing")
                        if os.path.getsize(os.path.join(lab.spool, name)) > 1000], 20, "an open segment with packets")
    daemon.kill()
    daemon = lab.daemon(*SMALL, *arguments).start_ready()
    wait_until(lambda: any(each.metadata["reason"] == "recovered" for each in lab.objects()), 20, "recovery")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    check(len(objects) >= 2, "%d objects" % len(objects))
    return objects


def test_without_it_there_is_none(lab):
    """Neither from a recorder nor from recovery, and nothing of a file says otherwise."""
    objects = record_and_crash(lab, "--segment-index", "false")
    equal([has_index(each) for each in objects], [False] * len(objects), "indexes")
    equal([each.metadata.get("index") for each in objects], [None] * len(objects), "metadata")


def test_it_can_be_switched_off(lab):
    """By a reload, from the next segment on; files without compression never have one."""
    lab.link()
    lab.bucket()
    text = "segment = { age = 0; index = %s; };\n"
    daemon = lab.daemon(config=lab.configure(text % "false")).start_ready()
    for number, switch in enumerate(("true", "false", "")):
        lab.send(100, stream=1 + number)
        daemon.end_segment()
        wait_until(lambda n=number: len(lab.objects()) > n, 20, "the segment")
        if switch:
            lab.configure(text % switch)
            daemon.reload()
    equal(daemon.stop(), 0, "exit status")
    daemon = lab.daemon("-c", "none", "-G", "0").start_ready()
    lab.send(100, stream=4)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal([has_index(each) for each in objects], [False, True, False, False], "indexes")
    equal([bool(each.metadata.get("index")) for each in objects], [False, True, False, False], "metadata")
    for stream in range(1, 5):
        lab.check_numbers(objects, 100, stream=stream)


# -- readers ---------------------------------------------------------------------------------------


def quiet(*argv, **options):
    """What a reader reads: no complaint, status 0."""
    done = subprocess.run([str(each) for each in argv], capture_output=True, check=False, timeout=60, **options)
    if done.returncode or done.stderr:
        raise Failure("%s: status %d, %s" % (" ".join(map(str, argv)), done.returncode, done.stderr.decode()))
    return done.stdout


def with_and_without(lab, *arguments):
    """A file of ours with an index of several pieces; the same without, as others make it; what is in it."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-s", "0", *arguments).start_ready()
    frame = FRAMES[0]
    anything = random.Random(1)
    for i in range(12):  # enough different ones for several pieces
        send_frames(lab, [frame[:26] + anything.randbytes(4) + frame[30:] for _ in range(700)])
        lab.send(400, stream=1 + i, sizes=[1514])
    equal(daemon.stop(), 0, "exit status")
    one = lab.objects()[0]
    content = read_bytes(one.path)
    index = index_reader.check(content)
    check(index.index_bytes > 2 * 15360, "%d bytes of index" % index.index_bytes)
    bare = os.path.join(lab.directory, "bare" + os.path.splitext(one.file_name)[1])
    with open(bare, "wb") as file:
        file.write(content[:index.data_bytes])
    plain = b"".join(plain for _, plain in index_reader.members_of(content, index.data_bytes))
    return one, bare, plain


GZIP_READERS = (
    ["gzip", "-t"], ["gzip", "-dc"], ["zcat"], ["pigz", "-t"], ["pigz", "-dc"], ["igzip", "-t"], ["igzip", "-dc"],
    ["busybox", "zcat"], ["busybox", "gunzip", "-c"], ["bsdcat"], ["libdeflate-gunzip", "-c"], ["zstd", "-dcq"],
    ["perl", "-MIO::Uncompress::Gunzip", "-e",
     '$z = IO::Uncompress::Gunzip->new($ARGV[0], MultiStream => 1); print while <$z>'],
    [sys.executable, "-c", "import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)"],
)


def check_readers(one, plain, readers):
    """Each that is installed reads all of it, and nothing else."""
    left_out = []
    for reader in readers:
        if not shutil.which(reader[0]) or (reader[:1] == ["busybox"] and not has_applet(reader[1])):
            left_out.append(reader[0])
            continue
        read = quiet(*reader, one.path)
        if "-t" not in reader and "-tq" not in reader:
            check(read == plain, "%s reads %d bytes, not %d" % (" ".join(reader), len(read), len(plain)))
    return left_out


def has_applet(name):
    return name in command("busybox", "--list").split()


def test_gzip_readers(lab):
    """To the same bytes, with status 0 and nothing on stderr."""
    one, _, plain = with_and_without(lab)
    left_out = check_readers(one, plain, GZIP_READERS)
    equal(gzip.decompress(read_bytes(one.path)), plain, "Python's gzip")
    missing = sorted(set(left_out) - {"bsdcat", "libdeflate-gunzip"})
    if missing:
        raise Skip(", ".join(missing) + " not installed; the others read it")


def test_zstd_readers(lab):
    need("zstd")
    one, _, plain = with_and_without(lab, "-c", "zstd")
    equal(check_readers(one, plain, (["zstd", "-tq"], ["zstd", "-dcq"], ["zstdcat"], ["unzstd", "-cq"], ["bsdcat"])) in
          ([], ["bsdcat"]), True, "tools of zstd")


def test_packet_tools(lab):
    """tcpdump, tshark (twice: it seeks), capinfos, editcap and mergecap say of it what they say of the bare file."""
    need("tcpdump", "tshark", "capinfos", "mergecap", "editcap")
    one, bare, _ = with_and_without(lab)
    check_tools(lab, one, bare, "zcat")


def test_packet_tools_zstd_pcapng(lab):
    need("tcpdump", "tshark", "capinfos", "mergecap", "editcap", "zstd")
    one, bare, _ = with_and_without(lab, "-c", "zstd", "--capture-format", "pcapng")
    check_tools(lab, one, bare, "zstdcat")


def check_tools(lab, one, bare, unpack):
    for number, arguments in enumerate((["tshark", "-nr"], ["tshark", "-2", "-nr"])):
        lines = [lines_of(*arguments, path) for path in (one.path, bare)]
        equal(len(lines[0]), one.number("packets"), "packets for tshark")
        check(lines[0] == lines[1], "tshark differs (%d)" % number)
    told = [quiet("capinfos", "-M", "-c", "-a", "-e", "-d", path).decode().splitlines()[1:] for path in (one.path, bare)]
    equal(told[0], told[1], "capinfos")
    results = []
    for path in (one.path, bare):
        merged, edited = (os.path.join(lab.directory, name) for name in ("merged.pcap", "edited.pcap"))
        quiet("mergecap", "-F", "pcap", "-w", merged, path, path)
        quiet("editcap", "-F", "pcap", path, edited)
        results.append((packets.read(merged).records, packets.read(edited).records))
    equal(len(results[0][0]), 2 * one.number("packets"), "packets for mergecap")
    check(results[0] == results[1], "mergecap or editcap differ")
    lines = [subprocess.run(["sh", "-c", unpack + ' "$1" | tcpdump -Z root -tt -n -r - 2>&1', "sh", path],
                            capture_output=True, check=True).stdout.splitlines() for path in (one.path, bare)]
    check(lines[0] == lines[1], "tcpdump differs")
    check(len(lines[0]) >= one.number("packets"), "%d lines of tcpdump" % len(lines[0]))


def lines_of(*argv):
    """As root, tshark says on stderr that it is."""
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    check(not [line for line in done.stderr.splitlines() if "root" not in line.lower()], done.stderr)
    return done.stdout.splitlines()


# -- recovery --------------------------------------------------------------------------------------


def test_recovered_files_have_one(lab):
    """Every file has, by default, also after a kill -9; and what it says is in the file."""
    for one in record_and_crash(lab):
        check(has_index(one), "no index in " + one.name)
        check_index(one)


if __name__ == "__main__":
    main()
