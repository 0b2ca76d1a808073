// SPDX-License-Identifier: BSD-3-Clause
// The CREATE_FAST handshake (tor-spec 5.1.6), both sides. Any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CREATE_FAST_LEN = 20, CREATED_FAST_LEN = 40, CREATE_FAST_KEYS_MAX = 512 };

// `reply` is Y | KH; KH (the circuit's nonce) is the second half, and not part of `key_out`.
// 0, or -EINVAL when key_length is above CREATE_FAST_KEYS_MAX.
__attribute__((warn_unused_result)) int create_fast_server(const uint8_t skin[CREATE_FAST_LEN],
                                                           uint8_t reply[CREATED_FAST_LEN],
                                                           uint8_t *key_out, size_t key_length);
// `skin` is what the client sent: CREATE_FAST_LEN random bytes. 0, or -EPROTO (KH is wrong), or
// -EINVAL.
__attribute__((warn_unused_result)) int create_fast_client(const uint8_t skin[CREATE_FAST_LEN],
                                                           const uint8_t reply[CREATED_FAST_LEN],
                                                           uint8_t *key_out, size_t key_length);
