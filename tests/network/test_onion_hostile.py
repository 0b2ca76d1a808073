# SPDX-License-Identifier: BSD-3-Clause
"""ramson as introduction and rendezvous point, by hand: what it does for those who keep to the
protocol, and what it answers to those who don't."""

import contextlib
import hashlib
import os
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import link
from cases import case
from process import Failure, all_at_once
from test_relay_crypto import Growth

KEY_ED25519 = 2
SUCCESS, UNKNOWN_KEY, BAD_FORMAT = range(3)  # INTRODUCE_ACK
END_EXIT_POLICY, END_NOT_DIRECTORY = 4, 14
INTRODUCE_MAX = 490  # what fits in INTRODUCE2 whatever the service's circuit is like
LINKS = 8


class Hands:
    """Circuits to ramson0 for one test, each on a link of its own, closed at its end."""

    def __init__(self, net, relay=None):
        self.net, self.relay = net, relay or net.ramsons[0]
        self.open = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.close()

    def one_hop(self):
        return self.open.enter_context(self.net.link_to(self.relay)).create_fast()

    def two_hops(self):
        first = self.open.enter_context(self.net.link_to(self.net.ramsons[1])).create_fast()
        return first.extend(self.net.target(self.relay))


def check(circuit, command, data=None):
    """The next relay cell is this one; returns its data."""
    answer = circuit.receive()
    if answer[0] != command or (data is not None and answer[2] != data):
        raise Failure(f"relay command {answer[0]}, {answer[1:]} came, not {command} {data or ''}")
    return answer[2]


def check_closed(circuit, reason=None):
    """The next cell is a DESTROY: with this reason at one hop, with DESTROYED at two."""
    if sum(hop.nonce is not None for hop in circuit.hops) > 1:
        reason = link.DESTROY_DESTROYED
    answer = circuit.receive()
    if answer[0] is not None or (reason is not None and answer[1] != reason):
        raise Failure(f"{answer} came, not a DESTROY for reason {reason}")


def check_alive(circuit):
    """It is open, and nothing has come on it: a BEGIN is what is answered next."""
    circuit.send(link.BEGIN, b"10.90.0.200:80\0", stream=99)
    if (answer := circuit.receive())[1] != 99:
        raise Failure(f"{answer} came in answer to BEGIN")


# ---- introduction point

class Service:
    """A service's key at one introduction point."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def establish(self, nonce, extensions=b"\0", kind=KEY_ED25519):
        """The body of ESTABLISH_INTRO (rend-spec-v3 3.1.1)."""
        body = struct.pack(">BH", kind, len(self.public)) + self.public + extensions
        body += hashlib.sha3_256(struct.pack(">Q", len(nonce)) + nonce + body).digest()
        signature = self.key.sign(b"Tor establish-intro cell v1" + body)
        return body + struct.pack(">H", len(signature)) + signature

    def established(self, circuit, extensions=b"\0"):
        circuit.send(link.ESTABLISH_INTRO, self.establish(circuit.hops[-1].nonce, extensions))
        check(circuit, link.INTRO_ESTABLISHED, b"\0")
        return circuit


def introduce(public, length=246, legacy=bytes(20), kind=KEY_ED25519):
    """The body of INTRODUCE1 (rend-spec-v3 3.2.1), with anything as its encrypted part."""
    head = legacy + struct.pack(">BH", kind, len(public)) + public + b"\0"
    return head + os.urandom(length - len(head))


def check_ack(circuit, body, status):
    circuit.send(link.INTRODUCE1, body)
    check(circuit, link.INTRODUCE_ACK, struct.pack(">HB", status, 0))


@case()
def intro_establish_wrong(net):
    """
    test ──ESTABLISH_INTRO with one thing wrong──► ramson0: DESTROY, and nobody is established
    """
    service, growth = Service(), Growth(net.ramsons[0])
    with Hands(net) as hands:
        other = hands.one_hop().hops[-1].nonce
        good = service.establish(other)
        mac_at = 3 + 32 + 1

        def flipped(at):
            return lambda nonce: (lambda b: b[:at] + bytes([b[at] ^ 1]) + b[at + 1:])(
                service.establish(nonce))
        wrong = [lambda nonce: good,  # another circuit's: a replay
                 lambda nonce: service.establish(bytes(20)),
                 flipped(mac_at), flipped(mac_at + 31), flipped(-1), flipped(-64), flipped(5),
                 lambda nonce: Service().establish(nonce)[:-66] + service.establish(nonce)[-66:],
                 *[lambda nonce, k=k: service.establish(nonce, kind=k) for k in (0, 1, 3, 255)],
                 lambda nonce: service.establish(nonce, b"\1\1\xff"),  # longer than the message
                 lambda nonce: b"", lambda nonce: service.establish(nonce)[:-1],
                 lambda nonce: service.establish(nonce)[:mac_at]]
        for make in wrong:
            circuit = hands.one_hop()
            circuit.send(link.ESTABLISH_INTRO, make(circuit.hops[-1].nonce))
            check_closed(circuit, link.DESTROY_PROTOCOL)
        check_ack(hands.two_hops(), introduce(service.public), UNKNOWN_KEY)
        if not net.stand_in:
            growth.check("drop_intro_establish", len(wrong), len(wrong))
        # With nothing wrong, over one hop and over two.
        for circuit in (hands.one_hop(), hands.two_hops()):
            service.established(circuit)
            check_ack(hands.two_hops(), introduce(service.public), SUCCESS)
            check(circuit, link.INTRODUCE2)


@case()
def intro_introduce_wrong(net):
    """
    test ──INTRODUCE1──► ramson1 ──► ramson0 ──INTRODUCE2──► test: each answer there is
    """
    service = Service()
    with Hands(net) as hands:
        point = service.established(hands.two_hops())
        for body, status in (
                (introduce(os.urandom(32)), UNKNOWN_KEY),
                (introduce(service.public, legacy=b"\0" * 19 + b"\1"), BAD_FORMAT),
                (os.urandom(INTRODUCE_MAX), BAD_FORMAT),  # version 2 began with a digest
                (introduce(service.public, kind=1), BAD_FORMAT),
                (introduce(service.public)[:54], BAD_FORMAT),
                (introduce(service.public)[:55] + b"\1\1\xff", BAD_FORMAT),
                (introduce(service.public, INTRODUCE_MAX + 1), BAD_FORMAT),
                (introduce(service.public, link.DATA_MAX), BAD_FORMAT)):
            if not (net.stand_in and len(body) > INTRODUCE_MAX):
                check_ack(hands.two_hops(), body, status)
        short, alone = hands.two_hops(), hands.one_hop()
        short.send(link.INTRODUCE1, bytes(19))
        check_closed(short)
        alone.send(link.INTRODUCE1, introduce(service.public))
        check_closed(alone, link.DESTROY_PROTOCOL)
        for length in (57, 246, INTRODUCE_MAX):
            body = introduce(service.public, length)
            visitor = hands.two_hops()
            check_ack(visitor, body, SUCCESS)
            check(point, link.INTRODUCE2, body)  # and nothing of all that was before
            visitor.send(link.INTRODUCE1, introduce(service.public))
            check_closed(visitor)
            if not net.stand_in:
                check_ack(hands.two_hops(), body, UNKNOWN_KEY)  # a replay
        check_alive(point)


@case()
def intro_refused_twice(net):
    """
    a refused INTRODUCE1 and a second one on the same circuit: DESTROY, whatever the second is
    """
    service = Service()
    with Hands(net) as hands:
        point = service.established(hands.one_hop())
        for first, status in ((introduce(os.urandom(32)), UNKNOWN_KEY),
                              (introduce(service.public, legacy=os.urandom(20)), BAD_FORMAT)):
            visitor = hands.two_hops()
            check_ack(visitor, first, status)
            visitor.send(link.INTRODUCE1, introduce(service.public))
            check_closed(visitor)
        check_alive(point)


@case()
def intro_replaced(net):
    """
    a service's second circuit for the same key: the first one goes, and the second is introduced to
    """
    service = Service()
    with Hands(net) as hands:
        first = service.established(hands.one_hop())
        second = service.established(hands.two_hops())
        check_closed(first, link.DESTROY_FINISHED)
        body = introduce(service.public)
        check_ack(hands.two_hops(), body, SUCCESS)
        check(second, link.INTRODUCE2, body)
        # Somebody else's attempt to do that, without the key, changes nothing.
        thief = hands.one_hop()
        stolen = service.establish(second.hops[-1].nonce)
        thief.send(link.ESTABLISH_INTRO, stolen)
        check_closed(thief, link.DESTROY_PROTOCOL)
        check_ack(hands.two_hops(), introduce(service.public), SUCCESS)
        check(second, link.INTRODUCE2)
        second.destroy()
        check_eventually_unknown(hands, service)


def check_eventually_unknown(hands, service):
    """The service's circuit was closed at another relay: that takes a moment to come through."""
    for _ in range(20):
        visitor = hands.two_hops()
        visitor.send(link.INTRODUCE1, introduce(service.public))
        if check(visitor, link.INTRODUCE_ACK)[:2] == struct.pack(">H", UNKNOWN_KEY):
            return
    raise Failure("a service that has gone is still introduced to")


@case()
def intro_rate_of_service(net):
    """
    a service that wants one INTRODUCE2 a second, two at once: of six, two to five come
    """
    def limit(rate, burst):
        parameters = bytes([2]) + struct.pack(">BQBQ", 1, rate, 2, burst)
        return bytes([1, 1, len(parameters)]) + parameters

    def accepted(hands, service, point):
        visitors = [hands.two_hops() for _ in range(6)]
        for visitor in visitors:
            visitor.send(link.INTRODUCE1, introduce(service.public))
        acks = [check(v, link.INTRODUCE_ACK) for v in visitors]
        passed = acks.count(struct.pack(">HB", SUCCESS, 0))
        if passed + acks.count(struct.pack(">HB", UNKNOWN_KEY, 0)) != len(acks):
            raise Failure(f"acknowledgements {acks}")
        for _ in range(passed):
            check(point, link.INTRODUCE2)
        check_alive(point)
        return passed
    with Hands(net) as hands:
        service = Service()
        point = service.established(hands.one_hop(), limit(1, 2))
        least = 1 if net.stand_in else 2
        if not least <= (count := accepted(hands, service, point)) <= 5:
            raise Failure(f"{count} of 6 introductions passed")
        # One that makes no sense means that there is none.
        point = service.established(hands.one_hop(), limit(5, 1))
        if (count := accepted(hands, service, point)) != 6:
            raise Failure(f"{count} of 6 introductions passed")


# ---- rendezvous point

def wait_at(circuit, cookie):
    circuit.send(link.ESTABLISH_RENDEZVOUS, cookie)
    check(circuit, link.RENDEZVOUS_ESTABLISHED, b"")
    return circuit


def join(client, service, cookie=None):
    """The two circuits become one path, on which each finds the other behind the relay."""
    cookie, handshake, material = cookie or os.urandom(20), os.urandom(64), os.urandom(72)
    wait_at(client, cookie)
    service.send(link.RENDEZVOUS1, cookie + handshake)
    check(client, link.RENDEZVOUS2, handshake)
    client.hops.append(link.Hop(material))
    service.hops.append(link.Hop.reversed(material))
    return client, service


def say(speaker, listener, cells=1, early=False):
    for number in range(cells):
        data = struct.pack(">I", number) + os.urandom(link.DATA_MAX - 4)
        speaker.send(link.DATA, data, stream=7, early=early)
        check(listener, link.DATA, data)


def to_the_relay(circuit, command, data=b"", stream=0, early=False):
    """Says something to the relay itself on a circuit that was joined."""
    beyond = circuit.hops.pop()
    circuit.send(command, data, stream, early=early)
    circuit.hops.append(beyond)


def raw(circuit):
    """The body of the next cell, without the layers of the circuit's own hops."""
    _, command, body = circuit.link.receive_for(circuit.circid)
    if command != link.RELAY:
        raise Failure(f"cell {command} came, not RELAY")
    for hop in circuit.hops[:-1]:
        body = hop.backward.update(body)
    return body


@case()
def rendezvous_by_hand(net):
    """
    test ──► ramson1 ──► ramson0 (rendezvous) ◄── ramson1 ◄── test

    Cells both ways, byte for byte; a RELAY_EARLY arrives as RELAY; what nobody recognises goes
    through as well.
    """
    growth = Growth(net.ramsons[0])
    with Hands(net) as hands:
        for client, service in ((hands.two_hops(), hands.two_hops()),
                                (hands.two_hops(), hands.one_hop()),
                                (hands.one_hop(), hands.one_hop())):
            join(client, service)
            say(client, service, early=True)
            say(service, client, early=True)
            for _ in range(50):
                say(client, service)
                say(service, client)
            garbage = os.urandom(link.BODY)
            beyond = client.hops.pop()
            client.link.send(client.wrap(garbage))
            if raw(service) != garbage:
                raise Failure("what nobody recognises did not come through as it was")
            client.hops.append(beyond)
        if not net.stand_in:
            growth.check("rendezvous_joined", 3, 3)
            growth.check("cells_joined", 3 * 102)


@case()
def rendezvous_close(net):
    """
    one of two joined circuits goes, by DESTROY or with its link: the other one goes, too
    """
    with Hands(net) as hands:
        for first in range(2):
            for leave in (lambda c: c.destroy(), lambda c: c.link.close()):
                pair = join(hands.one_hop(), hands.two_hops())
                say(*pair)
                leave(pair[first])
                check_closed(pair[1 - first])
        # One that the relay closes, for a message that is not for a joined circuit.
        for first in range(2):
            pair = join(hands.one_hop(), hands.one_hop())
            to_the_relay(pair[first], link.ESTABLISH_RENDEZVOUS, os.urandom(20))
            check_closed(pair[first], link.DESTROY_PROTOCOL)
            check_closed(pair[1 - first])


@case()
def rendezvous_cookies(net):
    """
    cookies of a wrong length, in use, unknown, nearly right, used up, free again
    """
    def refused(circuit, command, body):
        circuit.send(command, body)
        check_closed(circuit, link.DESTROY_PROTOCOL)

    with Hands(net) as hands:
        for length in (0, 1, 19, 21, 498):
            refused(hands.one_hop(), link.ESTABLISH_RENDEZVOUS, os.urandom(length))
        cookie = os.urandom(20)
        client = wait_at(hands.two_hops(), cookie)
        refused(hands.one_hop(), link.ESTABLISH_RENDEZVOUS, cookie)  # a take-over
        for wrong in (b"", cookie[:19], os.urandom(20), bytes(20), bytes(498),
                      bytes([cookie[0] ^ 1]) + cookie[1:], cookie[:19] + bytes([cookie[19] ^ 128])):
            refused(hands.one_hop(), link.RENDEZVOUS1, wrong)
        service = hands.one_hop()
        service.send(link.RENDEZVOUS1, cookie + b"handshake")
        check(client, link.RENDEZVOUS2, b"handshake")  # and nothing of what was tried before
        refused(hands.one_hop(), link.RENDEZVOUS1, cookie + b"too late")
        # The same client, or another, may wait at it again: on another circuit.
        again = wait_at(hands.one_hop(), cookie)
        again.destroy()
        again.link.create_fast(link.INITIATOR_BIT | 2)  # what was before has been seen to by then
        wait_at(hands.one_hop(), cookie)


@case()
def rendezvous_race(net):
    """
    eight services with the same cookie at once: one is joined, the others are closed
    """
    with Hands(net) as hands:
        cookie = os.urandom(20)
        client = wait_at(hands.one_hop(), cookie)
        services = [hands.one_hop() for _ in range(LINKS)]
        for number, service in enumerate(services):
            service.send(link.RENDEZVOUS1, cookie + bytes([number]))
        winner = check(client, link.RENDEZVOUS2)[0]
        for number, service in enumerate(services):
            if number != winner:
                check_closed(service, link.DESTROY_PROTOCOL)
        material = os.urandom(72)
        client.hops.append(link.Hop(material))
        services[winner].hops.append(link.Hop.reversed(material))
        say(client, services[winner])
        say(services[winner], client)


@case()
def rendezvous_before_join(net):
    """
    a client that speaks to its service before that has come: its circuit is closed, and no other
    """
    with Hands(net) as hands:
        cookie = os.urandom(20)
        client, other = wait_at(hands.one_hop(), cookie), join(hands.one_hop(), hands.two_hops())
        client.hops.append(link.Hop(os.urandom(72)))
        client.send(link.DATA, b"too early", stream=7)
        if client.receive()[0] is not None:
            raise Failure("a cell that nobody recognised was answered")
        late = hands.one_hop()
        late.send(link.RENDEZVOUS1, cookie)
        check_closed(late, link.DESTROY_PROTOCOL)
        say(*other)


@case()
def rendezvous_first_words(net):
    """
    a service that speaks right behind its RENDEZVOUS1: the client hears it
    """
    with Hands(net) as hands:
        for client, service in ((hands.one_hop(), hands.one_hop()),
                                (hands.two_hops(), hands.two_hops())):
            cookie, material = os.urandom(20), os.urandom(72)
            wait_at(client, cookie)
            cells = service.seal(link.RENDEZVOUS1, cookie)
            service.hops.append(link.Hop.reversed(material))
            for number in range(20):
                cells += service.seal(link.DATA, bytes([number]), stream=7)
            service.link.send(cells)
            check(client, link.RENDEZVOUS2, b"")
            client.hops.append(link.Hop(material))
            for number in range(20):
                check(client, link.DATA, bytes([number]))
            say(client, service)


@case()
def onion_roles(net):
    """
    a circuit with a role: EXTEND2, BEGIN_DIR and the messages of other roles on it
    """
    if net.stand_in:
        return  # it extends from anywhere
    relay, beyond = net.ramsons[0], net.target(net.ramsons[1])
    extend = beyond.specifiers() + struct.pack(">HH", link.HANDSHAKE_NTOR, 84) + bytes(84)

    def wrong_messages(circuit):
        nonce = circuit.hops[0].nonce
        return ((link.ESTABLISH_INTRO, Service().establish(nonce)),
                (link.ESTABLISH_RENDEZVOUS, os.urandom(20)),
                (link.RENDEZVOUS1, os.urandom(84)),
                (link.INTRODUCE1, introduce(os.urandom(32))),
                (link.EXTEND2, extend))
    roles = {"introduction": lambda hands: (Service().established(hands.one_hop()),),
             "waiting": lambda hands: (wait_at(hands.one_hop(), os.urandom(20)),),
             "joined client": lambda hands: join(hands.one_hop(), hands.one_hop()),
             "joined service": lambda hands: join(hands.one_hop(), hands.one_hop())[::-1]}
    growth = Growth(relay)
    with Hands(net) as hands:
        for name, make in roles.items():
            def send(circuit, *arguments, **options):
                if len(circuit.hops) > 1:
                    to_the_relay(circuit, *arguments, **options)
                else:
                    circuit.send(*arguments, **options)
            for number in range(5):
                circuit, *partner = make(hands)
                command, body = wrong_messages(circuit)[number]
                send(circuit, command, body, early=command == link.EXTEND2)
                answer = circuit.receive()
                if answer[:2] != (None, link.DESTROY_PROTOCOL):
                    raise Failure(f"{name}: {answer} in answer to relay command {command}")
                if partner:
                    check_closed(partner[0])
            circuit, *partner = make(hands)
            send(circuit, link.BEGIN_DIR, stream=3)
            check(circuit, link.END, bytes([END_NOT_DIRECTORY]))
            if partner:
                say(circuit, partner[0])
    growth.check("drop_onion_role", 4 * 4, 4 * 4)


@case()
def rendezvous_two_workers(net):
    """
    test ══8 circuits══► ramson of two workers (rendezvous) ◄══8 circuits══ test, tor1 on all

    Links are spread over the workers, so some of the pairs cross from one to the other.
    """
    relay = net.add_ramson(workers=2)
    try:
        with Hands(net, relay) as hands:
            pairs = [join(hands.one_hop(), hands.one_hop()) for _ in range(LINKS)]
            all_at_once([lambda p=pair: (say(*p, 100), say(*p[::-1], 100)) for pair in pairs])
            for number, pair in enumerate(pairs):
                pair[number % 2].destroy()
                check_closed(pair[1 - number % 2])
            if net.stand_in:
                return
            both = relay.counters()
            if both["rendezvous_joined"] != LINKS or both["cells_joined"] != LINKS * 200:
                raise Failure(f"{both['cells_joined']} cells on {both['rendezvous_joined']} pairs")
    finally:
        relay.stop()
