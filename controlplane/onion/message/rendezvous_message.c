// SPDX-License-Identifier: BSD-3-Clause
// What a service says to a client through a rendezvous point, and how relays are named to each
// other.
#include <string.h>

#include <sodium.h>

#include "base/cursor.h"
#include "circuit/extend.h"
#include "crypto/random.h"
#include "onion/message/introduce.h"

size_t rendezvous1_make(const uint8_t cookie[RENDEZVOUS_COOKIE_LEN],
                        const uint8_t service_public[32], const uint8_t auth[32],
                        uint8_t out[RENDEZVOUS1_LEN])
{
    struct writer w = writer_of(out, RENDEZVOUS1_LEN);
    write_bytes(&w, cookie, RENDEZVOUS_COOKIE_LEN);
    write_bytes(&w, service_public, 32);
    write_bytes(&w, auth, 32);
    random_bytes(w.at, (size_t)(w.end - w.at));
    return RENDEZVOUS1_LEN;
}

bool rendezvous2_read(const uint8_t *body, size_t length, uint8_t service_public[32],
                      uint8_t auth[32])
{
    struct reader r = reader_of(body, length);
    read_into(&r, service_public, 32);
    read_into(&r, auth, 32);
    return !r.failed;
}

// ---- link specifiers

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
