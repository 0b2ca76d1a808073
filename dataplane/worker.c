// SPDX-License-Identifier: BSD-3-Clause
// A worker's loop: receive, open, cells, seal, transmit; and sleep when there is nothing to do.
#include "worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "command.h"
#include "crypto/cell_cipher.h"
#include "crypto/cgo.h"
#include "crypto/record_aead.h"

enum {
    COMMANDS_PER_TURN = 64,
    IDLE_TURNS_BEFORE_SLEEP = 64,
    SLEEP_MAX_US = 500000,
    BURSTS_PER_TURN = 4,
    BURST_IS_FULL = NET_BURST * 3 / 4, // more waits, probably
    NOTIFY_AFTER_US = 100,
    ACK_GATHER_US = 50,
    TCP_RECEIVE_WINDOW_BYTES = 1 << 20,
    TCP_SEND_BUFFER_BYTES = 1 << 20,
    // The most that flow control lets wait in one place, with much to spare: 1000 DATA cells where
    // the window is fixed (CIRCWINDOW), and with congestion control what its Vegas takes for a
    // queue that is too long, a few hundred. Cells that no window counts come on top: END, SENDME,
    // padding (protocol 5.01; the consensus may say otherwise).
    CIRCUIT_QUEUE_DEFAULT_CELLS = 2500,
    CIRCUIT_QUEUE_MIN_CELLS = 50,
};

static uint64_t tsc_us(void)
{
    const uint64_t million = 1000000;
    uint64_t hz = rte_get_tsc_hz();
    uint64_t cycles = rte_rdtsc();
    return cycles / hz * million + cycles % hz * million / hz;
}

static uint64_t cpu_time_cycles(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    const double ns_per_s = 1e9;
    return (uint64_t)(((double)t.tv_sec + (double)t.tv_nsec / ns_per_s) * (double)rte_get_tsc_hz());
}

uint64_t worker_cycles(const struct worker *w)
{
    return unlikely(w->cpu_time_cycles) ? cpu_time_cycles() : rte_rdtsc();
}

static uint64_t env_now_us(void *ctx)
{
    const struct worker *w = ctx;
    return w->now_us;
}

static uint32_t env_random(void *ctx)
{
    struct worker *w = ctx;
    return (uint32_t)worker_random(w);
}

static void env_transmit(void *ctx, struct rte_mbuf *packet)
{
    struct worker *w = ctx;
    net_transmit(w->net_worker, packet);
}

static bool env_port_is_ours(void *ctx, const struct address *local, const struct address *remote)
{
    const struct worker *w = ctx;
    return net_owns(w->net_worker, local, remote);
}

static void unreachable(void *ctx, const struct address *local, const struct address *remote)
{
    struct worker *w = ctx;
    tcp_unreachable(w->tcp, local, remote);
}

uint64_t worker_random(struct worker *w)
{
    return random_stream_u64(&w->random);
}

static uint32_t queue_limit(uint32_t configured, uint32_t parameter)
{
    if (configured)
        return configured;
    if (parameter == 0)
        return CIRCUIT_QUEUE_DEFAULT_CELLS;
    if (parameter < CIRCUIT_QUEUE_MIN_CELLS)
        return CIRCUIT_QUEUE_MIN_CELLS;
    return parameter > INT32_MAX ? INT32_MAX : parameter;
}

void worker_set_parameters(struct worker *w, const struct worker_parameters *p)
{
    uint32_t out = p->queue_max_cells_out ? p->queue_max_cells_out : p->queue_max_cells;
    scheduler_set_half_life(&w->scheduler, p->priority_half_life_ms, w->now_us);
    w->queue_max_cells[false] = queue_limit(w->circuit_queue_max_cells, out);
    w->queue_max_cells[true] = queue_limit(w->circuit_queue_max_cells, p->queue_max_cells);
}

static int smallest_mtu(const struct dataplane_config *config)
{
    int mtu = UINT16_MAX;
    for (unsigned i = 0; i < config->n_interfaces; i++)
        if (config->interfaces[i].mtu < mtu)
            mtu = config->interfaces[i].mtu;
    return mtu;
}

static int fail(char *error, size_t error_size, unsigned index, const char *what)
{
    snprintf(error, error_size,
             "worker %u: no memory for %s: raise dataplane.memory_mb or lower the pool sizes",
             index, what);
    return -ENOMEM;
}

int worker_init(struct worker *w, const struct dataplane_config *config,
                struct rte_mempool *packets, char *error, size_t error_size)
{
    uint32_t links = config->max_links / config->n_workers + 1;
    // Two ends for each circuit: one towards its origin, and its stub or the one away from it.
    uint32_t ends = 2 * (config->max_circuits / config->n_workers + 1);
    TAILQ_INIT(&w->receiving);
    TAILQ_INIT(&w->paused);
    TAILQ_INIT(&w->transmitting);
    TAILQ_INIT(&w->closing);
    TAILQ_INIT(&w->stalled);
    TAILQ_INIT(&w->dead);
    TAILQ_INIT(&w->link_stalled);
    TAILQ_INIT(&w->reports);
    // All workers together hold at most half of what the control thread has.
    w->held_messages_max = w->channel->down_pool->size / (2 * w->n_workers);
    shed_init(w);
    early_init(w);
    random_stream_init(&w->random);
    w->now_us = tsc_us();
    struct record_aead *aead = record_aead_create();
    w->tls = (struct tls_worker){.aead = aead, .counters = &w->counters};
    w->cipher = cell_cipher_create();
    w->cgo = cgo_cipher_create();
    if (!aead || !w->cipher || !w->cgo)
        return fail(error, error_size, w->index, "the ciphers (or the CPU has no AES-NI)");
    if (conn_table_init(&w->conns, links) != 0)
        return fail(error, error_size, w->index, "links");
    if (end_table_init(&w->ends, ends) != 0 || scheduler_init(&w->scheduler, ends, w->now_us) != 0)
        return fail(error, error_size, w->index, "circuits");
    if (hop_pool_init(&w->hops, config->max_circuits / config->n_workers + 1) != 0)
        return fail(error, error_size, w->index, "hops of circuits");
    const struct worker_parameters defaults = {0};
    worker_set_parameters(w, &defaults);
    if (batch_init(&w->batch) != 0)
        return fail(error, error_size, w->index, "the staging area");
    struct tcp_config tcp = {
        .env = {w, env_now_us, env_random, env_transmit, env_port_is_ours},
        .packets = packets,
        .counters = &w->counters,
        .max_packets = config->max_packets / config->n_workers,
        .max_connections = links,
        .mtu = (uint16_t)smallest_mtu(config),
        .receive_window_bytes = TCP_RECEIVE_WINDOW_BYTES,
        .send_buffer_bytes = TCP_SEND_BUFFER_BYTES,
        .ack_gather_us = ACK_GATHER_US,
    };
    w->tcp = tcp_stack_create(&tcp);
    if (!w->tcp)
        return fail(error, error_size, w->index, "TCP connections");
    w->net_worker = net_worker(w->net, w->index);
    net_worker_set_counters(w->net_worker, &w->counters);
    net_worker_set_unreachable(w->net_worker, unreachable, w);
    return 0;
}

void worker_release(struct worker *w)
{
    crossing_release(w);
    while (w->held) {
        struct message *m = w->held;
        w->held = m->next;
        channel_free(m);
    }
    while (w->refused) {
        struct message *m = w->refused;
        w->refused = m->next;
        channel_free(m);
    }
    random_stream_clear(&w->random);
    hops_drop_sending(w);
    early_release(w);
    batch_release(&w->batch);
    if (w->tcp)
        tcp_stack_destroy(w->tcp);
    conn_table_release(&w->conns);
    end_table_release(&w->ends);
    hop_pool_release(&w->hops);
    scheduler_release(&w->scheduler);
    cell_cipher_destroy(w->cipher);
    cgo_cipher_destroy(w->cgo);
    record_aead_destroy((struct record_aead *)(uintptr_t)w->tls.aead);
}

// Commands are taken off their ring before the peers' cells are, and carried out after them: what
// another worker sent before the control thread spoke has then arrived (a layer, for one).
static unsigned take_messages(struct worker *w)
{
    struct message *commands[COMMANDS_PER_TURN];
    if (w->early.n)
        early_look(w);
    unsigned n_commands = channel_receive_down(w->channel, commands, COMMANDS_PER_TURN);
    unsigned work = n_commands + crossing_receive(w, n_commands > 0);
    for (unsigned i = 0; i < n_commands; i++)
        command_execute(w, commands[i]);
    hops_flush(w);
    if (w->early.n)
        work += early_settle(w, n_commands < COMMANDS_PER_TURN);
    crossing_flush(w);
    return work;
}

static unsigned take_events(struct worker *w)
{
    struct tcp_event event;
    unsigned n = 0;
    for (; tcp_next_event(w->tcp, &event); n++)
        conn_event(w, &event);
    return n;
}

// What joins the list meanwhile waits for the next turn.
static unsigned receive_connections(struct worker *w)
{
    struct conn *last = TAILQ_LAST(&w->receiving, conn_list);
    struct conn *c;
    unsigned n = 0;
    while (last && (c = TAILQ_FIRST(&w->receiving))) {
        conn_receive(w, c);
        n++;
        if (c == last)
            break;
    }
    batch_run(w);
    return n;
}

static unsigned transmit_connections(struct worker *w)
{
    struct conn *last = TAILQ_LAST(&w->transmitting, conn_list);
    struct conn *c;
    unsigned n = 0;
    while (last && (c = TAILQ_FIRST(&w->transmitting))) {
        conn_transmit(w, c);
        n++;
        if (c == last)
            break;
    }
    return n;
}

// The control thread is woken when a burst is over, or has taken long: once, and for all of it.
static void wake_control(struct worker *w, bool busy)
{
    if (!busy || !w->channel->up_notify) {
        w->notify_since_us = 0;
    } else if (w->notify_since_us == 0) {
        w->notify_since_us = w->now_us;
        return;
    } else if (w->now_us - w->notify_since_us < NOTIFY_AFTER_US) {
        return;
    }
    w->notify_since_us = 0;
    channel_notify_up(w->channel);
}

static void send_reports(struct worker *w, bool busy)
{
    command_send_refusals(w);
    drained_send_owed(w);
    end_send_reports(w); // before the connections: a circuit ends before its link
    if (TAILQ_EMPTY(&w->reports))
        conn_send_reports(w);
    wake_control(w, busy);
    for (unsigned i = 0; w->woken_peers; i++, w->woken_peers >>= 1)
        if (w->woken_peers & 1)
            channel_wake_worker(w->workers[i].channel);
}

// Where a turn's cycles went. They count as busy only if there was something to do.
struct turn_clock {
    uint64_t began, last;
    uint64_t rx, tcp_in, cells, tls_seal, tx;
};

static void stage_done(const struct worker *w, struct turn_clock *clock, uint64_t *stage)
{
    uint64_t now = worker_cycles(w);
    *stage = now - clock->last;
    clock->last = now;
}

static void count_cycles(struct counters *count, const struct turn_clock *clock, uint64_t opening,
                         bool busy)
{
    if (!busy) {
        count->cycles_idle += clock->last - clock->began;
        return;
    }
    count->cycles_busy += clock->last - clock->began;
    count->cycles_rx += clock->rx;
    count->cycles_tcp_in += clock->tcp_in;
    // Counted where records are opened, and always by the clock on the wall.
    count->cycles_cells += clock->cells > opening ? clock->cells - opening : 0;
    count->cycles_tls_seal += clock->tls_seal;
    count->cycles_tx += clock->tx;
}

// As long as the port has full bursts, some are taken in a row: the fuller a turn, the more cells
// find place in a record and in a packet.
static unsigned take_packets(struct worker *w, struct turn_clock *clock)
{
    struct rte_mbuf *packets[NET_BURST];
    unsigned work = 0, n = NET_BURST;
    for (unsigned i = 0; i < BURSTS_PER_TURN && n >= BURST_IS_FULL; i++) {
        uint64_t rx, tcp_in;
        n = net_receive(w->net_worker, w->now_us, packets, NET_BURST);
        work += n + net_was_busy(w->net_worker);
        stage_done(w, clock, &rx);
        tcp_input(w->tcp, packets, n);
        stage_done(w, clock, &tcp_in);
        clock->rx += rx;
        clock->tcp_in += tcp_in;
    }
    return work;
}

unsigned worker_turn(struct worker *w)
{
    uint64_t began = worker_cycles(w);
    struct turn_clock clock = {.began = began, .last = began};
    w->now_us = tsc_us();
    scheduler_advance(&w->scheduler, w->now_us);

    uint64_t rest;
    unsigned work = take_packets(w, &clock);
    work += take_messages(w);
    if (w->held)
        command_run_held(w);
    net_advance(w->net_worker, w->now_us);
    work += take_events(w);
    stage_done(w, &clock, &rest);
    clock.tcp_in += rest;
    uint64_t opening = w->counters.cycles_tls_open;
    tell_resume(w);
    work += receive_connections(w);
    stage_done(w, &clock, &clock.cells);
    work += transmit_connections(w);
    shed_turn(w); // of what could not go out
    conn_end_slow_closings(w);
    tcp_advance(w->tcp); // so late that one ACK says all: what was read, and goes with what is sent
    stage_done(w, &clock, &clock.tls_seal);
    net_flush(w->net_worker);
    send_reports(w, work > 0);
    stage_done(w, &clock, &clock.tx);
    count_cycles(&w->counters, &clock, w->counters.cycles_tls_open - opening, work > 0);
    return work;
}

static bool has_waiting_work(const struct worker *w)
{
    return !TAILQ_EMPTY(&w->receiving) || !TAILQ_EMPTY(&w->paused) ||
           !TAILQ_EMPTY(&w->transmitting) || !TAILQ_EMPTY(&w->reports) || !TAILQ_EMPTY(&w->dead) ||
           w->refused || w->drained.owed || w->early.n > 0;
}

static void sleep_until_needed(struct worker *w)
{
    uint64_t began = worker_cycles(w);
    tcp_flush_acks(w->tcp);
    net_flush(w->net_worker);
    uint64_t next = tcp_next_timer_us(w->tcp);
    uint64_t now = tsc_us();
    uint64_t timeout_us = next <= now ? 0 : next - now;
    if (timeout_us > SLEEP_MAX_US)
        timeout_us = SLEEP_MAX_US;
    if (timeout_us == 0)
        return;
    // The flag first, then another look: whoever adds something after it sees the flag.
    atomic_store(&w->channel->worker_sleeps, 1);
    atomic_thread_fence(memory_order_seq_cst); // the rings' own loads are not ordered after it
    if (crossing_is_idle(w) && rte_ring_empty(w->channel->down)) {
        w->counters.sleeps++;
        net_sleep(w->net_worker, w->channel->down_fd, timeout_us);
    }
    atomic_store(&w->channel->worker_sleeps, 0);
    w->counters.cycles_idle += worker_cycles(w) - began;
}

int worker_run(void *arg)
{
    struct worker *w = arg;
    while (!w->stopping) {
        bool busy = worker_turn(w) > 0 || has_waiting_work(w);
        w->idle_turns = busy ? 0 : w->idle_turns + 1;
        if (w->adaptive_poll && w->idle_turns >= IDLE_TURNS_BEFORE_SLEEP)
            sleep_until_needed(w);
    }
    return 0;
}
