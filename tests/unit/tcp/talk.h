// SPDX-License-Identifier: BSD-3-Clause
// Two programs that talk over the simulated link: each sends a known stream and checks what it
// gets.
#pragma once

#include "sim.h"

struct talk_end {
    struct tcp_stack *stack;
    struct tcp_conn *conn; // NULL: not there, or gone
    uint64_t to_send;
    uint64_t sent, received;
    uint8_t salt;   // of the stream it sends; the other end's is salt + 1
    bool paused;    // does not read
    bool unchecked; // what it reads may be wrong
    bool records;   // writes as a record layer does: all or nothing, into reserved room
    bool late;      // writes only what tcp_writable lets go at once
    bool patient;   // tries to write again only when TCP_EVENT_WRITABLE says so
    bool told;      // … and it has
    bool close_when_sent;
    bool close_on_fin;
    bool accepted, connected, peer_fin;
    unsigned closed; // times
    unsigned writable_events;
    enum conn_close_reason reason;
};

struct talk {
    struct sim *sim;
    struct talk_end ends[2]; // [host]
};

// hosts[1] listens, hosts[0] connects.
void talk_open(struct talk *talk, struct sim *sim);
void talk_connect(struct talk *talk);
// Runs until the connection is there on both ends.
void talk_establish(struct talk *talk);
void talk_app(struct sim *sim, void *arg);
bool talk_established(void *arg);
bool talk_all_received(void *arg);
bool talk_both_closed(void *arg);
uint8_t talk_byte(uint8_t salt, uint64_t at);
