// SPDX-License-Identifier: BSD-3-Clause
// The multi-buffer library's manager, made for the CPU that the program runs on. Internal to
// crypto.
#pragma once

#include <intel-ipsec-mb.h>

// NULL without memory, or when the library finds no usable implementation. `*name` is set to static
// storage.
IMB_MGR *mb_manager_create(const char **name);
void mb_manager_destroy(IMB_MGR *mgr); // wipes
