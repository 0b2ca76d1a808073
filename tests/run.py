#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the unit, fuzz and network tests that ./test.sh has built; see ./test.sh --help."""

import argparse
import concurrent.futures
import glob
import importlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "network"))

SKIPPED = 77  # the exit status by which a meson test says that it could not run
UNIT_ENVIRONMENT = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
FUZZ_SECONDS = 20  # for each; the environment's FUZZ_SECONDS changes it
FUZZ_ENVIRONMENT = {
    "ASAN_OPTIONS": "quarantine_size_mb=32",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Results:
    """Says which test runs and for how long, and counts."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []
        self.terminal = sys.stdout.isatty()

    def run(self, name, work, limit=600):
        """`work` returns None when the test passed, what went wrong when not, or SKIPPED."""
        start = time.monotonic()
        print(f"{name:<36} ", end="", flush=True)
        with Clock(name, limit, self.terminal):
            try:
                wrong = work()
            except KeyboardInterrupt:
                print("interrupted")
                raise
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
        return self.count(name, wrong, time.monotonic() - start)

    def run_together(self, works):
        """Runs {name: work} on as many threads as there are processors."""
        running = {}

        def one(name):
            running[name] = time.monotonic()
            try:
                wrong = works[name]()
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            return name, wrong, time.monotonic() - running.pop(name)

        pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        waiting = {pool.submit(one, name) for name in works}
        try:
            while waiting:
                done, waiting = concurrent.futures.wait(
                    waiting, 0.5, concurrent.futures.FIRST_COMPLETED)
                self.say_running(None)
                for name, wrong, took in (future.result() for future in done):
                    print(f"{name:<36} ", end="")
                    self.count(name, wrong, took)
                self.say_running(dict(running))
        finally:
            self.say_running(None)
            pool.shutdown(cancel_futures=True)

    def say_running(self, running):
        """What runs at this moment, on a terminal's last line; None clears it."""
        if self.terminal:
            now = time.monotonic()
            text = ", ".join(f"{n} {now - t:.0f} s" for n, t in (running or {}).items())
            print("\r\033[K" + text[:100], end="", flush=True)

    def count(self, name, wrong, seconds):
        took = f"{seconds:7.1f} s"
        if wrong is None:
            self.passed += 1
            print(f"ok      {took}", flush=True)
        elif wrong == SKIPPED:
            self.skipped.append(name)
            print(f"SKIPPED {took}", flush=True)
        else:
            self.failed.append(name)
            print(f"FAILED  {took}", flush=True)
            print("    " + str(wrong).strip().replace("\n", "\n    "), flush=True)
        return wrong is None

    def end(self):
        if self.skipped:
            print(f"skipped, so not passed: {' '.join(self.skipped)}")
        if self.failed:
            print(f"failed: {' '.join(self.failed)}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or self.passed == 0 else 0


class Clock:
    """Keeps the seconds of the running test on the terminal's line, and ends it at its limit.

    A timer's signal does both, so that tests run on the main thread: what a process starts from
    another thread would be ended with that thread (PR_SET_PDEATHSIG).
    """

    def __init__(self, name, limit, terminal):
        self.name, self.limit, self.terminal = name, limit, terminal

    def __enter__(self):
        self.start = time.monotonic()
        signal.signal(signal.SIGALRM, self.tick)
        signal.setitimer(signal.ITIMER_REAL, 1, 1)

    def tick(self, *_):
        passed = time.monotonic() - self.start
        if self.terminal:
            sys.stdout.write(f"\r{self.name:<36} … {passed:5.0f} s")
            sys.stdout.flush()
        if passed > self.limit:
            self.limit += 60  # what cleans up after the test has this long
            raise TimeoutError(f"not done within {passed:.0f} s")

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.terminal:
            sys.stdout.write(f"\r\033[K{self.name:<36} ")


def unit_tests(build):
    """What meson knows of each unit test: name, command, environment, time limit."""
    done = subprocess.run(["meson", "introspect", "--tests", build], capture_output=True,
                          text=True, check=True)
    return sorted(json.loads(done.stdout), key=lambda t: t["name"])


def run_unit(test, build):
    environment = {**os.environ, **UNIT_ENVIRONMENT, **test["env"]}
    try:
        done = subprocess.run(test["cmd"], cwd=test["workdir"] or build, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors="replace",
                              timeout=test["timeout"] or None)
    except subprocess.TimeoutExpired:
        return f"not done within {test['timeout']} s"
    if done.returncode == SKIPPED:
        return SKIPPED
    if done.returncode == 0:
        return None
    lines = done.stdout.splitlines()
    worth = [l for l in lines if re.search(r"\[  ERROR|\[  FAILED|runtime error|Sanitizer", l)]
    shown = lines if len(lines) <= 40 else worth[:10] + ["…"] + lines[-30:]
    return f"status {done.returncode}\n" + "\n".join(shown)


def fuzz_tests():
    """A test for each target that is there: its name, and the parser's as files have it."""
    files = glob.glob(os.path.join(HERE, "fuzz", "fuzz_*.c"))
    parsers = sorted(os.path.basename(path)[len("fuzz_"):-len(".c")] for path in files)
    return {"fuzz-" + parser.replace("_", "-"): parser for parser in parsers}


def run_fuzz(name, parser, build):
    """None, or what libFuzzer found and how to see it again."""
    seconds = int(os.environ.get("FUZZ_SECONDS") or FUZZ_SECONDS)
    binary = os.path.join(build, "tests", "fuzz", name)
    found = tempfile.mkdtemp(prefix=f"ramson-{name}-")
    kept = os.environ.get("FUZZ_CORPUS")
    corpus = os.path.join(kept, parser) if kept else os.path.join(found, "corpus")
    os.makedirs(corpus, exist_ok=True)
    command = [binary, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024",
               f"-artifact_prefix={found}/", "-print_final_stats=1", corpus]
    if seconds == 0:
        command.insert(1, "-runs=0")
    seeds = os.path.join(HERE, "fuzz", "seeds", parser)
    if os.path.isdir(seeds):
        command.append(seeds)
    words = os.path.join(HERE, "fuzz", parser + ".dict")
    if os.path.exists(words):
        command.insert(1, f"-dict={words}")
    try:
        done = subprocess.run(command, env={**os.environ, **FUZZ_ENVIRONMENT}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors="replace", timeout=seconds + 120)
        text, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = str(late.output or ""), "none: it does not end"
    if status == 0:
        shutil.rmtree(found, ignore_errors=True)
        return None
    inputs = sorted(path for path in glob.glob(found + "/*") if os.path.isfile(path))
    lines = [l for l in text.splitlines() if not re.match(r"#\d+\t|INFO: |\tNEW_FUNC|stat::", l)]
    again = [f"to see it again: {binary} {path}" for path in inputs]
    return f"status {status}\n" + "\n".join([*lines[:60], *again])


class SharedNetwork:
    """The private network that the network tests of a kind share, one at a time."""

    def __init__(self, arguments):
        self.arguments, self.network, self.kind = arguments, None, None

    def make(self, kind):
        """Takes the network of another kind down. None, or what went wrong."""
        self.close(False)
        module, _, name = kind.rpartition(".")
        make = getattr(importlib.import_module(module), name)
        self.kind = kind
        self.network = make(binary(self.arguments.debug), binary(self.arguments.release),
                            stand_in=self.arguments.stand_in).__enter__()

    def mend(self):
        """Starts what a test has left dead, so that the next one has a whole network."""
        for relay in self.network.standing:
            if not relay.is_alive():
                relay.restart()

    def close(self, failed):
        if self.network is None:
            return
        self.network.failed = failed
        if failed:
            print(f"the network's logs are in {self.network.logs}")
        self.network.down()
        self.network = None


def binary(build):
    return os.path.abspath(os.path.join(build, "ramson", "ramson")) if build else None


def run_network(case, shared):
    """None, or what went wrong with the ends of ramson's logs."""
    net = shared.network
    shared.mend()
    known = {relay.name: relay.report() for relay in net.ramsons}
    before = {relay.name: relay.drops() for relay in net.standing}
    try:
        case.run(net)
        wrong = None
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
        for relay in net.standing:
            now, then = relay.drops(), before[relay.name]
            grown = {n: v - then.get(n, 0) for n, v in now.items() if v > then.get(n, 0)}
            wrong += f"\n{relay.name} counted meanwhile: {grown}"
    for relay in net.ramsons:
        report = relay.report()
        if report and report != known.get(relay.name):
            wrong = f"{wrong or 'a sanitizer found something'}\n{relay.name}: {report}"
    for relay in net.standing:
        if not relay.is_alive():
            wrong = (f"{wrong or 'the test ended well, but'}\n{relay.name} is gone, "
                     f"status {relay.process.popen.returncode}")
    if wrong:
        wrong += "\n" + net.tails("ramson")
    return wrong


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--debug", required=True, help="build folder with sanitizers")
    parser.add_argument("--fuzz", help="build folder of the fuzz targets")
    parser.add_argument("--release", help="release build folder")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--stand-in", action="store_true",
                        help="a tor relay in ramson's place, to try the tests themselves")
    parser.add_argument("names", nargs="*")
    return parser.parse_args(arguments)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    arguments = parse(sys.argv[1:])
    import cases
    units = {t["name"]: t for t in unit_tests(arguments.debug)}
    networks = {} if arguments.fast else {c.name: c for c in cases.load()}
    fuzzers = fuzz_tests() if arguments.fuzz else {}
    if arguments.list:
        print("\n".join([*units, *fuzzers, *networks]))
        return 0
    chosen = arguments.names or [*units, *fuzzers, *networks]
    results, shared = Results(), SharedNetwork(arguments)
    try:
        results.run_together({name: lambda t=test: run_unit(t, arguments.debug)
                              for name, test in units.items()
                              if name in chosen and test["is_parallel"]})
        for name, test in units.items():
            if name in chosen and not test["is_parallel"]:
                results.run(name, lambda: run_unit(test, arguments.debug))
        results.run_together({name: lambda n=name, p=parser: run_fuzz(n, p, arguments.fuzz)
                              for name, parser in fuzzers.items() if name in chosen})
        wanted = [c for n, c in networks.items() if n in chosen]
        for kind, cases_of_kind in itertools.groupby(wanted, lambda c: c.network):
            run_networks(results, shared, kind, list(cases_of_kind))
    finally:
        shared.close(bool(results.failed))
    return results.end()


def run_networks(results, shared, kind, wanted):
    """The tests of one kind of network. Its making is shown with its time, but is not a test."""
    failed = len(results.failed)
    title = f"({kind.rpartition('.')[2]})"
    if results.run(title, lambda: shared.make(kind), 240):
        results.passed -= 1
        for case in wanted:
            results.run(case.name, lambda: run_network(case, shared), case.timeout)
    else:
        results.failed.remove(title)
        results.failed += [case.name for case in wanted]
    shared.close(len(results.failed) > failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
