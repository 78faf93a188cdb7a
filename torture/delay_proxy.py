#!/usr/bin/env python3
"""Holds packets back: reads them from a TUN device and writes each again, later, at a time of its own.

usage: delay_proxy.py DEVICE

A line of JSON on standard input, {"delay_ms", "jitter_ms", "duplicate"}, says how from then on: delay plus a random part
of the jitter, so packets overtake each other; `duplicate` is the share that is sent twice. At the end of the input it
sends what it has, prints what it counted and exits. It holds at most PACKETS_MAX; further ones are lost, as in a router.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time

PACKETS_MAX = 20_000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    os.set_blocking(device, False)
    return device


class Queue:
    """Packets by the time they are due. Counts what it did to them."""

    def __init__(self, seed=0):
        self.random = random.Random(seed)
        self.waiting = []  # (due, arrival number, packet)
        self.shape = {"delay_ms": 0, "jitter_ms": 0, "duplicate": 0}
        self.counts = {"delayed": 0, "reordered": 0, "duplicated": 0, "dropped": 0}
        self.arrivals = 0
        self.newest_sent = 0

    def add(self, packet, now):
        self.arrivals += 1
        copies = 2 if self.random.random() < self.shape["duplicate"] else 1
        self.counts["duplicated"] += copies - 1
        for _ in range(copies):
            if len(self.waiting) >= PACKETS_MAX:
                self.counts["dropped"] += 1
                return
            wait_ms = self.shape["delay_ms"] + self.random.random() * self.shape["jitter_ms"]
            heapq.heappush(self.waiting, (now + wait_ms / 1000, self.arrivals, packet))

    def due(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            _, number, packet = heapq.heappop(self.waiting)
            self.counts["delayed"] += 1
            self.counts["reordered"] += number < self.newest_sent
            self.newest_sent = max(self.newest_sent, number)
            yield packet

    def wait(self, now):
        return max(0.0, self.waiting[0][0] - now) if self.waiting else None


def forward(device, queue):
    control = sys.stdin.fileno()
    os.set_blocking(control, False)
    text = b""
    while True:
        ready, _, _ = select.select([device, control], [], [], queue.wait(time.monotonic()))
        if control in ready:
            more = os.read(control, 65536)
            if not more:
                return
            *lines, text = (text + more).split(b"\n")
            for line in lines:
                queue.shape = json.loads(line)
        now = time.monotonic()
        try:
            while device in ready:
                packet = os.read(device, 65535)
                if packet[0] >> 4 == 4:  # the kernel's own IPv6 chatter is nobody's
                    queue.add(packet, now)
        except BlockingIOError:
            pass
        for packet in queue.due(now):
            send(device, packet)


def send(device, packet):
    try:
        os.write(device, packet)
    except OSError:
        pass  # the route went away, or the device's queue is full: the packet is lost


def main():
    device = open_tun(sys.argv[1])
    queue = Queue()
    try:
        forward(device, queue)
    except KeyboardInterrupt:
        pass
    print(json.dumps(queue.counts))


if __name__ == "__main__":
    main()
