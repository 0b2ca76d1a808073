// SPDX-License-Identifier: BSD-3-Clause
// The cell cipher for AVX-512, on CPUs that have none.
#define WIDE_LANES 4
#define WIDE_EMULATED
#include "cell_cipher_long.h"
#include "cell_cipher_wide.h"

extern const struct ctr_implementation ctr_emulated;
const struct ctr_implementation ctr_emulated = {
    .name = "vaes512 emulated",
    .usable = wide_usable,
    .run = ctr_run,
    .run_long = ctr_run_long,
};
