# SPDX-License-Identifier: BSD-3-Clause
"""Circuits of our choice through the tor client, and transfers over them.

The client leaves streams to us (`__LeaveStreamsUnattached`); each transfer's local port says which
circuit its stream belongs to.
"""

import contextlib
import time

import stem
import stem.control

import socks
from process import Failure, wait_until
from tornet import CONTROL_PORT, HTTP, HTTP_PORT, LOCAL, SOCKS_PORT

TRANSFER_TIMEOUT_S = 60  # without a single byte


class Client:
    def __init__(self):
        def connect():
            try:
                return stem.control.Controller.from_port(LOCAL, CONTROL_PORT)
            except stem.SocketError:
                return None
        self.control = wait_until(connect, 20, "the client's control port")
        self.control.authenticate()
        self.circuit_of_port = {}
        self.failures = []
        self.ends = {}  # why circuits ended, by their id
        self.control.set_conf("__LeaveStreamsUnattached", "1")
        self.control.add_event_listener(self._attach, stem.control.EventType.STREAM)
        self.control.add_event_listener(self._note_end, stem.control.EventType.CIRC)

    def close(self):
        try:
            self.control.reset_conf("__LeaveStreamsUnattached")
        except stem.ControllerError:
            pass  # the client is gone already
        self.control.close()

    def _note_end(self, event):
        if event.status in ("FAILED", "CLOSED"):
            self.ends[event.id] = f"{event.status}, {event.reason} {event.remote_reason or ''}"

    def _attach(self, event):
        if event.status == "DETACHED":
            # tor would leave it waiting until we attach it to another circuit.
            self.failures.append(f"stream {event.id} left circuit {event.circ_id}: "
                                 f"{event.reason} {event.remote_reason or ''}")
            try:
                self.control.close_stream(event.id)
            except stem.ControllerError:
                pass
        if event.status != "NEW" or event.purpose != "USER":
            return
        circuit = self.circuit_of_port.get(event.source_port)
        try:
            # Streams that nobody asked for are left to the client itself.
            self.control.attach_stream(event.id, circuit or "0")
        except stem.ControllerError as error:
            self.failures.append(f"stream {event.id} on circuit {circuit}: {error}")
            try:
                self.control.close_stream(event.id)
            except stem.ControllerError:
                pass

    def knows(self, fingerprint):
        """True when the client can make a circuit through this relay."""
        try:
            self.control.get_info(f"md/id/{fingerprint}")
            return True
        except stem.ControllerError:
            return False

    def wait_knows(self, fingerprints, timeout=90):
        wait_until(lambda: all(self.knows(f) for f in fingerprints), timeout,
                   "the client knows the relays", 0.3)

    def wait_bootstrapped(self, timeout=120):
        wait_until(lambda: "PROGRESS=100" in self.control.get_info("status/bootstrap-phase"),
                   timeout, "the client has bootstrapped", 0.3)

    def circuit(self, path, timeout=30, tries=3):
        """Builds a circuit through these fingerprints, first hop first, and returns its id."""
        for attempt in range(tries):
            try:
                return self.control.new_circuit(path, await_build=True, timeout=timeout)
            except (stem.CircuitExtensionFailed, stem.Timeout) as error:
                failure = error
                time.sleep(0.5)
        raise Failure(f"no circuit through {' '.join(f[:8] for f in path)}: {failure}")

    def circuit_is_open(self, circuit):
        return any(c.id == circuit and c.status == "BUILT" for c in self.control.get_circuits())

    def close_circuit(self, circuit):
        try:
            self.control.close_circuit(circuit)
        except stem.ControllerError:
            pass  # it is closed already

    @contextlib.contextmanager
    def _told(self, circuit):
        """Says of a transfer that breaks or hangs what became of its circuit."""
        try:
            yield
        except (TimeoutError, ConnectionError, Failure) as error:
            what = "no byte for a minute" if isinstance(error, TimeoutError) else error
            end = self.ends.get(circuit, "is open")
            raise Failure(f"{what} (circuit {circuit} {end})") from None

    def _open(self, circuit):
        """A connection to the HTTP server through this circuit."""
        ports = []

        def bound(port):
            self.circuit_of_port[port] = circuit
            ports.append(port)
        try:
            return socks.connect((LOCAL, SOCKS_PORT), HTTP, HTTP_PORT, bound=bound,
                                 timeout=TRANSFER_TIMEOUT_S)
        except socks.Refused as refused:
            raise Failure(f"{refused} {self.failures[-1:]}") from None
        finally:
            for port in ports:
                self.circuit_of_port.pop(port, None)

    def stream(self, circuit):
        """A connection to the HTTP server through this circuit; the caller closes it."""
        with self._told(circuit):
            return self._open(circuit)

    def download(self, circuit, length, progress=None):
        """Fetches `length` bytes and returns their SHA-256; `progress` is told each total."""
        with self._told(circuit), self._open(circuit) as connection:
            connection.sendall(b"GET /bytes/%d HTTP/1.0\r\n\r\n" % length)
            return socks.read_body(connection, length, socks.read_head(connection), progress)

    def upload(self, circuit, data):
        """Sends `data` and returns the SHA-256 that the server saw."""
        with self._told(circuit), self._open(circuit) as connection:
            return socks.put(connection, data)
