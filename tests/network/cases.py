# SPDX-License-Identifier: BSD-3-Clause
"""The list of network tests: what the test files register with @case."""

import importlib
import os

FILES = ("test_directory", "test_forwarding", "test_clients", "test_process", "test_hostile",
         "test_command")
CASES = []


class Case:
    def __init__(self, function, needs_network, timeout):
        self.function, self.needs_network, self.timeout = function, needs_network, timeout
        self.name = function.__name__.replace("_", "-")

    def run(self, context):
        self.function(context)


def case(network=True, timeout=180):
    """Registers a test. Its argument is the shared Network: or, without `network`, the folder
    of the build (a test of the command alone, which needs no root)."""
    def register(function):
        CASES.append(Case(function, network, timeout))
        return function
    return register


def load():
    for name in FILES:
        if os.path.exists(os.path.join(os.path.dirname(__file__), name + ".py")):
            importlib.import_module(name)
    return CASES
