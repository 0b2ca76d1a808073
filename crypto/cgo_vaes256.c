// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with 256-bit AES and carry-less multiplication: two blocks to an
// instruction.
#define WIDE_LANES 2
#include "cgo_wide.h"

const struct cgo_implementation cgo_vaes256 = {
    .name = "vaes256",
    .usable = wide_usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
