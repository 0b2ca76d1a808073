// SPDX-License-Identifier: BSD-3-Clause
// What a configuration asks of this machine, checked before anything is started. Main thread only.
#pragma once

#include <sched.h>
#include <stdbool.h>

#include "config/config.h"

// Each: true, or false and `error` says which key asks for what isn't there, and what to do.

// The cpus exist and this process may run on them.
bool host_check_cpus(const struct config *config, struct config_error *error);
// The cpus that helper threads run on, and how many may be busy at a time: dataplane.helpers, or of
// the cpus that this process may use those that no worker has, four threads at most. If there are
// none, one thread on the control thread's.
unsigned host_helper_cpus(const struct config *config, cpu_set_t *cpus);
// data_directory can be read and written, or made.
bool host_check_data_directory(const struct config *config, struct config_error *error);
// Enough free huge pages, or enough free memory where the configuration wants none.
bool host_check_memory(const struct config *config, struct config_error *error);
// The devices exist as far as the kernel knows them, and this process may use them.
bool host_check_devices(const struct config *config, struct config_error *error);

// Makes data_directory (its last part only, mode 0700), and finds out whether a relay, be it C
// tor's, is using it. The lock is taken with the keys (identity/identity.h); to know it before DPDK
// starts spares a long wait and a late complaint.
bool host_prepare_data_directory(const struct config *config, struct config_error *error);

// "0000:03:00.0" or "03:00.0", with or without ",arguments".
bool host_device_is_pci(const char *device);
