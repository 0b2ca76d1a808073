# SPDX-License-Identifier: BSD-3-Clause
"""The six steps of an onion service, as the service and its visitor tell them in their logs while they
happen: each with the relays that play its parts.

Both are ramson, with "log": {"level": "debug"}.
"""

import contextlib
import re
import threading
import time

TITLES = ("introduction points", "descriptor", "lookup", "introduction", "rendezvous", "conversation")
LOOK_S, TIME_LENGTH = 0.05, len("Jan 01 00:00:00.000")


class Step:
    """Something that happened in one of the steps (1 to 6), and at what second."""

    def __init__(self, number, at, text):
        self.number, self.at, self.text = number, at, text


class SixSteps:
    """Reads on in both logs until `stop`. What happens is told to `tell`, and kept for a picture:

    intro      {introduction point: the service's circuit to it}
    uploads    {directory: the service's circuit to it}
    fetch      the visitor's circuit to the directory that had the descriptor
    asked      its circuit to an introduction point
    meeting    (its circuit to the rendezvous point, the service's circuit to it)

    A circuit is a list of nicknames, the guard first.
    """

    def __init__(self, host, visitor, names, tell):
        self.names = {fingerprint[:8].upper(): name for name, fingerprint in names.items()}
        self.tell, self.start = tell, time.monotonic()
        self.steps, self.intro, self.uploads, self.candidates = [], {}, {}, {}
        self.fetch, self.asked, self.visitor_rend, self.host_rend = [], [], [], []
        self.last = {}  # circuits that opened last, by side and purpose
        self.stopping = threading.Event()
        sides = ((host, self.host_patterns()), (visitor, self.visitor_patterns()))
        self.thread = threading.Thread(target=self._follow, args=(sides,), daemon=True)
        self.thread.start()

    @property
    def meeting(self):
        return self.visitor_rend, self.host_rend

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def note(self, number, text):
        step = Step(number, time.monotonic() - self.start, text)
        self.steps.append(step)
        self.tell(step)

    # ---- what they say

    def host_patterns(self):
        return {
            r"circuit is open \((\w+)\):(.*)": lambda p, r: self._opened("host", p, r),
            r"introduction point (\S+) is established \((\d+) of (\d+)\)": self._established,
            r"descriptor for period (\d+) is at (\d+) of (\d+) directories": self._published,
            r"an introduction came by (\S+), for a rendezvous at (\S+)": self._came,
            r"joined with a visitor at ([^\s:]+)": self._joined,
        }

    def visitor_patterns(self):
        return {
            r"circuit is open \(([\w ]+)\):(.*)": lambda p, r: self._opened("visitor", p, r),
            r"the descriptor is here": self._found,
            r"the rendezvous point is ready": self._ready,
            r"the introduction has gone to its point": self._asked,
            r"the service has come to the rendezvous point": self._met,
        }

    def _opened(self, side, purpose, relays):
        path = [self.names.get(r, r) for r in relays.upper().split()]
        self.last[side, purpose] = path
        if (side, purpose) == ("host", "hsdir"):
            self.uploads[path[-1]] = path
        if (side, purpose) == ("host", "intro"):
            self.candidates[path[-1]] = path

    def _path(self, side, purpose):
        return self.last.get((side, purpose), [])

    def _established(self, name, count, of):
        path = self.intro[name] = self.candidates.get(name, [name])
        self.note(1, f"{name} is introduction point {count} of {of}: {way('service', path)}")

    def _published(self, period, count, of):
        if count == of:
            self.note(2, f"the descriptor for time period {period} is at its {of} directories; so far "
                      f"there are descriptors at {', '.join(self.uploads)}")

    def _found(self):
        self.fetch = self._path("visitor", "hsdir")
        self.note(3, f"directory {self.fetch[-1] if self.fetch else '?'} has the descriptor: "
                  f"{way('visitor', self.fetch)}")

    def _ready(self):
        self.visitor_rend = self._path("visitor", "client rendezvous")
        self.note(3, f"{self.visitor_rend[-1] if self.visitor_rend else '?'} is the rendezvous point: "
                  f"{way('visitor', self.visitor_rend)}")

    # Its acknowledgement may come later than the service itself.
    def _asked(self):
        self.asked = self._path("visitor", "client intro")
        self.note(4, f"introduction point {self.asked[-1] if self.asked else '?'} is asked to pass the "
                  f"introduction on: {way('visitor', self.asked)}")

    def _came(self, point, rendezvous):
        self.note(4, f"the service reads it: by {point}, for a rendezvous at {rendezvous}")

    def _joined(self, rendezvous):
        self.host_rend = self._path("host", "rendezvous")
        self.note(5, f"the service comes to {rendezvous}: {way('service', self.host_rend)}")

    def _met(self):
        self.note(5, "the visitor has the service's answer: keys agree")

    # ---- reading

    def _follow(self, sides):
        """Both logs, their new lines in the order of their times."""
        with contextlib.ExitStack() as stack:
            logs = [Log(stack.enter_context(open(process.log, errors="replace")), patterns)
                    for process, patterns in sides]
            ending = False
            while not ending:
                ending = self.stopping.wait(LOOK_S)
                lines = [(line, log) for log in logs for line in log.lines()]
                for line, log in sorted(lines, key=lambda pair: pair[0][:TIME_LENGTH]):
                    log.take(line)


class Log:
    """A log that grows: what is done at lines in which a pattern is found."""

    def __init__(self, file, patterns):
        self.file, self.rest = file, ""
        self.patterns = [(re.compile(pattern), act) for pattern, act in patterns.items()]

    def lines(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        return lines

    def take(self, line):
        for pattern, act in self.patterns:
            if match := pattern.search(line):
                act(*match.groups())


def way(begin, path):
    return " → ".join([begin, *path])
