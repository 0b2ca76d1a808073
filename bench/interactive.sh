#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Round trips of somebody who types behind others' bulk circuits on a full link, with ramson and
# with Debian's tor in turn as the middle relay of one private network, in a namespace of its own.
# Installs what is needed, builds, measures, takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. bench/between_relays.sh

measure interactive_latency.py "$@"
