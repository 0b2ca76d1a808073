// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with AES-NI and PCLMULQDQ: one block to an instruction.
#define WIDE_LANES 1
#include "cgo_wide.h"

const struct cgo_implementation cgo_aesni = {
    .name = "aesni",
    .usable = wide_usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
