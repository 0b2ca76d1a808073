// SPDX-License-Identifier: BSD-3-Clause
// The peer of hand.h.
#include "hand.h"

#include <string.h>

// A packet buffer around `bytes`, for the stack's own parser.
static void parse(const uint8_t *bytes, size_t length, struct tcp_header *out)
{
    struct rte_mbuf m = {.buf_addr = (void *)(uintptr_t)bytes,
                         .data_len = (uint16_t)length,
                         .pkt_len = (uint32_t)length};
    assert_true(tcp_header_parse(&m, out));
}

static void take(struct sim *sim, unsigned host, const uint8_t *bytes, size_t length)
{
    struct hand *hand = sim->take_arg;
    (void)host;
    assert_true(hand->n_replies < HAND_REPLIES_MAX);
    struct tcp_header *h = &hand->replies[hand->n_replies];
    parse(bytes, length, h);
    memcpy(hand->payloads[hand->n_replies++], bytes + h->header_length, h->length);
}

static void take_events(struct sim *sim, void *arg)
{
    struct hand *hand = arg;
    struct tcp_event event;

    (void)sim;
    while (tcp_next_event(hand->stack, &event)) {
        hand->events |= event.events;
        hand->conn = event.conn;
        if (!(event.events & TCP_EVENT_CLOSED))
            continue;
        hand->closed++;
        hand->reason = event.reason;
        hand->conn = NULL;
    }
}

void hand_open(struct hand *hand, const struct sim_options *options)
{
    struct sim_options o = *options;
    struct address local = sim_address(0, SIM_PORT);

    o.only_first = true;
    *hand = (struct hand){.sim = sim_open(&o), .port = 40000, .seq = 1000000, .window = 65535};
    hand->stack = hand->sim->hosts[0].stack;
    hand->their_port = SIM_PORT;
    hand->sim->take = take;
    hand->sim->take_arg = hand;
    hand->sim->app = take_events;
    hand->sim->app_arg = hand;
    hand->sim->paths[0].delay_us = 0;
    assert_int_equal(tcp_listen(hand->stack, &local), 0);
}

void hand_close(struct hand *hand)
{
    sim_close(hand->sim);
}

void hand_forget(struct hand *hand)
{
    hand->n_replies = 0;
}

void hand_send_ack(struct hand *hand, uint8_t flags, uint32_t seq, uint32_t ack,
                   const void *payload, uint16_t length)
{
    uint8_t packet[SIM_PACKET_MAX];
    struct sim_segment s = {
        .from_ip = SIM_IP(1),
        .to_ip = SIM_IP(0),
        .from_port = hand->port,
        .to_port = hand->their_port,
        .seq = seq,
        .ack = ack,
        .flags = flags,
        .window = hand->window,
        .options_length = hand->options_length,
        .payload = payload,
        .payload_length = length,
    };
    memcpy(s.options, hand->options, sizeof(s.options));
    hand_forget(hand);
    sim_inject(hand->sim, 0, packet, sim_write(packet, &s));
    hand_wait(hand, 0);
}

void hand_send(struct hand *hand, uint8_t flags, uint32_t seq, const void *payload, uint16_t length)
{
    hand_send_ack(hand, flags, seq, flags & TCP_ACK ? hand->ack : 0, payload, length);
}

void hand_wait(struct hand *hand, uint64_t us)
{
    sim_run(hand->sim, us);
}

const struct tcp_header *hand_last(struct hand *hand)
{
    if (hand->n_replies == 0)
        fail_msg("no answer");
    return &hand->replies[hand->n_replies - 1];
}

static void set_options(struct hand *hand, const uint8_t *options, uint8_t length)
{
    if (length)
        memcpy(hand->options, options, length);
    hand->options_length = length;
}

void hand_accept(struct hand *hand, const uint8_t *options, uint8_t options_length)
{
    set_options(hand, options, options_length);
    hand_send(hand, TCP_SYN, hand->seq, NULL, 0);
    const struct tcp_header *answer = hand_last(hand);
    assert_int_equal(answer->flags, TCP_SYN | TCP_ACK);
    assert_int_equal(answer->ack, ++hand->seq);
    hand->ack = answer->seq + 1;
    set_options(hand, NULL, 0);
    hand_wait(hand, hand->rtt_us);
    hand_send(hand, TCP_ACK, hand->seq, NULL, 0);
    assert_int_equal(hand->events, TCP_EVENT_ACCEPTED);
    assert_non_null(hand->conn);
}
