// SPDX-License-Identifier: BSD-3-Clause
// Circuits that are ready before somebody asks (protocol 9.23), and which of them may carry a
// stream (9.30). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "origin/stream/app_stream.h"

struct circuit_pool;
struct origin;
struct origin_circuit;

struct circuit_pool *circuit_pool_create(struct origin *origin); // NULL: no memory
void circuit_pool_free(struct circuit_pool *pool);               // NULL is fine
// Builds what is predicted to be needed, closes what is old.
void circuit_pool_tick(struct circuit_pool *pool);
// The best open circuit for this request, or NULL; then one is on its way if it can be
// (app_streams_look is called when it stands). `not_exits`: those that refused it.
struct origin_circuit *circuit_pool_find(struct circuit_pool *pool,
                                         const struct app_request *request,
                                         const uint8_t (*not_exits)[20], unsigned n_not_exits);
// The stream begins on it: from now on only streams with equal isolation may.
void circuit_pool_attach(struct circuit_pool *pool, struct origin_circuit *oc,
                         const struct app_request *request);
// It is no good for new streams any more.
void circuit_pool_retire(struct circuit_pool *pool, struct origin_circuit *oc);
// Streams from now on use none of the circuits there are (NEWNYM).
void circuit_pool_new_identity(struct circuit_pool *pool);
bool app_isolation_equal(const struct app_request *a, const struct app_request *b);
