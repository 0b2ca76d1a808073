# SPDX-License-Identifier: BSD-3-Clause
"""The list of network tests: what the test files register with @case."""

import importlib
import os

FILES = ("test_directory", "test_directory_client", "test_forwarding", "test_relay_crypto", "test_clients",
         "test_process", "test_hostile", "test_interactive", "test_command", "test_streams", "test_dircache",
         "test_onion_hostile", "test_hsdir", "test_end", "test_onion", "test_onion_offline",
         "test_onion_publish", "test_client_bootstrap", "test_origin", "test_onion_client", "test_onion_service", "test_onion_matrix")
CASES = []


class Case:
    def __init__(self, function, timeout, network):
        self.function, self.timeout, self.network = function, timeout, network
        self.name = "network-" + function.__name__.replace("_", "-")

    def run(self, network):
        self.function(network)


def case(timeout=180, network="network.Network"):
    """Registers a test, which is given the network that those of its kind share.

    `network` is a module and a class in it; tests of one kind stand in files that follow each
    other, so that its network is made once.
    """
    def register(function):
        CASES.append(Case(function, timeout, network))
        return function
    return register


def load():
    for name in FILES:
        if os.path.exists(os.path.join(os.path.dirname(__file__), name + ".py")):
            importlib.import_module(name)
    return CASES
