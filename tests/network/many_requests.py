# SPDX-License-Identifier: BSD-3-Clause
"""Many HTTP requests to directories at once, over the circuits of one link and several streams on
each, within the windows that tor gives to both (tor-spec, "Flow control")."""

import collections

import link
from process import Failure

CIRCUIT_WINDOW, STREAM_WINDOW = 1000, 500


class _Stream:
    def __init__(self, number, name, text):
        self.number, self.name, self.text = number, name, text
        self.at, self.window, self.connected = 0, STREAM_WINDOW, False
        self.reply, self.cells = [], 0

    def may_send(self):
        return self.connected and self.window > 0 and self.at < len(self.text)


class _Flow:
    """One circuit: its streams, and how much may still be sent on it."""

    def __init__(self, circuit):
        self.circuit, self.streams = circuit, {}
        self.window, self.sent, self.came, self.number = CIRCUIT_WINDOW, 0, 0, 0
        self.tags = collections.deque()  # that the next SENDMEs have to know

    def begin(self, name, text):
        while self.number in self.streams or self.number == 0:
            self.number = (self.number + 1) % 65536
        self.streams[self.number] = _Stream(self.number, name, text)
        self.circuit.send(link.BEGIN_DIR, stream=self.number)

    def send_what_may(self):
        cells = []
        for stream in self.streams.values():
            while self.window > 0 and stream.may_send():
                cells.append(self.circuit.seal(
                    link.DATA, stream.text[stream.at:stream.at + link.DATA_MAX], stream.number))
                stream.at += link.DATA_MAX
                stream.window -= 1
                self.window -= 1
                self.sent += 1
                if self.sent % link.CIRCUIT_INCREMENT == 0:
                    self.tags.append(self.circuit.hops[-1].forward_digest.digest())
        if cells:
            self.circuit.link.send(b"".join(cells))

    def take(self, body):
        """A relay cell. Returns the stream that it has ended, or None."""
        command, number, data = self.circuit.open(body)
        stream = self.streams.get(number)
        if command == link.SENDME and number == 0:
            if not self.tags or data[3:23] != self.tags.popleft():
                raise Failure("a SENDME that does not know what was sent")
            self.window += link.CIRCUIT_INCREMENT
        elif stream is None:
            raise Failure(f"relay command {command} on stream {number}, which there is not")
        elif command == link.CONNECTED:
            stream.connected = True
        elif command == link.SENDME:
            stream.window += link.STREAM_INCREMENT
        elif command == link.DATA:
            self._take_data(stream, data)
        elif command == link.END:
            return self.streams.pop(number)
        return None

    def _take_data(self, stream, data):
        stream.reply.append(data)
        stream.cells += 1
        self.came += 1
        if self.came % link.CIRCUIT_INCREMENT == 0:
            self.circuit.send_circuit_sendme()
        if stream.cells % link.STREAM_INCREMENT == 0:
            self.circuit.send(link.SENDME, stream=stream.number)


class ManyRequests:
    def __init__(self, circuits, streams_each):
        self.link, self.streams_each = circuits[0].link, streams_each
        self.flows = {circuit.circid: _Flow(circuit) for circuit in circuits}

    def run(self, requests):
        """Yields (name, (status, headers, body)) as they are answered.

        `requests` are (name, lines of the head, body).
        """
        requests = iter(requests)
        for _ in range(self.streams_each):
            for flow in self.flows.values():
                self._begin_next(flow, requests)
        while any(flow.streams for flow in self.flows.values()):
            flow, stream = self._take_cell()
            if stream:
                yield stream.name, link.http_reply(b"".join(stream.reply))
                self._begin_next(flow, requests)
            flow.send_what_may()

    def _begin_next(self, flow, requests):
        for name, head, body in requests:
            flow.begin(name, link.http_request(head, body))
            return

    def _take_cell(self):
        while True:
            circid, command, body = self.link.receive()
            if command in (link.PADDING, link.VPADDING):
                continue
            if command != link.RELAY:
                raise Failure(f"cell {command} ({body[0]}) came on a circuit with requests")
            flow = self.flows[circid]
            return flow, flow.take(body)


def publish(text):
    """The lines and the body of an upload."""
    return ["POST /tor/hs/3/publish HTTP/1.0", f"Content-Length: {len(text)}"], text
