// SPDX-License-Identifier: BSD-3-Clause
// Time periods and the shared random values that go with them.
#include "onion/key/time_period.h"

#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "dir/parameters.h"
#include "netdoc/consensus.h"

enum {
    PHASE_ROUNDS = 12,             // of votes: one for commitments,
    RUN_ROUNDS = 2 * PHASE_ROUNDS, // one for reveals
    DEFAULT_INTERVAL_S = 3600,
};

static time_t voting_interval_s(const struct consensus *c)
{
    return c->fresh_until > c->valid_after ? c->fresh_until - c->valid_after : DEFAULT_INTERVAL_S;
}

static uint64_t length_minutes(const struct consensus *c, const struct parameters *p,
                               bool testing_network)
{
    uint64_t minutes = testing_network ? (uint64_t)voting_interval_s(c) * RUN_ROUNDS / 60
                                       : (uint64_t)p->hsdir_interval_minutes;
    return minutes > 0 ? minutes : 1;
}

static struct time_period period_at(time_t time, uint64_t length, const struct consensus *c)
{
    int64_t minutes = (int64_t)time / 60 - PHASE_ROUNDS * (int64_t)voting_interval_s(c) / 60;
    return (struct time_period){minutes > 0 ? (uint64_t)minutes / length : 0, length};
}

struct time_period time_period_of(const struct consensus *c, const struct parameters *p,
                                  bool testing_network)
{
    return period_at(c->valid_after, length_minutes(c, p, testing_network), c);
}

struct time_period time_period_next(struct time_period t)
{
    t.number++;
    return t;
}

struct time_period time_period_previous(struct time_period t)
{
    t.number--;
    return t;
}

time_t time_period_start(struct time_period t, const struct consensus *c)
{
    return (time_t)(t.number * t.length_minutes * 60) + PHASE_ROUNDS * voting_interval_s(c);
}

time_t time_period_end(struct time_period t, const struct consensus *c)
{
    return time_period_start(time_period_next(t), c);
}

time_t srv_run_start(const struct consensus *c)
{
    time_t interval = voting_interval_s(c);
    return c->valid_after - c->valid_after / interval % RUN_ROUNDS * interval;
}

unsigned srv_run_length_s(const struct consensus *c)
{
    return (unsigned)(RUN_ROUNDS * voting_interval_s(c));
}

// Has a time period begun since the run began?
bool time_period_is_new(struct time_period now, const struct consensus *c)
{
    struct time_period at_run_start = period_at(srv_run_start(c), now.length_minutes, c);
    return c->valid_after >= time_period_end(at_run_start, c);
}

// H("shared-random-disaster" | INT8(length) | INT8(number))
static void disaster_value(struct time_period t, uint8_t out[32])
{
    static const char label[] = "shared-random-disaster";
    uint8_t input[sizeof(label) - 1 + 16];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, label, sizeof(label) - 1);
    write_u64(&w, t.length_minutes);
    write_u64(&w, t.number);
    sha3_256(input, sizeof(input), out);
}

void srv_current(const struct consensus *c, struct time_period t, uint8_t out[32])
{
    if (c->has_srv_current)
        memcpy(out, c->srv_current, sizeof(c->srv_current));
    else
        disaster_value(t, out);
}

void srv_previous(const struct consensus *c, struct time_period t, uint8_t out[32])
{
    if (c->has_srv_previous)
        memcpy(out, c->srv_previous, sizeof(c->srv_previous));
    else
        disaster_value(t, out);
}

static struct onion_epoch with_previous_srv(const struct consensus *c, struct time_period t)
{
    struct onion_epoch e = {.period = t, .run_start = srv_run_start(c) - srv_run_length_s(c)};
    srv_previous(c, t, e.srv);
    return e;
}

static struct onion_epoch with_current_srv(const struct consensus *c, struct time_period t)
{
    struct onion_epoch e = {.period = t, .run_start = srv_run_start(c)};
    srv_current(c, t, e.srv);
    return e;
}

struct onion_epoch onion_epoch_of_client(const struct consensus *c, const struct parameters *p,
                                         bool testing_network)
{
    struct time_period now = time_period_of(c, p, testing_network);
    return time_period_is_new(now, c) ? with_current_srv(c, now) : with_previous_srv(c, now);
}

void onion_epochs_of_service(const struct consensus *c, const struct parameters *p,
                             bool testing_network, struct onion_epoch out[2])
{
    struct time_period now = time_period_of(c, p, testing_network);
    bool is_new = time_period_is_new(now, c);
    out[0] = with_previous_srv(c, is_new ? time_period_previous(now) : now);
    out[1] = with_current_srv(c, is_new ? now : time_period_next(now));
}
