// SPDX-License-Identifier: BSD-3-Clause
// Packets as TCP needs them: making, sending without payload, and chains of received ones.
#include <rte_memcpy.h>
#include <rte_mempool.h>

#include "tcp/internal.h"

// The packet that comes after the next ones is on its way into the cache when its turn comes.
static void prefetch_packet(struct rte_mempool *packets)
{
    enum { AHEAD = 16 }; // a few records: packets are taken for a whole one at a time
    const struct rte_mempool_cache *cache = rte_mempool_default_cache(packets, rte_lcore_id());
    if (!cache || cache->len <= AHEAD)
        return;
    const struct rte_mbuf *m = cache->objs[cache->len - 1 - AHEAD];
    __builtin_prefetch(m, 1);
    __builtin_prefetch(&m->next, 1); // the second cache line
}

struct rte_mbuf *tcp_packet_new(struct tcp_stack *stack)
{
    prefetch_packet(stack->config.packets);
    struct rte_mbuf *m = rte_pktmbuf_alloc(stack->config.packets);
    if (!m)
        stack->counters->drop_no_packet++;
    return m;
}

bool tcp_packet_send_control(struct tcp_stack *stack, const struct tcp_outgoing *header)
{
    struct rte_mbuf *m = tcp_packet_new(stack);
    if (!m)
        return false;
    uint16_t length = tcp_header_length(header);
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, length);
    if (!at) {
        rte_pktmbuf_free(m);
        return false;
    }
    tcp_header_write(at, header, 0);
    m->l2_len = 0;
    m->l3_len = TCP_IP_HEADER_LEN;
    m->l4_len = (uint8_t)(length - TCP_IP_HEADER_LEN);
    stack->env.transmit(stack->env.ctx, m);
    return true;
}

struct rte_mbuf *tcp_chain_trim_front(struct rte_mbuf *head, uint32_t length, unsigned *freed)
{
    while (head && head->data_len <= length) {
        struct rte_mbuf *next = head->next;
        length -= head->data_len;
        rte_pktmbuf_free_seg(head);
        ++*freed;
        head = next;
    }
    if (head) {
        head->data_off = (uint16_t)(head->data_off + length);
        head->data_len = (uint16_t)(head->data_len - length);
    }
    return head;
}

struct rte_mbuf *tcp_chain_trim_back(struct rte_mbuf *head, uint32_t length, unsigned *freed)
{
    struct rte_mbuf *last = head;
    while (last->next && last->data_len < length) {
        length -= last->data_len;
        last = last->next;
    }
    if (last->data_len > length)
        last->data_len = (uint16_t)length;
    *freed += tcp_chain_free(last->next);
    last->next = NULL;
    return last;
}

unsigned tcp_chain_free(struct rte_mbuf *head)
{
    unsigned count = 0;
    while (head) {
        struct rte_mbuf *next = head->next;
        rte_pktmbuf_free_seg(head);
        head = next;
        count++;
    }
    return count;
}

struct rte_mbuf *tcp_chain_tail(struct rte_mbuf *head, unsigned *count)
{
    *count = 1;
    while (head->next) {
        head = head->next;
        ++*count;
    }
    return head;
}

// Many small segments must not hold a large buffer each.
struct rte_mbuf *tcp_chain_append(struct rte_mbuf *tail, struct rte_mbuf *chain, unsigned *freed)
{
    if (!chain->next && chain->data_len <= TCP_COPY_MAX && RTE_MBUF_DIRECT(tail) &&
        rte_mbuf_refcnt_read(tail) == 1 && rte_pktmbuf_tailroom(tail) >= chain->data_len) {
        rte_memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len),
                   rte_pktmbuf_mtod(chain, const uint8_t *), chain->data_len);
        tail->data_len = (uint16_t)(tail->data_len + chain->data_len);
        rte_pktmbuf_free_seg(chain);
        ++*freed;
        return tail;
    }
    tail->next = chain;
    unsigned count;
    return tcp_chain_tail(chain, &count);
}
