// SPDX-License-Identifier: BSD-3-Clause
// Workers without a network, their peers, and the control thread's end of their channels.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/channel.h"
#include "fake_stack.h"
#include "worker.h"

enum { RIG_MESSAGES_MAX = 4096, RIG_CELLS = 8192 };

struct rig {
    unsigned n;
    struct worker *workers;
    struct channel channels[2];
    struct rte_mempool *cells;
    struct message *inbox[RIG_MESSAGES_MAX]; // what the workers told, oldest first
    unsigned inbox_length;
};

void rig_eal(void); // once
struct rig *rig_create(unsigned n_workers);
struct rig *rig_create_for(unsigned n_workers, unsigned max_circuits);
// Checks that every cell and message is back in its pool.
void rig_destroy(struct rig *rig);
// Turns until nothing is left to do.
void rig_run(struct rig *rig);
struct message *rig_message(struct rig *rig, unsigned worker, enum message_type type);
void rig_send(struct rig *rig, struct message *m);
// Takes the oldest message of this type out of the inbox; fails the test if there is none. The
// caller frees it.
struct message *rig_expect(struct rig *rig, enum message_type type);
void rig_expect_closed(struct rig *rig, struct handle end, uint8_t reason, bool by_peer);
bool rig_has(const struct rig *rig, enum message_type type);
void rig_clear_inbox(struct rig *rig);

// A link's other end.
struct peer_link {
    struct rig *rig;
    unsigned worker;
    struct tcp_conn *tcp;
    struct handle conn;
    struct record_aead *aead;
    struct record_key seal, open;
    uint8_t *plain; // opened, not yet taken
    size_t plain_length;
};

// A link with its handshake done: raw → records → open.
struct peer_link *peer_link_accepted(struct rig *rig, unsigned worker);
struct peer_link *peer_link_dialled(struct rig *rig, unsigned worker);
// The first step of it, for a link that is made by hand.
void peer_link_start_records(struct peer_link *link);
void peer_link_free(struct peer_link *link);
void peer_send(struct peer_link *link, const void *plaintext, size_t length); // one record
void peer_send_cell(struct peer_link *link, uint32_t circid, uint8_t command, const void *body,
                    size_t length);
struct peer_cell {
    uint32_t circid;
    uint8_t command;
    uint8_t body[CELL_BODY_LEN];
};
// False when no whole cell is there.
bool peer_receive_cell(struct peer_link *link, struct peer_cell *out);
void peer_expect_cell(struct peer_link *link, struct peer_cell *out, uint8_t command);
void peer_expect_destroy(struct peer_link *link, uint32_t circid, uint8_t reason);
