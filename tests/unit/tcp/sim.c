// SPDX-License-Identifier: BSD-3-Clause
// The simulated link and the turns of the two workers' loops.
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_tcp.h>

const struct sim_options sim_defaults = {
    .max_connections = 64,
    .receive_window_bytes = 1 << 20,
    .send_buffer_bytes = 1 << 20,
    .mtu = 1500,
    .seed = 1,
};

#ifdef __SANITIZE_ADDRESS__
// DPDK's environment is made once and never unmade.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:librte_eal";
}
#endif

void sim_init_eal(void)
{
    static bool done;
    static char arguments[][20] = {"test", "--no-huge", "--no-shconf",    "--no-pci",
                                   "-m",   "128",       "--no-telemetry", "--log-level=error"};
    enum { COUNT = sizeof(arguments) / sizeof(arguments[0]) };
    char *argv[COUNT + 1] = {NULL};

    if (done)
        return;
    for (unsigned i = 0; i < COUNT; i++)
        argv[i] = arguments[i];
    assert_true(rte_eal_init(COUNT, argv) >= 0);
    done = true;
}

// splitmix64
uint32_t sim_random(struct sim *sim)
{
    uint64_t z = sim->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z ^ z >> 31);
}

static bool chance(struct sim *sim, uint32_t ppm)
{
    return ppm && sim_random(sim) % 1000000 < ppm;
}

static uint64_t env_now(void *ctx)
{
    const struct sim_host *host = ctx;
    return host->sim->now_us;
}

static uint32_t env_random(void *ctx)
{
    struct sim_host *host = ctx;
    return host->sim->iss ? host->sim->iss : sim_random(host->sim);
}

// ---- packets on their way, the earliest first
static bool earlier(const struct sim_flight *a, const struct sim_flight *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void swap(struct sim_flight *a, struct sim_flight *b)
{
    struct sim_flight t = *a;
    *a = *b;
    *b = t;
}

static void flight_add(struct sim *sim, uint64_t due, unsigned to, const uint8_t *bytes,
                       size_t length)
{
    assert_true(sim->n_flight < SIM_FLIGHT_MAX);
    unsigned i = sim->n_flight++;
    sim->flight[i] = (struct sim_flight){
        .due = due,
        .order = sim->order++,
        .to = (uint8_t)to,
        .length = (uint16_t)length,
        .bytes = malloc(length),
    };
    assert_non_null(sim->flight[i].bytes);
    memcpy(sim->flight[i].bytes, bytes, length);
    for (; i && earlier(&sim->flight[i], &sim->flight[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&sim->flight[i], &sim->flight[(i - 1) / 2]);
}

static struct sim_flight flight_take(struct sim *sim)
{
    struct sim_flight first = sim->flight[0];
    sim->flight[0] = sim->flight[--sim->n_flight];
    for (unsigned i = 0;;) {
        unsigned least = i;
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < sim->n_flight; child++)
            if (earlier(&sim->flight[child], &sim->flight[least]))
                least = child;
        if (least == i)
            return first;
        swap(&sim->flight[i], &sim->flight[least]);
        i = least;
    }
}

static void path_send(struct sim *sim, unsigned from, uint8_t *bytes, size_t length)
{
    struct sim_path *path = &sim->paths[from];
    uint64_t at = sim->now_us;

    path->packets++;
    if ((path->drop && path->drop(sim, from, bytes, length)) || chance(sim, path->loss_ppm)) {
        path->lost++;
        return;
    }
    if (path->rate) {
        uint64_t start = path->free_at > at ? path->free_at : at;
        if (path->queue_bytes && (start - at) * path->rate / 1000000 > path->queue_bytes) {
            path->lost++;
            return;
        }
        at = path->free_at = start + (length + 38) * 1000000 / path->rate;
    }
    at += path->delay_us;
    if (path->jitter_us)
        at += sim_random(sim) % path->jitter_us;
    if (chance(sim, path->reorder_ppm))
        at += path->reorder_us;
    flight_add(sim, at, 1 - from, bytes, length);
    if (chance(sim, path->duplicate_ppm))
        flight_add(sim, at + 100, 1 - from, bytes, length);
}

// ---- what a stack hands down
static void check_packet(const struct rte_mbuf *m)
{
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
    const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);

    assert_true(rte_pktmbuf_headroom(m) >= 32);
    assert_int_equal(m->nb_segs, 1);
    assert_null(m->next);
    assert_int_equal(m->pkt_len, m->data_len);
    assert_int_equal(ip->version_ihl, 0x45);
    assert_int_equal(rte_be_to_cpu_16(ip->total_length), m->pkt_len);
    assert_int_equal(rte_be_to_cpu_16(ip->fragment_offset), RTE_IPV4_HDR_DF_FLAG);
    assert_int_equal(ip->time_to_live, 64);
    assert_int_equal(ip->next_proto_id, IPPROTO_TCP);
    assert_int_equal(ip->hdr_checksum, 0);
    assert_int_equal(tcp->cksum, 0);
    assert_int_equal(m->l2_len, 0);
    assert_int_equal(m->l3_len, 20);
    assert_int_equal(m->l4_len, (tcp->data_off >> 4) * 4);
}

static uint64_t packet_sum(const struct rte_mbuf *m)
{
    uint64_t sum = (uint64_t)m->data_off << 16 | m->data_len;
    for (uint16_t i = 0; i < m->data_len; i++)
        sum = sum * 31 + rte_pktmbuf_mtod(m, const uint8_t *)[i];
    return sum;
}

static void driver_release(struct sim *sim, uint64_t now)
{
    while (sim->n_held && sim->held[sim->held_first].until <= now) {
        const struct sim_held *held = &sim->held[sim->held_first];
        assert_true(held->sum == packet_sum(held->packet));
        rte_pktmbuf_free(held->packet);
        sim->held_first = (sim->held_first + 1) % SIM_HELD_MAX;
        sim->n_held--;
    }
}

static void env_transmit(void *ctx, struct rte_mbuf *m)
{
    struct sim_host *host = ctx;
    struct sim *sim = host->sim;

    check_packet(m);
    host->sent++;
    path_send(sim, host->index, rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len);
    // The layers below prepend their own header and write to what they hold.
    assert_non_null(rte_pktmbuf_prepend(m, 14));
    memset(rte_pktmbuf_mtod(m, void *), 0xee, 14);
    if (sim->hold_us == 0) {
        rte_pktmbuf_free(m);
        return;
    }
    assert_true(sim->n_held < SIM_HELD_MAX);
    sim->held[(sim->held_first + sim->n_held++) % SIM_HELD_MAX] =
        (struct sim_held){.until = sim->now_us + sim->hold_us, .packet = m, .sum = packet_sum(m)};
}

// ---- hosts
static void host_open(struct sim *sim, unsigned index, const struct sim_options *options)
{
    static unsigned pools;
    struct sim_host *host = &sim->hosts[index];
    char name[32];

    snprintf(name, sizeof(name), "sim%u", pools++);
    host->sim = sim;
    host->index = index;
    host->pool = rte_pktmbuf_pool_create(name, SIM_POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    assert_non_null(host->pool);
    struct tcp_config config = {
        .env = {.ctx = host, .now_us = env_now, .random = env_random, .transmit = env_transmit},
        .packets = host->pool,
        .counters = &host->counters,
        .max_connections = options->max_connections,
        .mtu = options->mtu,
        .receive_window_bytes = options->receive_window_bytes,
        .send_buffer_bytes = options->send_buffer_bytes,
        .ack_gather_us = options->ack_gather_us,
    };
    host->stack = tcp_stack_create(&config);
    assert_non_null(host->stack);
}

// Of a test that failed: the next one needs the memory.
static struct sim *left_over;

static void release(struct sim *sim)
{
    while (sim->n_flight)
        free(flight_take(sim).bytes);
    driver_release(sim, UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        tcp_stack_destroy(sim->hosts[i].stack);
        sim->hosts[i].stack = NULL;
    }
}

static void discard(struct sim *sim)
{
    for (unsigned i = 0; i < 2; i++)
        rte_mempool_free(sim->hosts[i].pool);
    rte_mempool_free(sim->rx_pool);
    free(sim->flight);
    free(sim->held);
    free(sim);
    left_over = NULL;
}

struct sim *sim_open(const struct sim_options *options)
{
    static unsigned pools;
    char name[32];

    sim_init_eal();
    if (left_over) {
        release(left_over);
        discard(left_over);
    }
    struct sim *sim = left_over = calloc(1, sizeof(*sim));
    assert_non_null(sim);
    snprintf(name, sizeof(name), "simrx%u", pools++);
    sim->rx_pool = rte_pktmbuf_pool_create(name, SIM_POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    sim->flight = calloc(SIM_FLIGHT_MAX, sizeof(*sim->flight));
    sim->held = calloc(SIM_HELD_MAX, sizeof(*sim->held));
    assert_true(sim->rx_pool && sim->flight && sim->held);
    sim->now_us = 1000 * SIM_SECOND;
    sim->seed = options->seed;
    sim->audit = true;
    sim->paths[0].delay_us = sim->paths[1].delay_us = 5 * SIM_MS;
    host_open(sim, 0, options);
    if (!options->only_first)
        host_open(sim, 1, options);
    return sim;
}

unsigned sim_packets_used(const struct sim *sim)
{
    unsigned used = rte_mempool_in_use_count(sim->rx_pool);
    for (unsigned i = 0; i < 2; i++)
        if (sim->hosts[i].pool)
            used += rte_mempool_in_use_count(sim->hosts[i].pool);
    return used;
}

void sim_close(struct sim *sim)
{
    release(sim);
    assert_int_equal(sim_packets_used(sim), 0);
    discard(sim);
}

static void deliver(struct sim *sim, unsigned to, const uint8_t *bytes, size_t length)
{
    struct sim_host *host = &sim->hosts[to];

    host->received++;
    if (!host->stack) {
        if (sim->take)
            sim->take(sim, to, bytes, length);
        return;
    }
    struct rte_mbuf *m = rte_pktmbuf_alloc(sim->rx_pool);
    if (!m)
        return;
    // Every other packet comes in two buffers, as from a driver that scatters.
    size_t first = sim->order % 2 && length > 120 ? length - 50 : length;
    memcpy(rte_pktmbuf_append(m, (uint16_t)first), bytes, first);
    struct rte_mbuf *rest = first < length ? rte_pktmbuf_alloc(sim->rx_pool) : NULL;
    if (first < length && !rest) {
        rte_pktmbuf_free(m);
        return;
    }
    if (rest) {
        memcpy(rte_pktmbuf_append(rest, (uint16_t)(length - first)), bytes + first, length - first);
        assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
    }
    tcp_input(host->stack, &m, 1);
}

static uint64_t next_due(const struct sim *sim)
{
    uint64_t due = sim->n_flight ? sim->flight[0].due : UINT64_MAX;
    for (unsigned i = 0; i < 2; i++) {
        const struct tcp_stack *stack = sim->hosts[i].stack;
        if (stack) // without an app events are left alone
            due = RTE_MIN(due, sim->app ? tcp_next_timer_us(stack) : tcp_wheel_next(&stack->wheel));
    }
    return due;
}

static void turn(struct sim *sim)
{
    driver_release(sim, sim->now_us);
    while (sim->n_flight && sim->flight[0].due <= sim->now_us) {
        struct sim_flight f = flight_take(sim);
        deliver(sim, f.to, f.bytes, f.length);
        free(f.bytes);
    }
    if (sim->app)
        sim->app(sim, sim->app_arg);
    for (unsigned i = 0; i < 2; i++) {
        if (!sim->hosts[i].stack)
            continue;
        tcp_advance(sim->hosts[i].stack);
        if (sim->audit)
            sim_audit(sim->hosts[i].stack);
    }
}

bool sim_step(struct sim *sim, uint64_t until_us)
{
    uint64_t due = next_due(sim);
    if (due > until_us) {
        sim->now_us = RTE_MAX(sim->now_us, until_us);
        return false;
    }
    sim->now_us = RTE_MAX(sim->now_us, due);
    turn(sim);
    return true;
}

void sim_run(struct sim *sim, uint64_t us)
{
    uint64_t until = sim->now_us + us;
    turn(sim);
    while (sim_step(sim, until))
        ;
    turn(sim);
}

void sim_run_until(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t us)
{
    uint64_t until = sim->now_us + us;
    turn(sim);
    while (!done(arg)) {
        if (!sim_step(sim, until))
            fail_msg("not done after %.3f s of virtual time", (double)us / 1e6);
    }
}

void sim_pass(struct sim *sim, uint64_t us)
{
    sim->now_us += us;
}

struct address sim_address(unsigned host, uint16_t port)
{
    return address_ipv4(SIM_IP(host), port);
}

void sim_inject(struct sim *sim, unsigned host, const uint8_t *packet, size_t length)
{
    deliver(sim, host, packet, length);
    turn(sim);
}
