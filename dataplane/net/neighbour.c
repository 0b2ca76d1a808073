// SPDX-License-Identifier: BSD-3-Clause
// A worker's neighbour table: bounded, set-associative, and slow to believe what nobody asked.
#include "net/internal.h"

#include <string.h>

enum {
    ASK_AGAIN_US = 1000000,
    ASK_LATER_US = 100000, // when asking was put off by the rate limit
    TRIES = 3,
    KNOWN_US = 60 * 1000000,
    FAILED_US = 1000000,
};

static struct neighbour *set_of(struct net_worker *w, unsigned port, uint32_t address)
{
    uint32_t hash = (address ^ w->net->steer_key ^ port << 28) * UINT32_C(0x9e3779b1);
    return w->neighbours[hash >> 16 & (NET_NEIGHBOUR_SETS - 1)];
}

static struct neighbour *find(struct net_worker *w, unsigned port, uint32_t address)
{
    struct neighbour *set = set_of(w, port, address);
    for (unsigned i = 0; i < NET_NEIGHBOUR_WAYS; i++)
        if (set[i].address == address && set[i].port == port && set[i].state != NEIGHBOUR_FREE)
            return &set[i];
    return NULL;
}

static void set_deadline(struct net_worker *w, struct neighbour *n, uint64_t deadline_us)
{
    n->deadline_us = deadline_us;
    if (deadline_us < w->next_scan_us)
        w->next_scan_us = deadline_us;
}

static void ask(struct net_worker *w, struct neighbour *n)
{
    bool quietly = n->state == NEIGHBOUR_REFRESHING && n->tries == 0;
    if (!arp_ask(w, n->port, n->address, quietly ? &n->mac : NULL)) {
        set_deadline(w, n, w->now_us + ASK_LATER_US);
        return;
    }
    n->tries++;
    set_deadline(w, n, w->now_us + ASK_AGAIN_US);
}

// Packets that wait are never driven out, and the gateway only when nothing else can be.
static unsigned eviction_rank(const struct net_worker *w, const struct neighbour *n)
{
    if (n->state == NEIGHBOUR_FREE)
        return 4;
    if (n->state == NEIGHBOUR_FAILED)
        return 3;
    if (n->state == NEIGHBOUR_ASKING)
        return 0;
    return n->address == w->net->ports[n->port].gateway ? 1 : 2;
}

static struct neighbour *take(struct net_worker *w, unsigned port, uint32_t address,
                              unsigned min_rank)
{
    struct neighbour *set = set_of(w, port, address), *best = NULL;
    unsigned best_rank = 0;
    for (unsigned i = 0; i < NET_NEIGHBOUR_WAYS; i++) {
        unsigned rank = eviction_rank(w, &set[i]);
        if (rank < min_rank || rank < best_rank)
            continue;
        if (rank > best_rank || set[i].used_us < best->used_us) {
            best = &set[i];
            best_rank = rank;
        }
    }
    if (best)
        *best = (struct neighbour){.address = address, .port = (uint8_t)port, .used_us = w->now_us};
    return best;
}

static void hold(struct net_worker *w, struct neighbour *n, struct rte_mbuf *m)
{
    if (n->n_held == NET_NEIGHBOUR_HELD) { // the oldest has the least left to say
        net_drop(n->held[0], &w->counters->drop_no_route);
        memmove(n->held, n->held + 1, (NET_NEIGHBOUR_HELD - 1) * sizeof(n->held[0]));
        n->n_held--;
        w->held--;
    }
    if (w->held == NET_HELD_MAX) {
        net_drop(m, &w->counters->drop_no_route);
        return;
    }
    n->held[n->n_held++] = m;
    w->held++;
}

void neighbour_send(struct net_worker *w, unsigned port, uint32_t next_hop, struct rte_mbuf *m)
{
    struct neighbour *n = find(w, port, next_hop);
    if (!n) {
        n = take(w, port, next_hop, 1);
        if (!n) {
            net_drop(m, &w->counters->drop_no_route);
            return;
        }
        n->state = NEIGHBOUR_ASKING;
        ask(w, n);
    }
    n->used_us = w->now_us;
    if (n->state == NEIGHBOUR_KNOWN || n->state == NEIGHBOUR_REFRESHING)
        ethernet_output(w, port, m, &n->mac, RTE_ETHER_TYPE_IPV4);
    else if (n->state == NEIGHBOUR_ASKING)
        hold(w, n, m);
    else
        ipv4_failed(w, m);
}

static void learn(struct net_worker *w, struct neighbour *n, const struct rte_ether_addr *mac)
{
    n->mac = *mac;
    n->state = NEIGHBOUR_KNOWN;
    n->tries = 0;
    set_deadline(w, n, w->now_us + KNOWN_US);
    for (unsigned i = 0; i < n->n_held; i++)
        ethernet_output(w, n->port, n->held[i], &n->mac, RTE_ETHER_TYPE_IPV4);
    w->held -= n->n_held;
    n->n_held = 0;
}

void neighbour_heard(struct net_worker *w, unsigned port, uint32_t address,
                     const struct rte_ether_addr *mac, bool answer)
{
    struct neighbour *n = find(w, port, address);
    if (!n) {
        // Who asks for us is about to send, and will want an answer. It drives nobody out.
        if (!answer && (n = take(w, port, address, 3)))
            learn(w, n, mac);
        return;
    }
    bool same = rte_is_same_ether_addr(&n->mac, mac);
    bool known = n->state == NEIGHBOUR_KNOWN || n->state == NEIGHBOUR_REFRESHING;
    if (!known || (answer ? n->state == NEIGHBOUR_REFRESHING : same)) {
        learn(w, n, mac);
    } else if (!answer && n->state == NEIGHBOUR_KNOWN) {
        n->state = NEIGHBOUR_REFRESHING; // it says that it has moved: ask everyone
        n->tries = 1;
        ask(w, n);
    }
}

static void fail(struct net_worker *w, struct neighbour *n)
{
    for (unsigned i = 0; i < n->n_held; i++)
        ipv4_failed(w, n->held[i]);
    w->held -= n->n_held;
    n->n_held = 0;
    n->state = NEIGHBOUR_FAILED;
    set_deadline(w, n, w->now_us + FAILED_US);
}

static void deadline_due(struct net_worker *w, struct neighbour *n)
{
    switch (n->state) {
    case NEIGHBOUR_ASKING:
        if (n->tries >= TRIES)
            fail(w, n);
        else
            ask(w, n);
        return;
    case NEIGHBOUR_KNOWN:
        if (w->now_us - n->used_us < KNOWN_US) {
            n->state = NEIGHBOUR_REFRESHING;
            ask(w, n);
        } else {
            n->state = NEIGHBOUR_FREE;
        }
        return;
    case NEIGHBOUR_REFRESHING:
        if (n->tries >= TRIES)
            n->state = NEIGHBOUR_FREE; // the next packet asks again
        else
            ask(w, n);
        return;
    default:
        n->state = NEIGHBOUR_FREE;
    }
}

void neighbour_advance(struct net_worker *w)
{
    if (w->now_us < w->next_scan_us)
        return;
    w->next_scan_us = UINT64_MAX;
    struct neighbour *all = w->neighbours[0];
    for (unsigned i = 0; i < NET_NEIGHBOUR_SETS * NET_NEIGHBOUR_WAYS; i++) {
        if (all[i].state != NEIGHBOUR_FREE && all[i].deadline_us <= w->now_us)
            deadline_due(w, &all[i]);
        if (all[i].state != NEIGHBOUR_FREE && all[i].deadline_us < w->next_scan_us)
            w->next_scan_us = all[i].deadline_us;
    }
}

void neighbour_clear(struct net_worker *w)
{
    struct neighbour *all = w->neighbours[0];
    for (unsigned i = 0; i < NET_NEIGHBOUR_SETS * NET_NEIGHBOUR_WAYS; i++) {
        rte_pktmbuf_free_bulk(all[i].held, all[i].n_held);
        all[i] = (struct neighbour){0};
    }
    w->held = 0;
}
