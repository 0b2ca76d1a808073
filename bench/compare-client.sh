#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# C tor's client and ramson's in turn in one private network, in a namespace of its own: time to
# bootstrap, to the first byte, throughput, CPU per GB. Installs what is needed, builds, measures,
# takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. bench/between_relays.sh

benchmark=yes measure compare_client.py "$@"
