#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A ramson full of onion services' descriptors, up to its memory bound and beyond, while it forwards,
# in a namespace of its own. Installs what is needed, builds, measures, takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. bench/between_relays.sh

measure hsdir_load.py "$@"
