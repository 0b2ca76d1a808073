// SPDX-License-Identifier: BSD-3-Clause
// Streams both ways, over links that lose, delay, reorder and duplicate: every byte in its place.
#include "talk.h"

#define STREAM_BYTES (UINT64_C(10) << 20)

struct scenario {
    uint32_t loss_ppm, duplicate_ppm, reorder_ppm;
    uint64_t reorder_us, jitter_us, rate, hold_us;
    uint32_t queue_bytes;
    uint64_t bytes;
    uint64_t limit_us;
    bool records, late;
    uint32_t iss;
    bool plain; // the path takes the options out of SYNs
};

// Overwrites SACK-permitted and timestamp in a SYN's options with NOPs.
static bool strip_options(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)sim, (void)from;
    for (size_t at = 40; packet[33] & TCP_SYN && at < length;) {
        uint8_t kind = packet[at], size = kind == 1 ? 1 : packet[at + 1];
        for (size_t i = 0; i < size && (kind == 4 || kind == 8); i++)
            packet[at + i] = 1;
        at += size;
    }
    return false;
}

static void transfer(const struct scenario *s)
{
    struct sim_options options = sim_defaults;
    options.ack_gather_us = s->late ? 0 : 50;
    struct sim *sim = sim_open(&options);
    struct talk talk;

    sim->iss = s->iss;
    sim->hold_us = s->hold_us;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_path *path = &sim->paths[i];
        path->loss_ppm = s->loss_ppm;
        path->duplicate_ppm = s->duplicate_ppm;
        path->reorder_ppm = s->reorder_ppm;
        path->reorder_us = s->reorder_us;
        path->jitter_us = s->jitter_us;
        path->rate = s->rate;
        path->queue_bytes = s->queue_bytes;
        path->drop = s->plain ? strip_options : NULL;
    }
    talk_open(&talk, sim);
    for (unsigned i = 0; i < 2; i++) {
        talk.ends[i].to_send = s->bytes;
        talk.ends[i].records = s->records;
        talk.ends[i].late = s->late;
        talk.ends[i].patient = s->records;
    }
    uint64_t begin = sim->now_us;
    talk_establish(&talk);
    sim_run_until(sim, talk_all_received, &talk, s->limit_us);
    const struct counters *c = &sim->hosts[0].counters;
    print_message("%.2f s, %.1f Mbit/s each way, %llu packets, %llu sent again, %llu time-outs\n",
                  (double)(sim->now_us - begin) / 1e6,
                  (double)s->bytes * 8 / (double)(sim->now_us - begin),
                  (unsigned long long)sim->hosts[0].sent, (unsigned long long)c->tcp_retransmits,
                  (unsigned long long)c->tcp_rtos);
    talk.ends[0].close_when_sent = true;
    sim_run_until(sim, talk_both_closed, &talk, 60 * SIM_SECOND);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(talk.ends[i].closed, 1);
        assert_int_equal(talk.ends[i].reason, CONN_CLOSE_DONE);
        assert_int_equal(sim->hosts[i].stack->conns_count, 0);
    }
    sim_close(sim);
}

static void clean(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES, .limit_us = 3 * SIM_SECOND});
}

static void records(void **state)
{
    (void)state;
    transfer(&(struct scenario){
        .bytes = STREAM_BYTES, .limit_us = 3 * SIM_SECOND, .records = true, .late = true});
}

static void records_with_losses(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 60 * SIM_SECOND,
                                .loss_ppm = 10000,
                                .records = true,
                                .late = true});
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 60 * SIM_SECOND,
                                .loss_ppm = 10000,
                                .records = true});
}

static void loss_1_percent(void **state)
{
    (void)state;
    transfer(
        &(struct scenario){.bytes = STREAM_BYTES, .limit_us = 60 * SIM_SECOND, .loss_ppm = 10000});
}

static void loss_5_percent(void **state)
{
    (void)state;
    transfer(
        &(struct scenario){.bytes = STREAM_BYTES, .limit_us = 120 * SIM_SECOND, .loss_ppm = 50000});
}

static void reordering(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES,
                                .limit_us = 60 * SIM_SECOND,
                                .reorder_ppm = 20000,
                                .reorder_us = 3 * SIM_MS});
}

static void everything_at_once(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 240 * SIM_SECOND,
                                .loss_ppm = 20000,
                                .duplicate_ppm = 20000,
                                .reorder_ppm = 50000,
                                .reorder_us = 20 * SIM_MS,
                                .jitter_us = 2 * SIM_MS,
                                .hold_us = 30 * SIM_MS});
}

static void jitter(void **state)
{
    (void)state;
    transfer(&(struct scenario){
        .bytes = STREAM_BYTES / 4, .limit_us = 240 * SIM_SECOND, .jitter_us = 20 * SIM_MS});
}

// 100 Mbit/s with a queue of 50 ms: losses come from our own congestion.
static void bottleneck(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES,
                                .limit_us = 2 * SIM_SECOND,
                                .rate = 12500000,
                                .queue_bytes = 200000,
                                .late = true});
}

static void driver_keeps_packets(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 60 * SIM_SECOND,
                                .loss_ppm = 20000,
                                .hold_us = 500 * SIM_MS});
}

static void sequence_wrap(void **state)
{
    (void)state;
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 60 * SIM_SECOND,
                                .loss_ppm = 10000,
                                .iss = UINT32_MAX - 300000});
}

// NewReno (RFC 6582) and no timestamps.
static void plain_with_losses(void **state)
{
    (void)state;
    transfer(&(struct scenario){
        .bytes = STREAM_BYTES / 4, .limit_us = 120 * SIM_SECOND, .loss_ppm = 10000, .plain = true});
    transfer(&(struct scenario){.bytes = STREAM_BYTES / 4,
                                .limit_us = 120 * SIM_SECOND,
                                .reorder_ppm = 10000,
                                .reorder_us = 3 * SIM_MS,
                                .plain = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean),
        cmocka_unit_test(records),
        cmocka_unit_test(records_with_losses),
        cmocka_unit_test(sequence_wrap),
        cmocka_unit_test(loss_1_percent),
        cmocka_unit_test(loss_5_percent),
        cmocka_unit_test(reordering),
        cmocka_unit_test(jitter),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(bottleneck),
        cmocka_unit_test(driver_keeps_packets),
        cmocka_unit_test(plain_with_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
