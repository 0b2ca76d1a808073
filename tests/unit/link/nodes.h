// SPDX-License-Identifier: BSD-3-Clause
// Relays without a dataplane: identities, link tables, and connections between them that are queues
// in memory. The fake connection layer carries raw bytes and, from connection_start_tls on, cells
// in the clear, but checks that both ends got the same record keys.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/identity.h"
#include "link/link_internal.h"

struct node {
    struct relay relay;
    struct config config;
    struct identity identity;
    // What connection_dial reaches: the node that accepts, or NULL (refused).
    struct node *reaches;
    struct connection *dialled, *accepted; // the last ones, until closed
    unsigned dials, closes;
};

enum wire_verdict { WIRE_PASS, WIRE_DROP };

struct cell {
    struct link_cell_info info;
    uint8_t body[70000];
    size_t length;
};

// Sees each cell before `to` gets it, and may change it, drop it, or inject others before it.
typedef enum wire_verdict (*wire_tap)(void *user, struct connection *to, struct cell *cell);

struct wire {
    wire_tap tap;
    void *user;
    size_t chunk; // bytes at a time: of raw data, and of variable cells
    uint64_t wall_clock;
    struct {
        struct tls_keys rx, tx;
        uint8_t handshake[8];
        size_t handshake_length;
        unsigned count;
    } rekey; // the last connection_rekey
    uint8_t last_alert;
    enum conn_close_reason last_close;
};
extern struct wire wire;

void wire_reset(void);
// Nodes share one loop; call once for each.
void node_init(struct node *node, uint32_t ipv4);
// A pure client, which has no identity.
void node_init_client(struct node *node, uint32_t ipv4);
void node_release(struct node *node);
void identity_make(struct identity *identity, time_t now);
void identity_release(struct identity *identity);

// `from` asks for a link to `to`, whose addresses and identities are right. The rest by `wire_run`.
void target_of(const struct node *to, struct link_target *target);
// Delivers all that is under way.
void wire_run(void);
// For taps: gives the receiver a cell now, before the one under way, or instead of it (the tap then
// returns WIRE_DROP). If `logged`, the sender's log is made to be as if it had sent it.
void wire_inject(struct connection *to, uint8_t command, uint32_t circid, const uint8_t *body,
                 size_t length, bool logged, bool instead);
// A connection without TLS, ready for cells; closed by wire_close_all.
struct connection *wire_bare(struct node *node, bool initiator);
// Raw bytes that came next, for a bare connection that is put back to TLS.
void wire_give_raw(struct connection *c, const uint8_t *bytes, size_t length);
struct link *link_of(struct connection *c);
// Closes the connections of both nodes and lets that happen.
void wire_close_all(void);
time_t test_wall_clock(void);
