// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of onion services that tests make up: whole, signed, of any size, and wrong in any
// way that is asked for. Written after the specification, by code of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"

struct sample {
    struct ed25519_key blinded;
    struct ed25519_key signing;
    uint64_t revision;
    unsigned lifetime_min;
    uint32_t expires_hours;
    uint8_t cert_type;
    size_t size;              // of the whole text, about; 0: as small as may be
    const char *first;        // lines instead of "hs-descriptor 3\n"
    const char *before_end;   // lines before the signature
    const char *after_end;    // lines after it
    const char *signed_under; // NULL: what the specification says
    bool no_embedded_key;
    bool certified_by_other; // than the key that is embedded
};

// Good ones; `n` tells them apart. Valid on `now_s`.
struct sample sample_of(unsigned n, uint64_t now_s);
// malloc'd, with its NUL; `*length` does not count it.
char *sample_write(const struct sample *s, size_t *length);
