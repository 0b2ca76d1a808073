// SPDX-License-Identifier: BSD-3-Clause
// A kernel for tests only.
#pragma once

#include "curve25519_batch_internal.h"

extern const struct curve25519_kernel curve25519_emulated;
