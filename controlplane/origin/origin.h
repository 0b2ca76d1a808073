// SPDX-License-Identifier: BSD-3-Clause
// The origin's side: what makes this process a client of the network. It knows the relays (node/),
// chooses paths (path/) that begin at its guards (guard/), builds circuits on them (circuit/),
// keeps some ready (pool/), carries applications' streams (stream/), which come in by SOCKS
// (socks/), and remembers what must outlive it (state/). Control thread only.
//
// relay->origin is NULL for a relay that is nobody's client.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relay;
struct state_file;
struct node_list;
struct guards;
struct vanguards;
struct origin_circuits;
struct circuit_pool;
struct app_streams;
struct socks_server;
struct onion_client;
struct onion_services;
struct petname_book;

struct origin {
    struct relay *relay;
    struct state_file *state;
    struct node_list *nodes;
    struct guards *guards;
    struct vanguards *vanguards;
    struct origin_circuits *circuits;
    struct circuit_pool *pool;
    struct app_streams *streams;
    struct socks_server *socks;
    struct onion_client *onion_client;     // visits onion services (onion/client/)
    struct onion_services *onion_services; // are served here (onion/service/); NULL: none
    struct petname_book *petnames;         // onion/petname/
};

// Reads the state file and begins. NULL: with one line in `error`.
struct origin *origin_create(struct relay *relay, char *error, unsigned long error_size);
// Before the circuits and the links. The loop must run once more. NULL is fine.
void origin_free(struct origin *origin);
// Each second.
void origin_tick(struct origin *origin);
// Another consensus is in force, or more microdescriptors are there. NULL is fine.
void origin_network_changed(struct origin *origin);
// A clock that never jumps: that of streams (stream/circuit_streams.h).
uint64_t origin_now_ms(const struct origin *origin);
// Enough is known of the network to build circuits (9.12). When not, `why` (may be NULL) is set to
// a constant text.
bool origin_may_build(const struct origin *origin, const char **why);
