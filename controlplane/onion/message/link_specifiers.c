// SPDX-License-Identifier: BSD-3-Clause
// Link specifiers, of hops and to them.
#include "onion/message/link_specifiers.h"

#include <string.h>

#include <sodium.h>

#include "base/cursor.h"
#include "circuit/extend.h"
#include "circuit/own_circuit.h"

size_t link_specifiers_of(const struct own_circuit_hop *hop, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    extend_write_target(&hop->target, true, true, &w);
    return w.failed ? 0 : writer_length(&w);
}

bool link_specifiers_hop(const uint8_t *specifiers, size_t length, const uint8_t onion_key[32],
                         bool private_allowed, struct own_circuit_hop *out)
{
    struct reader r = reader_of(specifiers, length);
    *out = (struct own_circuit_hop){.has_ntor_key = true};
    memcpy(out->ntor_key, onion_key, sizeof(out->ntor_key));
    return extend_read_target(&r, &out->target) && reader_done(&r) &&
           !sodium_is_zero(onion_key, 32) && extend_filter_addresses(&out->target, private_allowed);
}

size_t link_specifiers_length(const uint8_t *bytes, size_t length)
{
    static const uint8_t lengths[] = {4 + 2, 16 + 2, 20, 32}; // of the kinds that we know
    struct reader r = reader_of(bytes, length);
    for (unsigned n = read_u8(&r); n > 0 && !r.failed; n--) {
        uint8_t type = read_u8(&r);
        uint8_t has = read_u8(&r);
        read_bytes(&r, has);
        r.failed |= type < sizeof(lengths) && has != lengths[type];
    }
    return r.failed ? 0 : length - reader_left(&r);
}
