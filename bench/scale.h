// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench scale`: what a cell costs, and how much memory there is, as links and circuits
// grow.
#pragma once

#include "relay.h"

// Runs `program relay` for each point, some rounds of all of them. `options` bounds links and
// circuits (0: 10,000 and 500,000), and says how many rounds. Exit status of the program.
int bench_scale(const char *program, const struct relay_options *options);
