// SPDX-License-Identifier: BSD-3-Clause
// Circuits of ours from their launch to their end, with doubles of paths, guards, the circuits
// themselves and their streams: who is told what, what is counted, and what takes too long. The
// cases of time-outs are those of C tor's src/test/test_circuitstats.c and what it does there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/message.h"
#include "circuit/circuit_internal.h"
#include "circuit/own_circuit.h"
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/circuit/origin_circuit_internal.h"
#include "origin/guard/guard.h"
#include "origin/origin.h"
#include "origin/path/path.h"
#include "stream/circuit_streams.h"
#include "stream/stream.h"

enum { COUNTS = GUARD_USE_SUCCESS + 1, SENT_MAX = 8 };

// ---- doubles: guards

struct guard_use {
    enum guard_verdict verdict;
    unsigned succeeded, failed, ended;
    unsigned counts[COUNTS];
};

static struct guard_use *last_use;
static bool without_guard;

enum guard_verdict guard_use_succeeded(struct guard_use *use)
{
    assert_int_equal(use->failed + use->ended, 0);
    assert_int_equal(use->succeeded++, 0);
    return use->verdict;
}

enum guard_verdict guard_use_look(struct guard_use *use)
{
    assert_int_equal(use->failed + use->ended, 0);
    return use->verdict;
}

void guard_use_failed(struct guard_use *use)
{
    assert_int_equal(use->failed++ + use->ended, 0);
}

void guard_use_end(struct guard_use *use)
{
    assert_int_equal(use->failed + use->ended++, 0);
}

void guard_use_count(struct guard_use *use, enum guard_path_count what)
{
    assert_int_equal(use->failed + use->ended, 0);
    use->counts[what]++;
}

// ---- doubles: paths

static unsigned path_hops = 3;
static int path_error;

int path_choose(struct origin *origin, const struct path_request *request, struct path *out,
                const char **why)
{
    (void)origin, (void)request;
    if (path_error) {
        if (why)
            *why = "because";
        return path_error;
    }
    *out = (struct path){.hops.n_hops = path_hops};
    for (unsigned i = 0; i < path_hops; i++)
        out->hops.hops[i].padding = i == 1;
    if (!without_guard)
        out->guard = last_use = calloc(1, sizeof(*last_use));
    return 0;
}

// ---- doubles: circuits

struct own_circuit {
    struct own_circuit_path path;
    const struct own_circuit_ops *ops;
    void *user;
    unsigned built;
    uint64_t began_ms;
    bool gone, by_network;
    enum destroy_reason reason;
    struct own_circuit *next_gone;
    unsigned n_sent;
    struct {
        unsigned hop;
        enum relay_command command;
        uint8_t body[16];
        uint16_t length;
    } sent[SENT_MAX];
    struct stream *stream; // the probe
};

struct stream {
    struct own_circuit *own;
    const struct stream_ops *ops;
    void *user;
    char begin[64];
    uint8_t end[16];
    size_t end_length;
};

static struct own_circuit *gone;
static struct own_circuit *last_own;
static bool build_fails, heard;
static unsigned n_circuits;

struct circuit *own_circuit_build(struct relay *relay, const struct own_circuit_path *path,
                                  const struct own_circuit_ops *ops, void *user)
{
    (void)relay;
    if (build_fails)
        return NULL;
    struct circuit *c = calloc(1, sizeof(*c));
    c->own = last_own = calloc(1, sizeof(*last_own));
    *c->own = (struct own_circuit){.path = *path, .ops = ops, .user = user};
    n_circuits++;
    return c;
}

void own_circuit_set_user(struct circuit *c, const struct own_circuit_ops *ops, void *user)
{
    c->own->ops = ops;
    c->own->user = user;
}

void *own_circuit_user(const struct circuit *c)
{
    return c->own->user;
}

const struct own_circuit_path *own_circuit_path(const struct circuit *c)
{
    return &c->own->path;
}

unsigned own_circuit_hops_built(const struct circuit *c)
{
    return c->own->built;
}

uint64_t own_circuit_began_ms(const struct circuit *c)
{
    return c->own->began_ms;
}

bool own_circuits_heard(struct relay *relay)
{
    (void)relay;
    return heard;
}

bool own_circuit_extend(struct circuit *c, const struct own_circuit_hop *hop)
{
    c->own->path.hops[c->own->path.n_hops++] = *hop;
    return true;
}

void own_circuit_send(struct circuit *c, unsigned hop, enum relay_command command, const void *body,
                      uint16_t length)
{
    struct own_circuit *own = c->own;
    assert_true(own->n_sent < SENT_MAX && length <= 16);
    own->sent[own->n_sent].hop = hop;
    own->sent[own->n_sent].command = command;
    own->sent[own->n_sent].length = length;
    if (length)
        memcpy(own->sent[own->n_sent].body, body, length);
    own->n_sent++;
}

bool own_circuit_is_gone(const struct circuit *c)
{
    return c->own->gone;
}

void own_circuit_close(struct circuit *c, enum destroy_reason reason)
{
    if (c->own->gone)
        return;
    c->own->gone = true;
    c->own->reason = reason;
    c->next.end.index = 1; // is found by its owner
    c->own->next_gone = gone;
    gone = c->own;
}

enum { CIRCUITS_MAX = 640 };

static struct circuit *circuits[CIRCUITS_MAX]; // of own: for tell_gone

static struct circuit *circuit_of(const struct own_circuit *own)
{
    for (unsigned i = 0; i < CIRCUITS_MAX; i++)
        if (circuits[i] && circuits[i]->own == own)
            return circuits[i];
    fail();
    return NULL;
}

// The loop's turn.
static void turn(void)
{
    while (gone) {
        struct own_circuit *own = gone;
        struct circuit *c = circuit_of(own);
        gone = own->next_gone;
        struct stream *s = own->stream;
        if (s)
            s->ops->closed(s, END_DESTROY);
        free(s);
        if (own->ops)
            own->ops->closed(c, own->reason, own->by_network);
        for (unsigned i = 0; i < CIRCUITS_MAX; i++)
            if (circuits[i] == c)
                circuits[i] = NULL;
        free(own);
        free(c);
        n_circuits--;
    }
}

static void network_closes(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct circuit *c = origin_circuit_circuit(oc);
    c->own->by_network = true;
    own_circuit_close(c, reason);
    turn();
}

// ---- doubles: streams

static bool no_streams; // there is no room for any

struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user)
{
    assert_int_equal(command, RELAY_BEGIN);
    if (c->own->gone || no_streams)
        return NULL;
    struct stream *s = c->own->stream = calloc(1, sizeof(*s));
    s->own = c->own;
    s->ops = ops;
    s->user = user;
    assert_in_range(length, 1, sizeof(s->begin));
    memcpy(s->begin, body, length);
    return s;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

const uint8_t *stream_end_body(const struct stream *s, size_t *length)
{
    *length = s->end_length;
    return s->end_length ? s->end : NULL;
}

static void end_probe(struct stream *s, enum end_reason reason, const uint8_t address[4])
{
    s->end[0] = (uint8_t)reason;
    memcpy(s->end + 1, address, 4);
    s->end_length = 9;
    s->own->stream = NULL;
    s->ops->closed(s, reason);
    free(s);
}

static uint64_t clock_ms;

uint64_t streams_now_us(const struct streams *all)
{
    (void)all;
    return clock_ms * 1000;
}

// ---- a world

struct user {
    unsigned opened, closed, messages;
    enum destroy_reason reason;
    struct origin_circuit *close_when_opened; // another one
};

static struct relay relay;
static struct circuit_table table;
static struct origin origin;

static void on_opened(struct origin_circuit *oc)
{
    struct user *u = origin_circuit_user(oc);
    u->opened++;
    if (u->close_when_opened)
        origin_circuit_close(u->close_when_opened);
}

static bool on_message(struct origin_circuit *oc, const struct message *m)
{
    struct user *u = origin_circuit_user(oc);
    u->messages++;
    return m->relay.command == RELAY_INTRODUCE_ACK;
}

static void on_closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct user *u = origin_circuit_user(oc);
    u->closed++;
    u->reason = reason;
}

static const struct origin_circuit_ops ops = {on_opened, on_message, on_closed};

static void set_parameter(const char *name, int32_t value)
{
    struct consensus_parameter parameter = {.value = value};
    struct consensus consensus = {.parameters = &parameter, .n_parameters = 1};
    strcpy(parameter.name, name);
    parameters_update(&relay, &consensus);
}

static int set_up(void **state)
{
    (void)state;
    clock_ms = 1000000;
    path_hops = 3;
    path_error = 0;
    without_guard = build_fails = heard = false;
    relay = (struct relay){.circuits = &table};
    relay.parameters = parameters_create(&relay);
    origin = (struct origin){.relay = &relay};
    origin.circuits = origin_circuits_create(&origin);
    return origin.circuits ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    origin_circuits_free(origin.circuits);
    turn();
    parameters_free(relay.parameters);
    return n_circuits == 0 ? 0 : -1;
}

static struct origin_circuit *launch_for(enum origin_purpose purpose, struct user *u)
{
    const struct path_request request = {.kind = PATH_EXIT};
    struct origin_circuit *oc = NULL;
    *u = (struct user){0};
    assert_int_equal(origin_circuit_launch(&origin, purpose, &request, &ops, u, &oc, NULL), 0);
    for (unsigned i = 0; i < CIRCUITS_MAX; i++)
        if (!circuits[i]) {
            circuits[i] = origin_circuit_circuit(oc);
            break;
        }
    return oc;
}

static struct origin_circuit *launch(struct user *u)
{
    return launch_for(ORIGIN_GENERAL, u);
}

static void begin(struct origin_circuit *oc)
{
    origin_circuit_circuit(oc)->own->began_ms = clock_ms;
}

static void build(struct origin_circuit *oc)
{
    struct circuit *c = origin_circuit_circuit(oc);
    struct own_circuit *own = c->own;
    own->built++;
    own->ops->hop_built(c, own->built);
    if (!own->gone && own->built == own->path.n_hops)
        own->ops->opened(c);
}

static void build_all(struct origin_circuit *oc)
{
    begin(oc);
    while (own_circuit_hops_built(origin_circuit_circuit(oc)) < origin_circuit_path(oc)->n_hops)
        build(oc);
}

static void tick_after(uint64_t ms)
{
    clock_ms += ms;
    origin_circuits_tick(origin.circuits);
}

static void free_use(struct guard_use *use)
{
    assert_int_equal(use->failed + use->ended, 1);
    free(use);
}

static unsigned learned_of(void)
{
    return build_times_count(origin.circuits->times);
}

// ---- launch, opening, end

static void test_opens_and_closes(void **state)
{
    (void)state;
    struct user u;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    assert_int_equal(origin_circuit_state(oc), ORIGIN_BUILDING);
    assert_int_equal(origin_circuits_building(origin.circuits), 1);
    clock_ms += 700;
    build_all(oc);
    assert_int_equal(u.opened, 1);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_OPEN);
    assert_int_equal(origin_circuit_opened_ms(oc), clock_ms);
    assert_int_equal(origin_circuits_building(origin.circuits), 0);
    assert_int_equal(use->succeeded, 1);
    origin_circuit_close(oc);
    turn();
    assert_int_equal(u.closed, 0); // by its user
    assert_int_equal(use->ended, 1);
    free_use(use);

    oc = launch(&u);
    use = last_use;
    build_all(oc);
    network_closes(oc, DESTROY_RESOURCELIMIT);
    assert_int_equal(u.closed, 1);
    assert_int_equal(u.reason, DESTROY_RESOURCELIMIT);
    free_use(use);
}

static void test_cannot_launch(void **state)
{
    (void)state;
    const struct path_request request = {.kind = PATH_EXIT};
    struct origin_circuit *oc;
    struct user u[33];
    const char *why = NULL;
    path_error = -EAGAIN;
    assert_int_equal(origin_circuit_launch(&origin, ORIGIN_GENERAL, &request, &ops, u, &oc, &why),
                     -EAGAIN);
    assert_string_equal(why, "because");
    path_error = 0;
    build_fails = true;
    assert_int_equal(origin_circuit_launch(&origin, ORIGIN_GENERAL, &request, &ops, u, &oc, &why),
                     -ENOMEM);
    free_use(last_use);
    build_fails = false;
    struct guard_use *uses[32];
    struct origin_circuit *all[32];
    for (unsigned i = 0; i < 32; i++) { // 9.23
        all[i] = launch(&u[i]);
        uses[i] = last_use;
    }
    assert_int_equal(origin_circuit_launch(&origin, ORIGIN_GENERAL, &request, &ops, u, &oc, &why),
                     -ENOBUFS);
    build_all(all[7]);
    all[8] = launch(&u[32]);
    struct guard_use *last = last_use;
    // A service's visitors neither wait for those nor keep them out.
    static struct guard_use *visits[ORIGIN_RENDEZVOUS_BUILDING_MAX];
    for (unsigned i = 0; i < ORIGIN_RENDEZVOUS_BUILDING_MAX; i++) {
        static struct user visitor;
        (void)launch_for(ORIGIN_SERVICE_REND, &visitor);
        visits[i] = last_use;
    }
    assert_int_equal(
        origin_circuit_launch(&origin, ORIGIN_SERVICE_REND, &request, NULL, NULL, &oc, &why),
        -ENOBUFS);
    assert_int_equal(origin_circuits_building(origin.circuits), ORIGIN_BUILDING_MAX);
    origin_circuits_free(origin.circuits); // nobody is told
    origin.circuits = NULL;
    turn();
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(u[i].closed, 0);
        free_use(uses[i]);
    }
    free_use(last);
    for (unsigned i = 0; i < ORIGIN_RENDEZVOUS_BUILDING_MAX; i++)
        free_use(visits[i]);
    (void)all;
}

static void test_another_user(void **state)
{
    (void)state;
    struct user u, v = {0};
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    origin_circuit_set_user(oc, ORIGIN_CLIENT_REND, &ops, &v);
    build_all(oc);
    assert_int_equal(origin_circuit_purpose(oc), ORIGIN_CLIENT_REND);
    network_closes(oc, DESTROY_NONE);
    assert_int_equal(u.opened + u.closed, 0);
    assert_int_equal(v.opened, 1);
    assert_int_equal(v.closed, 1);
    free_use(use);
}

static void test_messages(void **state)
{
    (void)state;
    struct user u;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    struct message m = {.relay = {.command = RELAY_INTRODUCE_ACK, .hop = 3}};
    struct circuit *c = origin_circuit_circuit(oc);
    build_all(oc);
    assert_true(c->own->ops->message(c, &m));
    m.relay.command = RELAY_RENDEZVOUS2;
    assert_false(c->own->ops->message(c, &m));
    assert_int_equal(u.messages, 2);
    m.relay.command = RELAY_PADDING_NEGOTIATED; // nobody asked
    assert_false(c->own->ops->message(c, &m));
    assert_int_equal(u.messages, 2);
    origin_circuit_close(oc);
    turn();
    free_use(use);
}

// ---- guards

static void test_guard_is_to_blame(void **state)
{
    (void)state;
    static const struct {
        unsigned hops;
        bool by_network;
        enum destroy_reason reason;
        bool blamed;
    } cases[] = {
        {0, false, DESTROY_CONNECTFAILED, true},   {0, false, DESTROY_OR_IDENTITY, true},
        {0, false, DESTROY_CHANNEL_CLOSED, true},  {0, false, DESTROY_PROTOCOL, true},
        {0, true, DESTROY_RESOURCELIMIT, false}, // it answers
        {0, false, DESTROY_RESOURCELIMIT, false},  {0, false, DESTROY_HIBERNATING, false},
        {1, false, DESTROY_PROTOCOL, false},       {1, true, DESTROY_CONNECTFAILED, false},
        {2, false, DESTROY_CHANNEL_CLOSED, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct user u;
        struct origin_circuit *oc = launch(&u);
        struct guard_use *use = last_use;
        begin(oc);
        for (unsigned k = 0; k < cases[i].hops; k++)
            build(oc);
        struct circuit *c = origin_circuit_circuit(oc);
        c->own->by_network = cases[i].by_network;
        own_circuit_close(c, cases[i].reason);
        turn();
        assert_int_equal(u.closed, 1);
        assert_int_equal(u.reason, cases[i].reason);
        assert_int_equal(use->failed, cases[i].blamed);
        free_use(use);
    }
}

static void test_closed_while_building(void **state)
{
    (void)state;
    struct user u;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    begin(oc);
    origin_circuit_close(oc);
    turn();
    assert_int_equal(use->failed, 0); // its user's wish
    free_use(use);
}

static void test_waits_for_better_guards(void **state)
{
    (void)state;
    struct user u, v, w;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    use->verdict = GUARD_WAIT;
    build_all(oc);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_GUARD_WAIT);
    assert_int_equal(u.opened, 0);
    tick_after(1000);
    assert_int_equal(u.opened, 0);
    use->verdict = GUARD_USABLE;
    tick_after(1000);
    assert_int_equal(u.opened, 1);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_OPEN);

    struct origin_circuit *waits = launch(&v); // until another's guard has failed
    struct guard_use *waits_use = last_use;
    waits_use->verdict = GUARD_WAIT;
    build_all(waits);
    struct origin_circuit *fails = launch(&w);
    struct guard_use *fails_use = last_use;
    waits_use->verdict = GUARD_USABLE;
    own_circuit_close(origin_circuit_circuit(fails), DESTROY_CONNECTFAILED);
    turn();
    assert_int_equal(fails_use->failed, 1);
    assert_int_equal(v.opened, 1);

    struct origin_circuit *late = launch(&w); // a better one answered
    struct guard_use *late_use = last_use;
    late_use->verdict = GUARD_WAIT;
    build_all(late);
    late_use->verdict = GUARD_DISCARD;
    tick_after(1000);
    turn();
    assert_int_equal(w.closed, 1);
    assert_int_equal(w.reason, DESTROY_TIMEOUT);
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn();
    free_use(use);
    free_use(waits_use);
    free_use(fails_use);
    free_use(late_use);
}

// Those that were waiting are told one after the other, and may close each other.
static void test_waiting_close_each_other(void **state)
{
    (void)state;
    struct user u[3];
    struct origin_circuit *oc[3];
    struct guard_use *uses[3];
    for (unsigned i = 0; i < 3; i++) {
        oc[i] = launch(&u[i]);
        uses[i] = last_use;
        uses[i]->verdict = GUARD_WAIT;
        build_all(oc[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        uses[i]->verdict = GUARD_USABLE;
        u[i].close_when_opened = oc[(i + 1) % 3];
    }
    tick_after(1000);
    turn();
    assert_in_range(u[0].opened + u[1].opened + u[2].opened, 1, 2);
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn();
    for (unsigned i = 0; i < 3; i++)
        free_use(uses[i]);
}

static void test_without_guard(void **state)
{
    (void)state;
    struct user u;
    without_guard = true;
    struct origin_circuit *oc = launch(&u);
    build_all(oc);
    assert_int_equal(u.opened, 1);
    origin_circuit_note_use(oc, false);
    origin_circuit_close(oc);
    turn();
}

// ---- time

static struct origin_circuit *open_one(struct user *u, struct guard_use **use)
{
    struct origin_circuit *oc = launch(u);
    *use = last_use;
    build_all(oc);
    return oc;
}

// C tor: circuitstats_hoplen.
static void test_four_hops_count_at_the_third(void **state)
{
    (void)state;
    struct user u, o;
    struct guard_use *open_use;
    struct origin_circuit *other = open_one(&o, &open_use);
    unsigned before = learned_of();
    path_hops = 4;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    begin(oc);
    clock_ms += 59000;
    build(oc);
    build(oc);
    assert_int_equal(learned_of(), before);
    build(oc);
    assert_int_equal(learned_of(), before + 1);
    build(oc);
    assert_int_equal(learned_of(), before + 1);
    assert_int_equal(u.opened, 1);
    origin_circuit_close(oc);
    turn();
    free_use(use);

    oc = launch(&u);
    use = last_use;
    begin(oc);
    clock_ms += 61000;
    build(oc);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_TOO_SLOW);
    assert_int_equal(u.closed, 1);
    assert_int_equal(u.reason, DESTROY_TIMEOUT);
    build(oc);
    build(oc);
    assert_int_equal(learned_of(), before + 2); // once, though it is too slow
    build(oc);
    turn();
    assert_int_equal(learned_of(), before + 2);
    assert_int_equal(u.opened, 0);
    assert_int_equal(u.closed, 1);
    assert_int_equal(use->counts[GUARD_CIRCUIT_SUCCESS], 1);
    assert_int_equal(use->counts[GUARD_CIRCUIT_CLOSED], 1);
    free_use(use);
    origin_circuit_close(other);
    turn();
    free_use(open_use);
}

static void learn(unsigned n, uint32_t ms)
{
    for (unsigned i = 0; i < n; i++)
        build_times_built(origin.circuits->times, ms + i, true);
}

static void test_nothing_is_open(void **state)
{
    (void)state;
    struct user u;
    learn(200, 1000);
    unsigned of;
    uint64_t timeout_ms = origin_circuits_build_timeout_ms(origin.circuits, &of);
    assert_int_equal(of, 200);
    assert_true(timeout_ms < 2000);
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    begin(oc);
    heard = true;
    build(oc);
    tick_after(10000); // the network may have become slow
    assert_int_equal(origin_circuit_state(oc), ORIGIN_BUILDING);
    assert_true(oc->relaxed);
    tick_after(10000);
    assert_int_equal(u.closed, 0);
    tick_after(50000);
    assert_int_equal(u.closed, 1);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_TOO_SLOW);
    assert_int_equal(learned_of(), 200);
    tick_after(1000); // and it is even too slow for that
    turn();
    assert_int_equal(learned_of(), 201);
    assert_int_equal(u.closed, 1);
    assert_int_equal(use->ended, 1); // not its fault
    assert_int_equal(use->counts[GUARD_CIRCUIT_TIMEOUT], 1);
    free_use(use);
}

static void test_too_slow(void **state)
{
    (void)state;
    struct user u, o;
    struct guard_use *open_use;
    open_one(&o, &open_use);
    learn(200, 1000);
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    tick_after(100000); // waits for a link
    assert_int_equal(origin_circuit_state(oc), ORIGIN_BUILDING);
    begin(oc);
    build(oc);
    tick_after(1000);
    assert_int_equal(u.closed, 0);
    tick_after(1000);
    assert_int_equal(u.closed, 1);
    assert_int_equal(u.reason, DESTROY_TIMEOUT);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_TOO_SLOW);
    assert_int_equal(origin_circuits_building(origin.circuits), 0);
    clock_ms += 3000;
    build(oc);
    build(oc); // it stands after all
    turn();
    assert_int_equal(learned_of(), 202);
    assert_int_equal(u.opened, 0);
    free_use(use);

    oc = launch(&u); // its guard does not answer
    use = last_use;
    begin(oc);
    tick_after(2000);
    assert_int_equal(origin_circuit_state(oc), ORIGIN_TOO_SLOW);
    heard = true;
    tick_after(60000);
    turn();
    assert_int_equal(use->failed, 1);
    assert_int_equal(learned_of(), 203); // as abandoned
    free_use(use);

    oc = launch(&u); // the machine slept
    use = last_use;
    begin(oc);
    tick_after(2000);
    tick_after(200000);
    turn();
    assert_int_equal(learned_of(), 203);
    free_use(use);
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn();
    free_use(open_use);
}

static void test_limits_by_length(void **state)
{
    (void)state;
    static const struct {
        enum origin_purpose purpose;
        unsigned hops;
        uint64_t within_ms, after_ms;
    } cases[] = {
        {ORIGIN_GENERAL, 3, 60000, 60001},        {ORIGIN_DIRECTORY, 1, 60000, 60001},
        {ORIGIN_CLIENT_REND, 4, 101000, 101001},  {ORIGIN_SERVICE_INTRO, 4, 91000, 91001},
        {ORIGIN_SERVICE_REND, 5, 101000, 101001},
    };
    struct user o;
    struct guard_use *open_use;
    open_one(&o, &open_use);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct user u;
        path_hops = cases[i].hops;
        struct origin_circuit *oc = launch_for(cases[i].purpose, &u);
        struct guard_use *use = last_use;
        begin(oc);
        tick_after(cases[i].within_ms);
        turn();
        assert_int_equal(u.closed, 0);
        tick_after(cases[i].after_ms - cases[i].within_ms);
        turn();
        assert_int_equal(u.closed, 1);
        assert_int_equal(u.reason, DESTROY_TIMEOUT);
        assert_int_equal(use->failed, 1);
        free_use(use);
    }
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn();
    free_use(open_use);
}

static void test_extended(void **state)
{
    (void)state;
    static const struct own_circuit_hop hop = {.cgo = true};
    struct user u, o;
    struct guard_use *use, *open_use;
    struct origin_circuit *oc = open_one(&u, &use);
    open_one(&o, &open_use);
    for (unsigned i = 0; i < 2; i++) {
        clock_ms += 500000;
        assert_true(origin_circuit_extend(oc, &hop));
        assert_int_equal(origin_circuit_state(oc), ORIGIN_BUILDING);
        assert_false(origin_circuit_extend(oc, &hop));
        assert_true(origin_circuit_request(oc)->last.cgo);
        tick_after(41000); // 4 links of 6, of the time to measure
        assert_int_equal(u.closed, 0);
        if (i == 0)
            build(oc);
        else
            tick_after(1);
        turn();
    }
    assert_int_equal(u.opened, 2);
    assert_int_equal(use->succeeded, 1);
    assert_int_equal(use->counts[GUARD_CIRCUIT_SUCCESS], 1);
    assert_int_equal(u.closed, 1);
    free_use(use);
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn();
    free_use(open_use);
}

static void test_wants_to_measure(void **state)
{
    (void)state;
    struct user u;
    assert_true(origin_circuits_want_measure(origin.circuits));
    struct origin_circuit *oc = launch_for(ORIGIN_MEASURE, &u);
    struct guard_use *use = last_use;
    assert_false(origin_circuits_want_measure(origin.circuits));
    build_all(oc);
    turn();
    assert_int_equal(learned_of(), 1);
    assert_int_equal(u.opened, 0);
    assert_int_equal(u.closed, 1);
    clock_ms += 10001;
    assert_true(origin_circuits_want_measure(origin.circuits));
    learn(100, 50);
    assert_false(origin_circuits_want_measure(origin.circuits));
    free_use(use);
}

// ---- path bias

static void test_bias_of_building(void **state)
{
    (void)state;
    struct user u;
    struct origin_circuit *oc = launch(&u);
    struct guard_use *use = last_use;
    begin(oc);
    build(oc);
    assert_int_equal(use->counts[GUARD_CIRCUIT_ATTEMPT], 0);
    build(oc); // as long as cells can be marked, the last hop counts
    assert_int_equal(use->counts[GUARD_CIRCUIT_ATTEMPT], 1);
    assert_int_equal(use->counts[GUARD_CIRCUIT_SUCCESS], 0);
    network_closes(oc, DESTROY_DESTROYED);
    for (unsigned i = GUARD_CIRCUIT_SUCCESS; i < COUNTS; i++)
        assert_int_equal(use->counts[i], 0);
    free_use(use);

    oc = launch(&u); // the second hop's answer is wrong
    use = last_use;
    begin(oc);
    build(oc);
    own_circuit_close(origin_circuit_circuit(oc), DESTROY_PROTOCOL);
    turn();
    assert_int_equal(use->counts[GUARD_CIRCUIT_ATTEMPT], 1);
    free_use(use);
}

static void test_bias_of_unused(void **state)
{
    (void)state;
    static const struct {
        bool by_network;
        enum destroy_reason reason;
        bool collapsed;
    } cases[] = {{true, DESTROY_FINISHED, true},
                 {false, DESTROY_CHANNEL_CLOSED, true},
                 {false, DESTROY_FINISHED, false}};
    for (unsigned i = 0; i < 3; i++) {
        struct user u;
        struct guard_use *use;
        struct origin_circuit *oc = open_one(&u, &use);
        assert_int_equal(use->counts[GUARD_CIRCUIT_SUCCESS], 1);
        origin_circuit_circuit(oc)->own->by_network = cases[i].by_network;
        own_circuit_close(origin_circuit_circuit(oc), cases[i].reason);
        turn();
        assert_int_equal(use->counts[GUARD_CIRCUIT_COLLAPSED], cases[i].collapsed);
        assert_int_equal(use->counts[GUARD_CIRCUIT_CLOSED], !cases[i].collapsed);
        free_use(use);
    }
}

static void test_bias_of_used(void **state)
{
    (void)state;
    struct user u;
    struct guard_use *use;
    struct origin_circuit *oc = open_one(&u, &use);
    origin_circuit_note_use(oc, false);
    origin_circuit_note_use(oc, false);
    assert_int_equal(use->counts[GUARD_USE_ATTEMPT], 1);
    origin_circuit_note_use(oc, true);
    assert_int_equal(use->counts[GUARD_USE_SUCCESS], 0);
    network_closes(oc, DESTROY_DESTROYED);
    assert_int_equal(use->counts[GUARD_USE_SUCCESS], 1);
    assert_int_equal(use->counts[GUARD_CIRCUIT_CLOSED], 1);
    free_use(use);

    oc = open_one(&u, &use); // in vain, and it can't be probed any more
    origin_circuit_note_use(oc, true);
    origin_circuit_note_detached(oc);
    network_closes(oc, DESTROY_DESTROYED);
    assert_int_equal(use->counts[GUARD_USE_ATTEMPT], 1);
    assert_int_equal(use->counts[GUARD_USE_SUCCESS], 0);
    assert_int_equal(use->counts[GUARD_CIRCUIT_UNUSABLE], 1);
    free_use(use);
}

static void test_bias_is_not_counted(void **state)
{
    (void)state;
    static const enum origin_purpose purposes[] = {ORIGIN_CLIENT_INTRO, ORIGIN_SERVICE_REND,
                                                   ORIGIN_DIRECTORY, ORIGIN_GENERAL};
    for (unsigned i = 0; i < 4; i++) {
        struct user u;
        path_hops = purposes[i] == ORIGIN_DIRECTORY ? 1 : 3;
        struct origin_circuit *oc = launch_for(purposes[i], &u);
        struct guard_use *use = last_use;
        build_all(oc);
        if (i == 3) // becomes one of those
            origin_circuit_set_user(oc, ORIGIN_CLIENT_INTRO, &ops, &u);
        origin_circuit_note_use(oc, true);
        network_closes(oc, DESTROY_DESTROYED);
        for (unsigned k = i == 3 ? GUARD_CIRCUIT_CLOSED : 0; k < COUNTS; k++)
            assert_int_equal(use->counts[k], 0);
        free_use(use);
    }
}

enum probe_answer {
    RIGHT,
    WRONG_ADDRESS,
    WRONG_REASON,
    SHORT,
    CONNECTED,
    NONE,
    DESTROYED,
    ANSWERS
};

static void answer_probe(struct origin_circuit *oc, enum probe_answer answer)
{
    struct stream *s = origin_circuit_circuit(oc)->own->stream;
    unsigned a, b, c;
    assert_int_equal(sscanf(s->begin, "0.%u.%u.%u:25", &a, &b, &c), 3);
    uint8_t address[4] = {0, (uint8_t)a, (uint8_t)b, (uint8_t)c};
    switch (answer) {
    case WRONG_ADDRESS:
        address[3] ^= 1;
        end_probe(s, END_EXITPOLICY, address);
        break;
    case RIGHT:
        end_probe(s, END_EXITPOLICY, address);
        break;
    case WRONG_REASON:
        end_probe(s, END_MISC, address);
        break;
    case SHORT:
        s->own->stream = NULL;
        s->ops->closed(s, END_EXITPOLICY);
        free(s);
        break;
    case CONNECTED:
        s->ops->connected(s, address, 4);
        break;
    case NONE:
        tick_after(60000);
        break;
    default:
        origin_circuit_circuit(oc)->own->by_network = true;
        own_circuit_close(origin_circuit_circuit(oc), DESTROY_DESTROYED);
        break;
    }
}

static void test_probe(void **state)
{
    (void)state;
    for (enum probe_answer answer = RIGHT; answer < ANSWERS; answer++) {
        struct user u;
        struct guard_use *use;
        struct origin_circuit *oc = open_one(&u, &use);
        origin_circuit_note_use(oc, false);
        origin_circuit_close(oc);
        turn();
        assert_int_equal(n_circuits, 1);
        assert_int_equal(origin_circuit_state(oc), ORIGIN_CLOSED);
        tick_after(1000);
        turn();
        assert_int_equal(n_circuits, 1);
        answer_probe(oc, answer);
        turn();
        assert_int_equal(n_circuits, 0);
        assert_int_equal(use->counts[GUARD_USE_SUCCESS], answer == RIGHT);
        assert_int_equal(use->counts[GUARD_CIRCUIT_UNUSABLE], answer != RIGHT);
        assert_int_equal(u.closed, 0);
        free_use(use);
    }
}

// 13.22: the probe can't be sent, or sending it is what ends the circuit; it ends once, and whoever
// closes it once more closes nothing.
static void test_probe_that_fails(void **state)
{
    (void)state;
    struct user u;
    struct guard_use *use;
    for (unsigned i = 0; i < 2; i++) {
        struct origin_circuit *oc = open_one(&u, &use);
        origin_circuit_note_use(oc, false);
        no_streams = i == 0;
        origin_circuit_close(oc);
        no_streams = false;
        origin_circuit_close(oc);
        if (i == 1) { // the worker has no room in its queue
            own_circuit_close(origin_circuit_circuit(oc), DESTROY_RESOURCELIMIT);
            origin_circuit_close(oc);
            tick_after(60000); // when an unanswered probe would be given up
        }
        turn();
        assert_int_equal(n_circuits, 0);
        assert_int_equal(use->counts[GUARD_CIRCUIT_UNUSABLE], 1);
        assert_int_equal(use->counts[GUARD_USE_SUCCESS], 0);
        assert_int_equal(u.closed, 0);
        free_use(use);
    }
}

static void test_shutdown_while_probing(void **state)
{
    (void)state;
    struct user u;
    struct guard_use *use;
    struct origin_circuit *oc = open_one(&u, &use);
    origin_circuit_note_use(oc, false);
    origin_circuit_close(oc);
    origin_circuits_free(origin.circuits);
    origin.circuits = NULL;
    turn(); // the probe's stream ends after the circuit
    free_use(use);
}

// ---- padding machines (4.34, 4.35)

static bool negotiated(struct origin_circuit *oc, unsigned hop, const char *body, uint16_t length)
{
    struct circuit *c = origin_circuit_circuit(oc);
    struct message *m = calloc(1, sizeof(*m) + 16);
    m->relay.command = RELAY_PADDING_NEGOTIATED;
    m->relay.hop = (uint8_t)hop;
    m->length = length;
    memcpy(m->payload, body, length);
    bool taken = c->own->ops->message(c, m);
    free(m);
    return taken;
}

static void test_padding_of_introduction(void **state)
{
    (void)state;
    struct user u;
    path_hops = 4;
    struct origin_circuit *oc = launch_for(ORIGIN_CLIENT_INTRO, &u);
    struct guard_use *use = last_use;
    assert_false(origin_circuit_start_padding(oc, PADDING_INTRODUCTION)); // not yet
    build_all(oc);
    assert_true(origin_circuit_start_padding(oc, PADDING_INTRODUCTION));
    assert_false(origin_circuit_start_padding(oc, PADDING_INTRODUCTION));
    struct own_circuit *own = origin_circuit_circuit(oc)->own;
    assert_int_equal(own->n_sent, 1);
    assert_int_equal(own->sent[0].hop, 2);
    assert_int_equal(own->sent[0].command, RELAY_PADDING_NEGOTIATE);
    assert_int_equal(own->sent[0].length, 8);
    assert_memory_equal(own->sent[0].body, "\0\2\0\0\0\0\0\1", 8);
    assert_true(negotiated(oc, 2, "\0\2\1\0\0\0\0\1", 8));
    assert_false(negotiated(oc, 3, "\0\2\1\0\0\0\0\1", 8));
    assert_false(negotiated(oc, 2, "\0\2\1\0\0\0\0", 7));
    assert_false(negotiated(oc, 2, "\0\3\1\0\0\0\0\1", 8));
    origin_circuit_close(oc); // its end would be seen
    turn();
    assert_int_equal(n_circuits, 1);
    tick_after(1000);
    assert_true(negotiated(oc, 2, "\0\1\1\1\0\0\0\1", 8)); // of another
    turn();
    assert_int_equal(n_circuits, 1);
    assert_true(negotiated(oc, 2, "\0\1\1\0\0\0\0\1", 8));
    turn();
    assert_int_equal(n_circuits, 0);
    free_use(use);
}

static void test_padding_of_rendezvous(void **state)
{
    (void)state;
    struct user u;
    path_hops = 4;
    struct origin_circuit *oc = launch_for(ORIGIN_CLIENT_REND, &u);
    struct guard_use *use = last_use;
    build_all(oc);
    assert_true(origin_circuit_start_padding(oc, PADDING_RENDEZVOUS));
    struct own_circuit *own = origin_circuit_circuit(oc)->own;
    assert_int_equal(own->n_sent, 2);
    assert_memory_equal(own->sent[0].body, "\0\2\1\0\0\0\0\1", 8);
    assert_int_equal(own->sent[1].command, RELAY_DROP);
    assert_int_equal(own->sent[1].hop, 2);
    assert_true(negotiated(oc, 2, "\0\2\2\1\0\0\0\1", 8)); // it does not want one
    assert_false(origin_circuit_start_padding(oc, PADDING_RENDEZVOUS));
    assert_int_equal(own->n_sent, 2);
    origin_circuit_close(oc);
    turn();
    assert_int_equal(n_circuits, 0);
    free_use(use);
}

static void test_no_padding(void **state)
{
    (void)state;
    struct user u;
    struct guard_use *use;
    struct origin_circuit *oc = open_one(&u, &use);
    struct own_circuit *own = origin_circuit_circuit(oc)->own;
    own->path.hops[1].padding = false;
    assert_false(origin_circuit_start_padding(oc, PADDING_RENDEZVOUS));
    own->path.hops[1].padding = true;
    set_parameter("circpad_padding_disabled", 1);
    assert_false(origin_circuit_start_padding(oc, PADDING_RENDEZVOUS));
    assert_int_equal(own->n_sent, 0);
    origin_circuit_close(oc);
    turn();
    free_use(use);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_opens_and_closes),
        TEST(test_cannot_launch),
        TEST(test_another_user),
        TEST(test_messages),
        TEST(test_guard_is_to_blame),
        TEST(test_closed_while_building),
        TEST(test_waits_for_better_guards),
        TEST(test_waiting_close_each_other),
        TEST(test_without_guard),
        TEST(test_four_hops_count_at_the_third),
        TEST(test_nothing_is_open),
        TEST(test_too_slow),
        TEST(test_limits_by_length),
        TEST(test_extended),
        TEST(test_wants_to_measure),
        TEST(test_bias_of_building),
        TEST(test_bias_of_unused),
        TEST(test_bias_of_used),
        TEST(test_bias_is_not_counted),
        TEST(test_probe),
        TEST(test_probe_that_fails),
        TEST(test_shutdown_while_probing),
        TEST(test_padding_of_introduction),
        TEST(test_padding_of_rendezvous),
        TEST(test_no_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
