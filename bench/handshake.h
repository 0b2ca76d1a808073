// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench handshake`: onion skins that one core answers in a second.
#pragma once

#include <stdbool.h>

// Exit status of the program.
int bench_handshake(unsigned rounds, bool json, const char *report);
