// SPDX-License-Identifier: BSD-3-Clause
// A peer played by hand: hosts[0] is a stack, hosts[1] is the test, which writes segments itself
// and reads those that come back.
#pragma once

#include "sim.h"

enum { HAND_REPLIES_MAX = 64 };

struct hand {
    struct sim *sim;
    struct tcp_stack *stack;
    struct tcp_conn *conn; // as announced by the stack
    unsigned events;       // all that came, together
    unsigned closed;
    enum conn_close_reason reason;
    uint16_t port;       // ours
    uint16_t their_port; // the stack's
    uint32_t seq, ack;   // where a well-behaved peer would be
    uint8_t options[40]; // of every segment that hand_send makes
    uint8_t options_length;
    uint16_t window;
    uint64_t rtt_us; // of the handshake
    struct tcp_header replies[HAND_REPLIES_MAX];
    uint8_t payloads[HAND_REPLIES_MAX][SIM_PACKET_MAX];
    unsigned n_replies;
};

void hand_open(struct hand *hand, const struct sim_options *options);
void hand_close(struct hand *hand);
// Gives the stack a segment at `seq`, acknowledging hand->ack; replies to older ones are forgotten.
void hand_send(struct hand *hand, uint8_t flags, uint32_t seq, const void *payload,
               uint16_t length);
void hand_send_ack(struct hand *hand, uint8_t flags, uint32_t seq, uint32_t ack,
                   const void *payload, uint16_t length);
// Time passes; replies are kept.
void hand_wait(struct hand *hand, uint64_t us);
void hand_forget(struct hand *hand);
// The last reply; fails the test if there is none.
const struct tcp_header *hand_last(struct hand *hand);
// A connection made by the test. `options` go with its SYN.
void hand_accept(struct hand *hand, const uint8_t *options, uint8_t options_length);
