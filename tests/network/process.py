# SPDX-License-Identifier: BSD-3-Clause
"""Child processes with a log each, ended by their process id."""

import ctypes
import os
import signal
import subprocess
import threading
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Failure(Exception):
    """A test's expectation that did not come true."""


def wait_until(condition, timeout, what, interval=0.1):
    """Returns the first true result of `condition`; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(interval)


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


class Process:
    """Runs at once; its output goes to `log`, which grows over restarts.

    Unless `outlives`, the kernel ends it when the thread that started it goes, however that happens.
    """

    def __init__(self, name, command, log, environment=None, outlives=False):
        self.name, self.command, self.log = name, command, log
        self.environment = dict(os.environ, **(environment or {}))
        self.outlives = outlives
        self.popen = None
        self.start()

    def start(self):
        def die_with_parent():
            if not self.outlives:
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True, preexec_fn=die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def is_alive(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        if self.is_alive():
            self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=10):
        """Ends it and returns how many seconds that took; kills it after `timeout`."""
        start = time.monotonic()
        self.send_signal(number)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        return time.monotonic() - start

    def output(self, start=0):
        """What it has printed from byte `start` of its log on."""
        with open(self.log, "rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def output_size(self):
        return os.path.getsize(self.log)

    def cpu_seconds(self):
        """Processor time of all its threads, user and system."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
