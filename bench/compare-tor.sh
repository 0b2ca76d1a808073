#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# CPU seconds per GB: Debian's tor and ramson in turn as the middle relay of one private network, in
# a namespace of its own. Installs what is needed, builds, measures, takes everything down.
set -u
here=$PWD
cd "$(dirname "$0")/.." || exit 2
. bench/between_relays.sh

benchmark=yes measure compare_tor.py --directory "$here" "$@"
