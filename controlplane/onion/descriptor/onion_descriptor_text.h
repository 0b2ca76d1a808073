// SPDX-License-Identifier: BSD-3-Clause
// The two texts inside a descriptor: the middle one, which has the clients' lines and the inner
// layer, and the inner one, which has the introduction points (protocol 8.18–8.22; rend-spec-v3
// 2.5.1, 2.5.2). Pure but for random numbers; any thread.
//
// Texts that are read have been decrypted, hold no NUL, and end in a newline.
#pragma once

#include "base/cursor.h"
#include "netdoc/tokens.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/descriptor/onion_descriptor_layer.h"

enum { DESCRIPTOR_CLIENTS_MULTIPLE = 16, DESCRIPTOR_CERT_LIFETIME_S = 54 * 3600 };

// ---- middle

// Without the newline after its last line, as it is written everywhere. Clients and random lines
// that hide their number, in random order. `cookie` matters only if there are clients.
void descriptor_middle_write(struct writer *w, const struct descriptor_keys *keys,
                             const uint8_t cookie[DESCRIPTOR_COOKIE_LEN], const uint8_t *sealed,
                             size_t sealed_length);
// Bytes that it needs at most.
size_t descriptor_middle_size(unsigned n_clients, size_t sealed_length);

struct descriptor_middle {
    struct text encrypted; // base64 of the inner layer
    bool has_cookie;       // the client is one of those that are authorised
    uint8_t cookie[DESCRIPTOR_COOKIE_LEN];
};

// 0, -EINVAL, or -ENOMEM. `client_secret` may be NULL.
__attribute__((warn_unused_result)) int descriptor_middle_read(struct text text,
                                                               const uint8_t subcredential[32],
                                                               const uint8_t *client_secret,
                                                               struct descriptor_middle *out);

// ---- inner

void descriptor_inner_write(struct writer *w, const struct onion_descriptor *d,
                            const struct ed25519_key *signing, uint64_t now_s);
size_t descriptor_inner_size(unsigned n_intro_points);
// What is in the inner text is set in `out`. `signing` signs certificates. 0, or -EINVAL.
__attribute__((warn_unused_result)) int descriptor_inner_read(struct text text,
                                                              const uint8_t signing[32],
                                                              uint64_t now_s,
                                                              struct onion_descriptor *out);

// ---- one introduction point

void descriptor_intro_point_write(struct writer *w, const struct onion_intro_point *point,
                                  const struct ed25519_key *signing, uint32_t expires_hours);
// -EINVAL: it is malformed, or of no use.
__attribute__((warn_unused_result)) int descriptor_intro_point_read(struct text text,
                                                                    const uint8_t signing[32],
                                                                    uint64_t now_s,
                                                                    struct onion_intro_point *out);
