// SPDX-License-Identifier: BSD-3-Clause
// A relay from start to orderly end.
#pragma once

#include "config/config.h"

// Runs on the caller's thread, the main one, until SIGINT or SIGTERM. SIGUSR1 prints counters.
// Returns the process's exit status; what kept it from starting has been said on standard error.
int run_relay(const struct config *config);
