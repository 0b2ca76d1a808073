// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion for AVX-512, on CPUs that have none.
#define WIDE_LANES 4
#define WIDE_EMULATED
#include "cgo_wide.h"

extern const struct cgo_implementation cgo_emulated;
const struct cgo_implementation cgo_emulated = {
    .name = "vaes512 emulated",
    .usable = wide_usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
