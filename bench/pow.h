// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench pow`: what solving and checking proofs of work takes.
#pragma once

#include <stdbool.h>

// Exit status of the program.
int bench_pow(bool json, const char *report);
