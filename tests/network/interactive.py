# SPDX-License-Identifier: BSD-3-Clause
"""What somebody who types feels when others fetch files over the same link.

    client ──► far relay ◄══narrow══ middle ◄── exit1 ◄── HTTP server
               50 circuits that fetch as fast as they can, and one that sends 8 bytes now and then

All that goes to the client waits before the narrow link, in the middle relay's queues.
"""

import selectors
import statistics
import threading
import time

from process import Failure, all_at_once

BULK_CIRCUITS = 50
LINK_BYTES_PER_S = 750_000
LINK_QUEUE_BYTES = 30_000  # 40 ms: so long waits what the middle's TCP has let go of
BULK_BYTES = 4 << 20
PAUSE_S = 0.1
WARM_UP_S, MEASURE_S, IDLE_S = 5, 15, 2
EXIT = "exit1"


class Bulk:
    """Fetches over many streams at once, and counts."""

    def __init__(self, streams):
        self.streams, self.bytes, self.ended = streams, 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        for stream in self.streams:
            stream.sendall(b"GET /bytes/%d HTTP/1.0\r\n\r\n" % BULK_BYTES)
        self.thread.start()

    def run(self):
        selector = selectors.DefaultSelector()
        for stream in self.streams:
            stream.setblocking(False)
            selector.register(stream, selectors.EVENT_READ)
        while not self.ended:
            for key, _ in selector.select(0.2):
                data = key.fileobj.recv(1 << 16)
                self.bytes += len(data)
                if not data:
                    selector.unregister(key.fileobj)
        selector.close()

    def stop(self):
        self.ended = True
        self.thread.join()


class Echo:
    """A stream to the echo server; `times` are its round trips in seconds."""

    def __init__(self, stream):
        self.stream, self.times = stream, []
        stream.sendall(b"ECHO / HTTP/1.0\r\n\r\n")
        self.exactly(len(b"HTTP/1.0 200 OK\r\n\r\n"))

    def exactly(self, length):
        while length > 0:
            if not (data := self.stream.recv(length)):
                raise Failure("the echo server closed the stream")
            length -= len(data)

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.times = []
        while (start := time.monotonic()) < end:
            self.stream.sendall(b"8 bytes.")
            self.exactly(8)
            self.times.append(time.monotonic() - start)
            time.sleep(max(0, PAUSE_S - self.times[-1]))


def quantiles(times):
    """Median and the time that nine of ten do not exceed, in ms."""
    ordered = sorted(times)
    return {"p50_ms": 1000 * statistics.median(ordered),
            "p90_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)],
            "round_trips": len(ordered)}


def circuits(net, path, count):
    """So many circuits, four at a time."""
    built = []

    def some(n):
        for _ in range(n):
            built.append(net.circuit(*path))
    all_at_once([lambda i=i: some(len(range(i, count, 4))) for i in range(4)])
    return built


def measure(net, far, middle, address):
    """Round trips through `middle`, whose address is given, in ms: with the link idle, of a circuit
    of its own when the link is full, and of a stream on one of the circuits that fill it."""
    built = circuits(net, (far, middle, EXIT), BULK_CIRCUITS + 1)
    own, fetching = built[0], built[1:]
    far.narrow(address, LINK_BYTES_PER_S, LINK_QUEUE_BYTES)
    streams = []
    try:
        def open_stream(circuit):
            stream = net.control.stream(circuit)
            streams.append(stream)
            return stream
        alone, among = Echo(open_stream(own)), Echo(open_stream(fetching[0]))
        alone.run(IDLE_S)
        idle = quantiles(alone.times)
        bulk_streams = []
        all_at_once([lambda c=c: bulk_streams.append(open_stream(c)) for c in fetching])
        bulk = Bulk(bulk_streams)
        bulk.start()
        time.sleep(WARM_UP_S)
        before, start = bulk.bytes, time.monotonic()
        all_at_once([lambda: alone.run(MEASURE_S), lambda: among.run(MEASURE_S)])
        rate = (bulk.bytes - before) / (time.monotonic() - start)
        bulk.stop()
    finally:
        for stream in streams:
            stream.close()
        for circuit in built:
            net.control.close_circuit(circuit)
    return {"idle": idle, "interactive": quantiles(alone.times), "bulk": quantiles(among.times),
            "bulk_bytes_per_s": rate}


def line(name, result):
    return (f"{name}: {result['idle']['p50_ms']:.0f} ms when idle; behind {BULK_CIRCUITS} bulk "
            f"circuits p50 {result['interactive']['p50_ms']:.0f}, "
            f"p90 {result['interactive']['p90_ms']:.0f} ms; on one of them "
            f"p50 {result['bulk']['p50_ms']:.0f}, p90 {result['bulk']['p90_ms']:.0f} ms; "
            f"{result['bulk_bytes_per_s'] / 1000:.0f} kB/s")
