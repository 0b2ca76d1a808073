# SPDX-License-Identifier: BSD-3-Clause
"""Circuits that ramson makes for itself, and directory streams that others begin at it."""

import link
from cases import case
from link import BEGIN_DIR, CONNECTED, DATA, END, SENDME
from process import Failure, wait_until
from ramson import OR_PORT

TRUNCATE, XOFF, XON = 8, 43, 44
DONE, MISC, PROTOCOL = 6, 1, 1  # END's, END's, DESTROY's reasons
STREAMS_MAX = 256
REQUEST = b"GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n"


@case()
def upload_by_or_port(net):
    """
    ramson ──CREATE_FAST, BEGIN_DIR, POST──► OR ports of 3 authorities ──vote──► consensus

    Its configuration names no directory port.
    """
    relay = net.add_ramson(nickname="orport", start=False)
    for authority in relay.config["directory_authorities"]:
        del authority["dir_port"]
    relay.start()
    try:
        wait_until(lambda: relay.counters().get("descriptors_published", 0) >= len(net.authorities),
                   60, "every authority has the descriptor")
        made = relay.counters().get("own_circuits_made", 0)
        if made < len(net.authorities):
            raise Failure(f"{made} circuits were made")
        net.wait_listed([relay.name])
    finally:
        relay.stop()


def begin(circuit, stream=5):
    circuit.send(BEGIN_DIR, stream=stream)
    expect(circuit, CONNECTED, stream)


def expect(circuit, command, stream, data=None):
    answer = circuit.receive()
    if answer[:2] != (command, stream) or (data is not None and answer[2] != data):
        raise Failure(f"{answer} came, and relay command {command} was expected")


def expect_request(circuit, stream):
    """The circuit still serves: a request and its answer."""
    begin(circuit, stream)
    circuit.send(DATA, stream=stream)  # of no length
    circuit.send(DATA, REQUEST, stream=stream)
    status = b""
    while (answer := circuit.receive())[0] == DATA:
        status = status or answer[2]
    if not status.startswith(b"HTTP/1.0 200 ") or answer[:2] != (END, stream):
        raise Failure(f"{status[:40]}, then {answer}")


# What is sent on a circuit with stream 5 open, and closes it.
CLOSING = {
    "a SENDME for nothing": (SENDME, b"\1\0\x14" + bytes(20), 0),
    "a SENDME of version 0 for nothing": (SENDME, b"", 0),
    "a SENDME of version 2": (SENDME, b"\2\0\x14" + bytes(20), 0),
    "a SENDME that is cut off": (SENDME, b"\1\0\x14", 0),
    "a stream's SENDME above its window's start": (SENDME, b"", 5),
    "an END of no length": (END, b"", 5),
    "an END of no length for no stream": (END, b"", 9),
    "a TRUNCATE of no length": (TRUNCATE, b"", 0),
    "CONNECTED on an open stream": (CONNECTED, b"", 5),
}
# And what does nothing.
HARMLESS = {
    "a SENDME of a stream that is gone": (SENDME, b"", 9),
    "END for no stream": (END, bytes([DONE]), 9),
    "CONNECTED for no stream": (CONNECTED, b"", 9),
    "DATA for no stream": (DATA, b"x" * 100, 9),
    "BEGIN_DIR for stream 0": (BEGIN_DIR, b"", 0),
    "BEGIN_DIR for a stream that is open": (BEGIN_DIR, b"", 5),
    "XOFF without congestion control": (XOFF, b"\0", 5),
    "XON without congestion control": (XON, b"\0\0\0\0\0", 5),
}


@case()
def stream_protocol(net):
    """
    test ──CREATE_FAST, BEGIN_DIR, then what may not come, one circuit each──► ramson0
    """
    with link.Link(net.standing[0].address, OR_PORT) as one:
        one.handshake()
        number = 0
        for what, (command, data, stream) in CLOSING.items():
            number += 1
            circuit = one.create_fast(link.INITIATOR_BIT | number)
            begin(circuit)
            circuit.send(command, data, stream=stream)
            if (answer := circuit.receive())[:2] != (None, PROTOCOL):
                raise Failure(f"{what} was answered by {answer}")
        circuit = one.create_fast(link.INITIATOR_BIT | 1000)
        begin(circuit)
        for what, (command, data, stream) in HARMLESS.items():
            circuit.send(command, data, stream=stream)
        expect_request(circuit, 6)


@case()
def stream_tags(net):
    """
    test ◄──100 cells of answers on one circuit── ramson0, then a SENDME: right; wrong; again
    """
    def after_100_cells(circuit):
        cells, stream = 0, 0
        while cells < 100:
            stream += 1
            begin(circuit, stream)
            circuit.send(DATA, REQUEST, stream=stream)
            while (answer := circuit.receive())[0] == DATA:
                cells += 1
                if cells == 100:
                    tag = circuit.heard.backward_digest.digest()
            if answer[0] != END:
                raise Failure(f"{answer} came instead of the request's end")
        return b"\1\0\x14" + tag

    with link.Link(net.standing[0].address, OR_PORT) as one:
        one.handshake()
        right = one.create_fast(link.INITIATOR_BIT | 1)
        sendme = after_100_cells(right)
        right.send(SENDME, sendme)
        expect_request(right, 5000)
        right.send(SENDME, sendme)  # once more
        expect(right, None, PROTOCOL)
        wrong = one.create_fast(link.INITIATOR_BIT | 2)
        sendme = after_100_cells(wrong)
        wrong.send(SENDME, sendme[:-1] + bytes([sendme[-1] ^ 1]))
        expect(wrong, None, PROTOCOL)
        old = one.create_fast(link.INITIATOR_BIT | 3)  # a client's of long ago
        after_100_cells(old)
        old.send(SENDME)
        expect_request(old, 5000)


@case()
def too_many_streams(net):
    """
    test ──one more BEGIN_DIR than a circuit may have──► ramson0
    """
    with link.Link(net.standing[0].address, OR_PORT) as one:
        circuit = one.handshake().create_fast()
        for stream in range(1, STREAMS_MAX + 1):
            begin(circuit, stream)
        circuit.send(BEGIN_DIR, stream=STREAMS_MAX + 1)
        expect(circuit, END, STREAMS_MAX + 1, bytes([MISC]))
        circuit.send(END, bytes([DONE]), stream=7)
        expect_request(circuit, STREAMS_MAX + 2)
