#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An onion service and its visitor, both C tor or both ramson, in turn in one private network, in a
# namespace of its own: throughput, CPU per GB, introductions answered. Installs what is needed, builds,
# measures, takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. bench/between_relays.sh

benchmark=yes measure compare_onion.py "$@"
