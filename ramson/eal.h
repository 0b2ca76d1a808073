// SPDX-License-Identifier: BSD-3-Clause
// Starting and ending DPDK's environment as the configuration says. Main thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

// Lcore 0 is the control thread, lcore 1 + i is worker i: so a machine may have more cpus than DPDK
// knows lcores.
enum { EAL_CONTROL_LCORE = 0, EAL_FIRST_WORKER_LCORE = 1 };

// Takes memory and devices. ports[i] becomes the ethdev port of the config's interface i. The
// caller's thread becomes the control thread: it runs on dataplane.control from here on. False with
// `error` filled in; then nothing is left running, but a process can try only once.
// DPDK's own log lines don't reach standard error.
bool eal_start(const struct config *config, uint16_t ports[CONFIG_INTERFACES_MAX],
               struct config_error *error);
void eal_stop(void);
