# SPDX-License-Identifier: BSD-3-Clause
"""Circuits of our choice through the tor client, and transfers over them.

The client leaves streams to us (`__LeaveStreamsUnattached`); each transfer's local port says which
circuit its stream belongs to.
"""

import contextlib
import hashlib
import socket
import struct
import threading
import time

import stem
import stem.control

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
        connection = socket.socket()
        connection.settimeout(TRANSFER_TIMEOUT_S)
        connection.bind((LOCAL, 0))
        port = connection.getsockname()[1]
        self.circuit_of_port[port] = circuit
        try:
            connection.connect((LOCAL, SOCKS_PORT))
            connection.sendall(b"\x05\x01\x00")
            _exactly(connection, 2)
            connection.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(HTTP)
                               + struct.pack(">H", HTTP_PORT))
            if (status := _exactly(connection, 10)[1]) != 0:
                raise Failure(f"SOCKS refused the stream: {status} {self.failures[-1:]}")
            return connection
        except BaseException:
            connection.close()
            raise
        finally:
            self.circuit_of_port.pop(port, None)

    def stream(self, circuit):
        """A connection to the HTTP server through this circuit; the caller closes it."""
        with self._told(circuit):
            return self._open(circuit)

    def download(self, circuit, length, progress=None):
        """Fetches `length` bytes and returns their SHA-256; `progress` is told each total."""
        with self._told(circuit), self._open(circuit) as connection:
            connection.sendall(b"GET /bytes/%d HTTP/1.0\r\n\r\n" % length)
            return _body(connection, length, progress)[1]

    def upload(self, circuit, data):
        """Sends `data` and returns the SHA-256 that the server saw."""
        with self._told(circuit), self._open(circuit) as connection:
            connection.sendall(b"PUT /x HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(data))
            connection.sendall(data)
            return _body(connection, 64)[0].decode()


def _exactly(connection, length):
    data = b""
    while len(data) < length:
        if not (more := connection.recv(length - len(data))):
            raise Failure("the SOCKS port closed the connection")
        data += more
    return data


def _body(connection, length, progress=None):
    """Reads an HTTP reply: the body when it is short, and its SHA-256."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(4096)):
            raise Failure("the stream ended before the HTTP reply")
        head += more
    body = head.partition(b"\r\n\r\n")[2]
    sha, total, kept = hashlib.sha256(body), len(body), body
    while total < length:
        if not (more := connection.recv(1 << 16)):
            raise Failure(f"the stream ended after {total} of {length} bytes")
        sha.update(more)
        total += len(more)
        if total <= 4096:
            kept += more
        if progress:
            progress(total)
    return kept, sha.hexdigest()


def all_at_once(jobs):
    """Runs the functions in a thread each; fails with what the first failed with."""
    errors = []

    def run(job):
        try:
            job()
        except Exception as error:  # whatever it is, the test must see it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
