// SPDX-License-Identifier: BSD-3-Clause
// What a service says to a client through a rendezvous point.
#include "base/cursor.h"
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
