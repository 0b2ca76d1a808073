// SPDX-License-Identifier: BSD-3-Clause
// Visiting onion services: the descriptor, the rendezvous point, the introduction, and a circuit on
// which streams begin (protocol 9.33–9.39). Control thread only.
//
// What isolates requests from each other keeps them on circuits of their own, to the rendezvous and
// to the introduction point. What is known of a service (its descriptor, introduction points that
// failed) is known to all, as in C tor; each request to a directory has a circuit of its own.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "origin/stream/app_stream.h"

struct origin;
struct origin_circuit;
struct onion_client;

// NULL: with one line in `error` (keys of client authorisation that can't be read).
struct onion_client *onion_client_create(struct origin *origin, char *error,
                                         unsigned long error_size);
void onion_client_free(struct onion_client *c); // after streams, before circuits; NULL is fine
void onion_client_tick(struct onion_client *c); // each second
void onion_client_network_changed(struct onion_client *c);
void onion_client_new_identity(struct onion_client *c); // forgets descriptors and circuits

// SOCKS5's extended errors (9.29).
enum onion_failure {
    ONION_NO_FAILURE = 0,
    ONION_DESCRIPTOR_NOT_FOUND = 0xf0,
    ONION_DESCRIPTOR_INVALID = 0xf1,
    ONION_INTRODUCTION_FAILED = 0xf2,
    ONION_RENDEZVOUS_FAILED = 0xf3,
    ONION_AUTH_MISSING = 0xf4,
    ONION_AUTH_WRONG = 0xf5,
    ONION_ADDRESS_BAD = 0xf6,
    ONION_INTRODUCTION_TIMEOUT = 0xf7,
};
const char *onion_failure_text(enum onion_failure failure); // for people

enum onion_outlook {
    ONION_FOUND,  // *out stands, joined with the service: the stream may begin on it
    ONION_WAIT,   // it is being looked for; app_streams_look is called when something has changed
    ONION_FAILED, // *failure says why
};
// For a request whose host is an onion address (key in `identity`), which waits since then
// (origin_now_ms): what failed before is tried again for it.
enum onion_outlook onion_client_find(struct onion_client *c, const struct app_request *request,
                                     const uint8_t identity[32], uint64_t since_ms,
                                     struct origin_circuit **out, enum onion_failure *failure);
// A stream has begun on it; it ended for a reason that says that the circuit is no good any more.
void onion_client_attached(struct onion_client *c, struct origin_circuit *oc);
void onion_client_failed(struct onion_client *c, struct origin_circuit *oc);
// What a request that has waited for too long is waiting for.
enum onion_failure onion_client_blame(const struct onion_client *c,
                                      const struct app_request *request,
                                      const uint8_t identity[32]);
// A proof of work is asked for, which takes its time: the request may wait longer than others.
bool onion_client_takes_longer(const struct onion_client *c, const uint8_t identity[32]);
