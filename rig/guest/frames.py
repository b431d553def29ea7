#!/usr/bin/env python3
"""Reads, writes and compares files of frames, knowing nothing of how pkt-gen does.

frames.py make KIND FILE       a file of known frames; KIND is us, ns or ng, a dash, le or be
frames.py same A B             the same frames in the same order; exits with 1 if not
frames.py times FILE SECONDS.. each frame came so long after the first one, nearly
frames.py check FILE WHAT..    checksums are right, and each frame is as WHAT says: tcp, udp, 4, 6,
                               flags=0x12, vlan=8100:100:5, vlan=88a8:7:0,8100:8:3
frames.py lens FILE            a line for each length: bytes and how many frames have them
frames.py flows FILE           how many flows there are
frames.py number COUNT FILE [SIZE]  makes so many frames, of 60 bytes or SIZE, each with its number
frames.py wrong COUNT FILE     the same, and the second has a time of a year later
frames.py numbers FILE RANGE.. its frames have these numbers, as 0-62 900-999
frames.py sorted FILE COUNT    so many numbers from 0 on are there, in whatever order
frames.py span FILE LEAST MOST so many seconds are between the first frame and the last
frames.py talk COUNT FILE      makes so many conversations of four frames, to and fro
frames.py together COUNT FILE..  so many frames of conversations are in these files, those of each
                               conversation in one of them, in their order
"""
import struct
import sys
from collections import Counter

# Long after the first one; and no frame's length is a multiple of four.
TIMES = [0.0, 0.0, 0.5, 0.6, 1.6]
START = 1700000000


def known():
    lens = [61, 62, 1514, 63, 1001]
    return [
        (time, bytes([0xFF] * 6 + [2, 0, 0, 0, 0, n, 0x88, 0xB5]) + bytes(
            (i * n) % 256 for i in range(size - 14)))
        for n, (time, size) in enumerate(zip(TIMES, lens), 1)
    ]


def make(kind, path):
    unit, end = kind.split("-")
    order = {"le": "<", "be": ">"}[end]

    def block(number, body):
        size = len(body) + 12
        return struct.pack(order + "II", number, size) + body + struct.pack(order + "I", size)

    with open(path, "wb") as out:
        if unit == "ng":
            out.write(block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)))
            # Interfaces: one that counts in 2^-20 s, one in nanoseconds.
            for resolution in (0x94, 9):
                option = struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
                out.write(block(1, struct.pack(order + "HHI", 1, 0, 0) + option))
            # A block of no interest.
            out.write(block(0xBAD, b"\0" * 8))
        else:
            magic = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D}[unit]
            out.write(struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, 1))
        for n, (time, frame) in enumerate(known()):
            size = len(frame)
            if unit == "ng":
                interface = n % 2
                ticks = round((START + time) * (1 << 20 if interface == 0 else 10**9))
                head = struct.pack(
                    order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, size, size)
                out.write(block(6, head + frame + b"\0" * (-size % 4)))
            else:
                units = {"us": 10**6, "ns": 10**9}[unit]
                out.write(struct.pack(
                    order + "IIII", START + int(time), round(time % 1 * units), size, size))
                out.write(frame)


def write(path, bodies):
    """A file of frames, a microsecond apart."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for n, frame in enumerate(bodies):
            out.write(struct.pack("<IIII", START, n * 1000, len(frame), len(frame)) + frame)


def number(count, path, size=60):
    head = bytes([0xFF] * 6 + [2, 0, 0, 0, 0, 1, 0x88, 0xB5])
    fill = bytes(i * 7 % 251 for i in range(size))
    write(path, (head + struct.pack(">I", n) + fill[18:] for n in range(count)))


def wrong(count, path):
    number(count, path)
    with open(path, "r+b") as file:
        file.seek(24 + 16 + 60)
        file.write(struct.pack("<I", START + 365 * 86400))


def numbers(path, *ranges):
    ends = [map(int, part.split("-")) for part in ranges]
    due = [n for first, last in ends for n in range(first, last + 1)]
    came = [struct.unpack_from(">I", frame, 14)[0] for frame in bodies(path)]
    assert came == due, came


def in_any_order(path, count):
    came = sorted(struct.unpack_from(">I", frame, 14)[0] for frame in bodies(path))
    assert came == list(range(int(count))), came


def span(path, least, most):
    came = [time for time, _ in read(path)]
    assert float(least) <= came[-1] - came[0] <= float(most), came[-1] - came[0]


def talk(count, path):
    """Conversation i has its number and that of the frame at the end of each frame."""
    def frame(i, step):
        protocol, version, tags = [6, 17, 132][i % 3], [4, 6][i % 2], i % 4 if i % 4 < 3 else 0
        a, b = (bytes([10, 0, 0, 1]), bytes([10, 0, 1, i % 7 + 1]))
        ends = [(a, 1000 + i), (b, 80)]
        if step % 2:
            ends.reverse()
        (source, sport), (target, dport) = ends
        data = struct.pack(">HH", sport, dport).ljust(20, b"\0") + struct.pack(">II", i, step)
        if version == 4:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0)
            ip += source + target
        else:
            ip = struct.pack(">IHBB", 6 << 28, len(data), protocol, 64)
            ip += source.rjust(16, b"\xfd") + target.rjust(16, b"\xfd")
        # The answer has other tags than the question.
        tag = b"".join(struct.pack(">HH", 0x8100, 10 + step) for _ in range(tags))
        kind = struct.pack(">H", {4: 0x0800, 6: 0x86DD}[version])
        return bytes([0xFF] * 6 + [2, 0, 0, 0, 0, 1]) + tag + kind + ip + data

    write(path, (frame(i, step) for step in range(4) for i in range(count)))


def together(count, *paths):
    where, all_of_them = {}, 0
    for path in paths:
        for body in bodies(path):
            i, step = struct.unpack_from(">II", body, len(body) - 8)
            assert where.setdefault(i, (path, 0)) == (path, step), (i, step, where[i], path)
            where[i] = path, step + 1
            all_of_them += 1
    assert all_of_them == int(count), all_of_them
    assert {path for path, _ in where.values()} == set(paths), "a file has none"


def read(path):
    """Times and frames of a file that --capture wrote."""
    with open(path, "rb") as file:
        data = file.read()
    magic, major, minor, _, _, _, link = struct.unpack_from("=IHHIIII", data)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 1), "no pcap with nanoseconds"
    at, frames = 24, []
    while at < len(data):
        seconds, nanos, size, wire = struct.unpack_from("=IIII", data, at)
        at += 16
        frame = data[at:at + size]
        assert size == wire == len(frame), "a frame is not whole"
        frames.append((seconds + nanos / 1e9, frame))
        at += size
    return frames


def bodies(path):
    return [f[1] for f in (known() if path == "known" else read(path))]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Frame:
    def __init__(self, data):
        self.tags, at = [], 12
        kind, = struct.unpack_from(">H", data, at)
        while kind in (0x8100, 0x88A8):
            tag, = struct.unpack_from(">H", data, at + 2)
            self.tags.append(f"{kind:04x}:{tag & 0xFFF}:{tag >> 13}")
            at += 4
            kind, = struct.unpack_from(">H", data, at)
        ip = at + 2
        if kind == 0x0800:
            self.version, words, = 4, data[ip] & 15
            size, = struct.unpack_from(">H", data, ip + 2)
            self.protocol, addresses, below = data[ip + 9], data[ip + 12:ip + 20], ip + 4 * words
            assert checksum(data[ip:below]) == 0, "the checksum of IP"
            assert ip + size == len(data), "the length of IP"
        else:
            assert kind == 0x86DD, hex(kind)
            self.version, below = 6, ip + 40
            size, = struct.unpack_from(">H", data, ip + 4)
            self.protocol, addresses = data[ip + 6], data[ip + 8:ip + 40]
            assert below + size == len(data), "the length of IPv6"
        rest = data[below:]
        pseudo = addresses + struct.pack(">II", len(rest), self.protocol)
        assert checksum(pseudo + rest) == 0, "the checksum above IP"
        if self.protocol == 17:
            assert struct.unpack_from(">H", rest, 4)[0] == len(rest), "the length of UDP"
        self.flags = rest[13] if self.protocol == 6 else None
        self.flow = (addresses, rest[:4])

    def check(self, what):
        name, _, value = what.partition("=")
        is_so = {
            "tcp": lambda: self.protocol == 6,
            "udp": lambda: self.protocol == 17,
            "4": lambda: self.version == 4,
            "6": lambda: self.version == 6,
            "flags": lambda: self.flags == int(value, 0),
            "vlan": lambda: self.tags == value.split(","),
        }[name]()
        assert is_so, f"{what}: {vars(self)}"


def main(do, *args):
    if do == "make":
        make(*args)
    elif do == "same":
        first, second = bodies(args[0]), bodies(args[1])
        assert first, "no frames"
        assert first == second, ([len(f) for f in first], [len(f) for f in second])
    elif do == "times":
        came = [time for time, _ in read(args[0])]
        since = [time - came[0] for time in came]
        for is_at, due in zip(since, map(float, args[1:]), strict=True):
            assert abs(is_at - due) < 0.25, since
    elif do == "check":
        frames = bodies(args[0])
        assert frames, "no frames"
        for frame in map(Frame, frames):
            for what in args[1:]:
                frame.check(what)
    elif do == "lens":
        for size, count in sorted(Counter(map(len, bodies(args[0]))).items()):
            print(size, count)
    elif do in MAKING:
        MAKING[do](int(args[0]), args[1], *map(int, args[2:]))
    elif do in COMPARING:
        COMPARING[do](*args)
    elif do == "flows":
        print(len({Frame(frame).flow for frame in bodies(args[0])}))


MAKING = {"number": number, "talk": talk, "wrong": wrong}
COMPARING = {"numbers": numbers, "together": together, "sorted": in_any_order, "span": span}

main(*sys.argv[1:])
