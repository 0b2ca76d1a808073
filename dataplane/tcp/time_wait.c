// SPDX-License-Identifier: BSD-3-Clause
// TIME-WAIT (RFC 9293, 3.6.1): a small record answers for a connection that is gone. When records
// run out, the oldest gives way.
#include <errno.h>
#include <stdlib.h>

#include "tcp/internal.h"

enum { TIME_WAITS_MAX = 65536 };

int tcp_time_wait_create(struct tcp_stack *stack)
{
    stack->waits_max = RTE_MIN(stack->config.max_connections, (uint32_t)TIME_WAITS_MAX);
    stack->waits = calloc(stack->waits_max, sizeof(*stack->waits));
    stack->wait_table = calloc(stack->table_mask + 1, sizeof(*stack->wait_table));
    TAILQ_INIT(&stack->wait_ages);
    TAILQ_INIT(&stack->wait_free);
    return stack->waits && stack->wait_table ? 0 : -ENOMEM;
}

void tcp_time_wait_destroy(struct tcp_stack *stack)
{
    free(stack->waits);
    free(stack->wait_table);
}

static void wait_end(struct tcp_stack *stack, struct tcp_time_wait *wait)
{
    LIST_REMOVE(wait, hash_link);
    TAILQ_REMOVE(&stack->wait_ages, wait, age_link);
    TAILQ_INSERT_HEAD(&stack->wait_free, wait, age_link);
}

static struct tcp_time_wait *wait_take(struct tcp_stack *stack)
{
    if (TAILQ_EMPTY(&stack->wait_free)) {
        if (stack->waits_touched < stack->waits_max)
            return &stack->waits[stack->waits_touched++];
        wait_end(stack, TAILQ_FIRST(&stack->wait_ages));
    }
    struct tcp_time_wait *wait = TAILQ_FIRST(&stack->wait_free);
    TAILQ_REMOVE(&stack->wait_free, wait, age_link);
    return wait;
}

static void wait_restart(struct tcp_stack *stack, struct tcp_time_wait *wait)
{
    wait->expires_at = stack->now + TCP_TIME_WAIT_US;
    TAILQ_INSERT_TAIL(&stack->wait_ages, wait, age_link);
}

void tcp_time_wait_begin(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    struct tcp_time_wait *wait = wait_take(stack);

    *wait = (struct tcp_time_wait){
        .local_ip = conn->local_ip,
        .remote_ip = conn->remote_ip,
        .local_port = conn->local_port,
        .remote_port = conn->remote_port,
        .snd_nxt = conn->snd_nxt,
        .rcv_nxt = conn->rcv_nxt,
        .ts_offset = conn->ts_offset,
        .ts_recent = conn->ts_recent,
        .challenge_ms = conn->challenge_ms,
        .window = (uint16_t)RTE_MIN(stack->config.receive_window_bytes >> conn->rcv_shift,
                                    (uint32_t)UINT16_MAX),
        .timestamps = conn->timestamps,
    };
    uint32_t bucket =
        tcp_bucket(stack, conn->local_ip, conn->local_port, conn->remote_ip, conn->remote_port);
    LIST_INSERT_HEAD(&stack->wait_table[bucket], wait, hash_link);
    wait_restart(stack, wait);
    tcp_conn_end(conn, CONN_CLOSE_DONE);
}

struct tcp_time_wait *tcp_time_wait_find(struct tcp_stack *stack, uint32_t bucket,
                                         uint32_t local_ip, uint16_t local_port, uint32_t remote_ip,
                                         uint16_t remote_port)
{
    struct tcp_time_wait *wait;
    LIST_FOREACH(wait, &stack->wait_table[bucket], hash_link)
    {
        if (wait->remote_ip == remote_ip && wait->remote_port == remote_port &&
            wait->local_port == local_port && wait->local_ip == local_ip)
            return wait;
    }
    return NULL;
}

void tcp_time_wait_expire(struct tcp_stack *stack)
{
    struct tcp_time_wait *wait;
    while ((wait = TAILQ_FIRST(&stack->wait_ages)) && wait->expires_at <= stack->now)
        wait_end(stack, wait);
}

static void wait_ack(struct tcp_stack *stack, struct tcp_time_wait *wait)
{
    struct tcp_outgoing header = {
        .local_ip = wait->local_ip,
        .remote_ip = wait->remote_ip,
        .local_port = wait->local_port,
        .remote_port = wait->remote_port,
        .seq = wait->snd_nxt,
        .ack = wait->rcv_nxt,
        .flags = TCP_ACK,
        .window_shift = -1,
        .window = wait->window,
        .has_timestamp = wait->timestamps,
        .timestamp = tcp_ms(stack) + wait->ts_offset,
        .timestamp_echo = wait->ts_recent,
    };
    tcp_packet_send_control(stack, &header);
}

bool tcp_time_wait_input(struct tcp_stack *stack, struct tcp_time_wait *wait,
                         const struct tcp_header *header, uint32_t *iss)
{
    if (header->flags & TCP_RST)
        return true; // RFC 1337
    bool newer = wait->timestamps && header->has_timestamp
                     ? seq_lt(wait->ts_recent, header->timestamp)
                     : seq_lt(wait->rcv_nxt, header->seq);
    if ((header->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && newer) {
        // RFC 6191, and RFC 9293, 3.6.1: numbers go on well after the old ones.
        *iss = wait->snd_nxt + 65536 + (stack->env.random(stack->env.ctx) & UINT16_MAX);
        wait_end(stack, wait);
        return false;
    }
    if (header->flags & TCP_FIN && header->seq + header->length + 1 == wait->rcv_nxt) {
        TAILQ_REMOVE(&stack->wait_ages, wait, age_link);
        wait_restart(stack, wait);
    } else if (header->length == 0 && header->seq == wait->rcv_nxt) {
        return true; // nothing to say to a mere ACK
    } else if (tcp_ms(stack) - wait->challenge_ms < TCP_CHALLENGE_INTERVAL_MS) {
        return true;
    }
    wait->challenge_ms = tcp_ms(stack);
    wait_ack(stack, wait);
    return true;
}
