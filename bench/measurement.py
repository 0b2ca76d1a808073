# SPDX-License-Identifier: BSD-3-Clause
"""What the measurements between real relays have in common: progress, ends, what is printed."""

import json
import signal
import subprocess
import sys
import time

from process import Failure


class Say:
    """Progress on stderr, with the seconds since the start."""

    def __init__(self):
        self.start = time.monotonic()

    def __call__(self, text):
        print(f"[{time.monotonic() - self.start:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(measure, options, table):
    """Measures, and prints the table or the JSON object. Returns the result; a failure ends it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    say = Say()
    try:
        result = measure(options, say)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    except (Failure, OSError, RuntimeError) as error:
        say(f"failed: {error}")
        sys.exit(1)
    print(json.dumps(result, indent=2) if options.json else table(result))
    return result


def machine(options):
    """What ramson-bench says of it."""
    return json.loads(subprocess.run([options.bench, "machine", "--json"], capture_output=True,
                                     text=True, check=True).stdout)
