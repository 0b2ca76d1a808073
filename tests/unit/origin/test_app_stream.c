// SPDX-License-Identifier: BSD-3-Clause
// An application's stream from its request to its end: what exits say, circuits that do not answer
// or die, and users who leave, at every moment (protocol 9.31, 9.32).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "use_world.h"

struct app {
    struct app_stream *stream; // NULL: `closed` was called
    unsigned connected, resolved, closed;
    struct app_answer answers[APP_ANSWERS_MAX];
    unsigned n_answers;
    size_t to_send, produced; // it has so much; the bytes count up
    bool ends;                // when all is sent
    size_t received;
    enum end_reason reason;
    enum app_failure failure;
    unsigned onion_failure;
    bool close_when_connected, close_on_data, close_when_resolved;
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void on_connected(struct app_stream *s)
{
    struct app *a = app_stream_user(s);
    a->connected++;
    if (a->close_when_connected)
        app_stream_close(s);
}

static void on_resolved(struct app_stream *s, const struct app_answer *answers, unsigned n)
{
    struct app *a = app_stream_user(s);
    a->resolved++;
    a->n_answers = n;
    memcpy(a->answers, answers, n * sizeof(*answers));
    if (a->close_when_resolved)
        app_stream_close(s);
}

static void on_data(struct app_stream *s, const uint8_t *bytes, size_t length)
{
    struct app *a = app_stream_user(s);
    assert_true(a->connected && bytes && length > 0);
    a->received += length;
    if (a->close_on_data)
        app_stream_close(s);
}

static int on_produce(struct app_stream *s, uint8_t *out, size_t capacity)
{
    struct app *a = app_stream_user(s);
    size_t left = a->to_send - a->produced, n = left < capacity ? left : capacity;
    for (size_t i = 0; i < n; i++)
        out[i] = byte_at(a->produced + i);
    a->produced += n;
    return n == 0 && a->ends ? STREAM_END : (int)n;
}

static void on_closed(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    struct app *a = app_stream_user(s);
    assert_ptr_equal(a->stream, s);
    a->stream = NULL;
    a->closed++;
    a->reason = reason;
    a->failure = failure;
    a->onion_failure = app_stream_onion_failure(s);
    app_stream_close(s); // it does nothing
    app_stream_wake(s);
}

static const struct app_stream_ops ops = {.connected = on_connected,
                                          .resolved = on_resolved,
                                          .data = on_data,
                                          .produce = on_produce,
                                          .closed = on_closed};

static void open_request(struct app *a, const struct app_request *r)
{
    a->stream = app_stream_open(&world.origin, r, &ops, a);
    assert_non_null(a->stream);
    assert_int_equal(a->closed, 0); // not from inside
}

static struct app_request request_of(enum app_command command, const char *host)
{
    struct app_request r = {.command = command, .port = 443, .ipv4 = true, .ipv6 = true};
    snprintf(r.host, sizeof(r.host), "%s", host);
    return r;
}

static void open_app(struct app *a, enum app_command command, const char *host)
{
    struct app_request r = request_of(command, host);
    open_request(a, &r);
}

// On a circuit, which has not answered.
static struct stream *begun(struct app *a, enum app_command command, const char *host)
{
    open_app(a, command, host);
    world_run();
    world_open_all();
    struct stream *s = world_stream();
    assert_non_null(s);
    assert_non_null(a->stream);
    return s;
}

// Another circuit has it.
static struct stream *begun_again(struct stream *before)
{
    world_open_all();
    struct stream *s = world_stream();
    assert_ptr_not_equal(s, before);
    return s;
}

// Whoever is not there any more when the world ends leaves before.
static void leave(struct app *a)
{
    if (a->stream)
        app_stream_close(a->stream);
    world_run();
    assert_int_equal(a->closed, 1);
}

static void expect_closed(const struct app *a, enum end_reason reason, enum app_failure failure)
{
    assert_null(a->stream);
    assert_int_equal(a->closed, 1);
    assert_int_equal(a->reason, reason);
    assert_int_equal(a->failure, failure);
}

static int open_world(void **state)
{
    (void)state;
    world_open(4);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close();
    return 0;
}

// ---- the whole way

static void test_connects(void **state)
{
    struct app a = {.to_send = 1000};
    (void)state;
    open_app(&a, APP_CONNECT, "Example.com");
    assert_int_equal(world.launched, 0); // later
    world_run();
    assert_int_equal(world.launched, 1);
    struct origin_circuit *oc = world_circuit(ORIGIN_BUILDING);
    assert_int_equal(oc->request.n_ports, 1);
    assert_int_equal(oc->request.ports[0], 443);
    assert_false(oc->request.stable);
    world_circuit_opens(oc);
    world_run();
    struct stream *s = world_stream();
    assert_int_equal(s->command, RELAY_BEGIN);
    assert_memory_equal(s->body, "example.com:443\0\0\0\0\1", 20);
    assert_int_equal(oc->uses, 1);
    assert_int_equal(oc->successes, 0);
    // Before the answer, too.
    assert_int_equal(world_produce(s, 600), 600);
    world_connected(s, "\1\2\3\4\0\0\0\74", 8);
    assert_int_equal(a.connected, 1);
    assert_int_equal(oc->successes, 1);
    assert_int_equal(world_produce(s, 10000), 400);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(s->sent[i], byte_at(i));
    a.to_send = 1500;
    app_stream_wake(a.stream);
    assert_int_equal(world_produce(s, 10000), 500);
    s->ops->data(s, (const uint8_t *)"hello", 5);
    assert_int_equal(a.received, 5);
    app_stream_set_held(a.stream, 5);
    assert_int_equal(s->held, 5);
    world_end_reason(s, END_DONE);
    expect_closed(&a, END_DONE, APP_FAILED_END);
    assert_int_equal(world.relay.counters.app_streams, 1);
    assert_int_equal(world.relay.counters.app_streams_connected, 1);
    assert_int_equal(world.relay.counters.app_streams_failed, 0);
    assert_int_equal(world.relay.counters.app_streams_retried, 0);
}

static void expect_refused(const char *host, enum app_command command, enum app_failure failure)
{
    struct app a = {0};
    open_app(&a, command, host);
    world_run();
    assert_int_equal(a.closed, 1);
    assert_int_equal(a.failure, failure);
    assert_int_equal(world.launched, 0);
}

static void test_refuses(void **state)
{
    (void)state;
    expect_refused("abc.onion", APP_CONNECT, APP_FAILED_ONION);
    expect_refused("abc.onion", APP_RESOLVE, APP_FAILED_REFUSED);
    expect_refused("abc.exit", APP_CONNECT, APP_FAILED_REFUSED);
    expect_refused("10.0.0.1", APP_CONNECT, APP_FAILED_REFUSED);
    expect_refused("localhost", APP_CONNECT, APP_FAILED_REFUSED);
    expect_refused("10.0.0.1", APP_RESOLVE_PTR, APP_FAILED_RESOLVE_NOW);
    assert_int_equal(world.relay.counters.drop_app_stream_refused, 6);
    world.config.testing_network = true;
    struct app a = {0};
    begun(&a, APP_CONNECT, "10.0.0.1");
    leave(&a);
}

// ---- onion services

#define ONION "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"

// A circuit that the service is at the end of.
static struct origin_circuit *onion_circuit(void)
{
    struct path_request request = {.kind = PATH_VANGUARDS};
    static const struct origin_circuit_ops none = {0};
    struct origin_circuit *oc;
    assert_int_equal(
        origin_circuit_launch(&world.origin, ORIGIN_CLIENT_REND, &request, &none, NULL, &oc, NULL),
        0);
    oc->state = ORIGIN_OPEN;
    world.onion_circuit = oc;
    world.onion_outlook = ONION_FOUND;
    return oc;
}

static struct stream *begun_onion(struct app *a)
{
    world.onion_outlook = ONION_WAIT;
    open_app(a, APP_CONNECT, "www." ONION);
    world_run();
    assert_int_equal(world.onion_asked, 1);
    assert_int_equal(world.onion_since_ms, world.now_ms);
    assert_int_equal(world.onion_identity[0], 0x79); // "pg…"
    onion_circuit();
    app_streams_look(world.origin.streams);
    world_run();
    assert_int_equal(world.onion_attached, 1);
    assert_non_null(world_stream());
    return world_stream();
}

static void end_onion(void)
{
    world_circuit_dies_silently(world.onion_circuit);
}

static void test_onion_connects(void **state)
{
    struct app a = {.to_send = 100};
    (void)state;
    struct stream *s = begun_onion(&a);
    // Who is asked for is not said: the service knows.
    assert_int_equal(s->body_length, 5);
    assert_string_equal((const char *)s->body, ":443");
    assert_int_equal(world_produce(s, 100), 100);
    world_connected(s, "\12\0\0\1\0\0\0\0", 8); // which would be a private address
    assert_int_equal(a.connected, 1);
    world_end_reason(s, END_DONE);
    expect_closed(&a, END_DONE, APP_FAILED_END);
    end_onion();
}

static void test_onion_fails(void **state)
{
    struct app a = {0}, b = {0};
    (void)state;
    world.onion_outlook = ONION_FAILED;
    world.onion_failure = ONION_AUTH_WRONG;
    open_app(&a, APP_CONNECT, ONION);
    unsigned failure = app_stream_onion_failure(a.stream);
    assert_int_equal(failure, 0);
    world_run();
    expect_closed(&a, END_RESOLVEFAILED, APP_FAILED_ONION);
    assert_int_equal(a.onion_failure, ONION_AUTH_WRONG);
    assert_int_equal(world.launched, 0); // no exit is asked
    // An answer never comes.
    world.onion_outlook = ONION_WAIT;
    open_app(&b, APP_CONNECT, ONION);
    world_pass(119 * 1000);
    assert_int_equal(b.closed, 0);
    world_pass(2 * 1000);
    expect_closed(&b, END_TIMEOUT, APP_FAILED_ONION);
    assert_int_equal(b.onion_failure, ONION_RENDEZVOUS_FAILED);
}

// Proofs of work take their time.
static void test_onion_with_work(void **state)
{
    struct app a = {0};
    (void)state;
    world.onion_outlook = ONION_WAIT;
    world.onion_takes_longer = true;
    open_app(&a, APP_CONNECT, ONION);
    world_pass(29 * 60 * 1000);
    assert_int_equal(a.closed, 0);
    world_pass(61 * 1000);
    expect_closed(&a, END_TIMEOUT, APP_FAILED_ONION);
}

// Nobody else has it: what the service says counts, whatever it is.
static void test_onion_refuses(void **state)
{
    static const enum end_reason reasons[] = {END_MISC, END_EXITPOLICY,     END_RESOLVEFAILED,
                                              END_DONE, END_CONNECTREFUSED, END_RESOURCELIMIT};
    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct app a = {0};
        world.onion_asked = world.onion_attached = 0;
        world_end_reason(begun_onion(&a), reasons[i]);
        expect_closed(&a, reasons[i], APP_FAILED_END);
        assert_int_equal(world.onion_circuit->detached, 0);
        end_onion();
    }
}

static void test_onion_circuit_dies(void **state)
{
    struct app a = {0};
    (void)state;
    begun_onion(&a);
    end_onion();
    world.onion_outlook = ONION_WAIT;
    world_run();
    assert_int_equal(a.closed, 0); // it waits for another one
    assert_int_equal(world.onion_since_ms, world.now_ms);
    onion_circuit();
    app_streams_look(world.origin.streams);
    world_run();
    assert_int_equal(world.onion_attached, 2);
    // This one does not answer.
    world_pass(121 * 1000);
    expect_closed(&a, END_TIMEOUT, APP_FAILED_END);
    assert_int_equal(world.onion_failed, 1);
    end_onion();
}

static void test_onion_circuit_is_full(void **state)
{
    struct app a = {0};
    (void)state;
    world.no_streams = true;
    onion_circuit();
    open_app(&a, APP_CONNECT, ONION);
    world_pass(5000);
    expect_closed(&a, END_RESOURCELIMIT, APP_FAILED_MEMORY);
    assert_int_equal(world.onion_failed, 3);
    end_onion();
}

static void test_address_resolves_to_itself(void **state)
{
    struct app a = {0};
    (void)state;
    open_app(&a, APP_RESOLVE, "1.2.3.4");
    assert_int_equal(a.resolved, 0);
    world_run();
    assert_int_equal(a.resolved, 1);
    assert_int_equal(address_ipv4_host(&a.answers[0].address), 0x01020304);
    assert_int_equal(a.closed, 1);
    assert_int_equal(world.launched, 0);
    struct app b = {0}; // unless it was closed before
    open_app(&b, APP_RESOLVE, "1.2.3.4");
    app_stream_close(b.stream);
    world_run();
    assert_int_equal(b.resolved, 0);
    assert_int_equal(b.closed, 1);
}

// ---- answers that are not to be believed

static void expect_connected_refused(const void *body, size_t length, bool v4, bool v6)
{
    struct app a = {0};
    struct app_request r = request_of(APP_CONNECT, "example.com");
    r.ipv4 = v4;
    r.ipv6 = v6;
    open_request(&a, &r);
    world_run();
    world_open_all();
    struct stream *s = world_stream();
    s->ops->connected(s, body, length);
    assert_true(s->end_sent);
    world_run();
    assert_int_equal(a.connected, 0);
    expect_closed(&a, END_TORPROTOCOL, APP_FAILED_END);
}

static void test_connected_elsewhere(void **state)
{
    static const uint8_t v6[25] = {0, 0, 0, 0, 6, 0x20, 1, 4, 0x70, [20] = 1},
                         local6[25] = {0, 0, 0, 0, 6, 0xfe, 0x80, [20] = 1},
                         null6[25] = {0, 0, 0, 0, 6};
    (void)state;
    expect_connected_refused("\12\0\0\1\0\0\0\74", 8, true, true);
    expect_connected_refused("\177\0\0\1", 4, true, true);
    expect_connected_refused("\1\2\3", 3, true, true);
    expect_connected_refused("\1\2\3\4", 4, false, true);
    expect_connected_refused(v6, sizeof(v6), true, false);
    expect_connected_refused(local6, sizeof(local6), true, true);
    expect_connected_refused(null6, sizeof(null6), true, true);
    assert_int_equal(world.relay.counters.drop_exit_answer, 7);
    assert_int_equal(world.relay.counters.app_streams_failed, 7);
    struct app a = {0};
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    world_connected(s, v6, sizeof(v6));
    assert_int_equal(a.connected, 1);
    struct app b = {0};
    s = begun(&b, APP_CONNECT, "example.com");
    world_connected(s, "", 0); // it need not say
    assert_int_equal(b.connected, 1);
    world.config.testing_network = true;
    struct app c = {0};
    s = begun(&c, APP_CONNECT, "example.com");
    world_connected(s, "\12\0\0\1\0\0\0\74", 8);
    assert_int_equal(c.connected, 1);
    app_stream_close(a.stream);
    app_stream_close(b.stream);
    app_stream_close(c.stream);
    world_run();
}

// ---- RESOLVE

static const char both[] = "\x04\x04\x12\x00\x00\x01\0\0\0\x3c"
                           "\x06\x10\x20\x01\x04\x70\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\x3c";

static void expect_answers(bool v4, bool v6, bool prefer_v6, const void *body, size_t length,
                           const char *families)
{
    struct app a = {0};
    struct app_request r = request_of(APP_RESOLVE, "example.com");
    r.ipv4 = v4, r.ipv6 = v6, r.prefer_ipv6 = prefer_v6;
    open_request(&a, &r);
    world_run();
    world_open_all();
    struct stream *s = world_stream();
    assert_int_equal(s->command, RELAY_RESOLVE);
    assert_string_equal(s->body, "example.com");
    world_resolved(s, body, length);
    assert_int_equal(a.closed, 1);
    assert_int_equal(a.resolved, *families != 0);
    assert_int_equal(a.n_answers, strlen(families));
    for (unsigned i = 0; i < a.n_answers; i++)
        assert_int_equal(a.answers[i].address.family, families[i] - '0');
    if (!*families)
        expect_closed(&a, END_RESOLVEFAILED, APP_FAILED_RESOLVE);
    else
        expect_closed(&a, END_DONE, APP_FAILED_END);
}

static void test_resolves(void **state)
{
    (void)state;
    expect_answers(true, true, false, both, sizeof(both) - 1, "46");
    expect_answers(true, true, true, both, sizeof(both) - 1, "64");
    expect_answers(true, false, true, both, sizeof(both) - 1, "4");
    expect_answers(false, true, false, both, sizeof(both) - 1, "6");
    expect_answers(true, true, false, both, 10, "4");
    expect_answers(false, true, false, both, 10, "");
    expect_answers(true, true, false, "", 0, "");
    expect_answers(true, true, false, "\x00\x01x\0\0\0\1", 7, ""); // a name is no address
}

static void expect_resolve_fails(const char *host, enum app_command command, const void *body,
                                 size_t length, enum end_reason reason, enum app_failure failure)
{
    struct app a = {0};
    world_resolved(begun(&a, command, host), body, length);
    assert_int_equal(a.resolved, 0);
    expect_closed(&a, reason, failure);
}

static void test_does_not_resolve(void **state)
{
    (void)state;
    expect_resolve_fails("a.example", APP_RESOLVE, "\xf0\x00\0\0\0\1", 6, END_RESOLVEFAILED,
                         APP_FAILED_RESOLVE_NOW);
    expect_resolve_fails("a.example", APP_RESOLVE, "\xf1\x00\0\0\0\1", 6, END_RESOLVEFAILED,
                         APP_FAILED_RESOLVE);
    expect_resolve_fails("a.example", APP_RESOLVE, "\x04\x04\x0a\x00\x00\x01\0\0\0\x3c", 10,
                         END_RESOLVEFAILED, APP_FAILED_RESOLVE_NOW);
    expect_resolve_fails("a.example", APP_RESOLVE, "\x04\x04\x0a", 3, END_TORPROTOCOL,
                         APP_FAILED_END);
    expect_resolve_fails("1.2.3.4", APP_RESOLVE_PTR, "\x04\x04\x12\x00\x00\x01\0\0\0\x3c", 10,
                         END_RESOLVEFAILED, APP_FAILED_RESOLVE);
    struct app a = {0};
    struct stream *s = begun(&a, APP_RESOLVE_PTR, "1.2.3.4");
    assert_string_equal(s->body, "4.3.2.1.in-addr.arpa");
    world_resolved(s,
                   "\x00\x09"
                   "a.example\0\0\0\1",
                   15);
    assert_int_equal(a.resolved, 1);
    assert_string_equal(a.answers[0].name, "a.example");
    struct app b = {.close_when_resolved = true};
    s = begun(&b, APP_RESOLVE, "a.example");
    world_resolved(s, both, sizeof(both) - 1);
    assert_int_equal(b.closed, 1);
}

// ---- END

// How often it is begun when every exit says this, and what the user hears then.
static unsigned tries_until_end(const void *body, size_t length, struct app *a)
{
    unsigned tries = 0;
    for (struct stream *s = begun(a, APP_CONNECT, "example.com"); s; s = world_stream()) {
        assert_true(++tries < 100);
        world_end(s, body, length);
        world_open_all();
        if (!a->stream)
            break;
    }
    assert_int_equal(a->closed, 1);
    assert_int_equal(a->connected, 0);
    assert_int_equal(world.relay.counters.app_streams_retried, tries - 1);
    return tries;
}

// Each in a world of its own, with 4 exits.
static void expect_tries(uint8_t reason, unsigned tries, unsigned exits_refuse, unsigned retired)
{
    struct app a = {0};
    world_open(4);
    assert_int_equal(tries_until_end(&reason, 1, &a), tries);
    expect_closed(&a, reason, APP_FAILED_END);
    assert_int_equal(world.relay.counters.app_streams_failed, 1);
    unsigned n_retired = 0, successes = 0;
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        n_retired += circuit_pool_info(world.origin.pool, oc).retired;
        successes += oc->successes;
    }
    assert_int_equal(n_retired, retired);
    bool told_nothing =
        reason == END_INTERNAL || reason == END_TORPROTOCOL || reason == END_DESTROY;
    assert_int_equal(successes, told_nothing ? 0 : tries);
    // Another stream is not sent there again, unless there is no other.
    struct app b = {0};
    world.relay.counters.app_streams_retried = 0;
    unsigned launched = world.launched;
    begun(&b, APP_CONNECT, "other.example");
    if (exits_refuse)
        assert_int_equal(world.launched, launched + 1);
    leave(&b);
    world_close();
}

static void test_every_reason(void **state)
{
    (void)state;
    // The exit's own trouble: each exit once, then that is the answer.
    expect_tries(END_HIBERNATING, 4, 4, 0);
    expect_tries(END_RESOURCELIMIT, 4, 4, 0);
    expect_tries(END_EXITPOLICY, 4, 4, 0);
    // Perhaps the destination's: three exits are asked.
    expect_tries(END_RESOLVEFAILED, 3, 0, 2);
    expect_tries(END_MISC, 3, 0, 2);
    expect_tries(END_NOROUTE, 3, 0, 2);
    // The destination's, or against the protocol.
    static const enum end_reason final[] = {END_CONNECTREFUSED, END_DESTROY,     END_DONE,
                                            END_TIMEOUT,        END_INTERNAL,    END_CONNRESET,
                                            END_TORPROTOCOL,    END_NOTDIRECTORY};
    for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
        expect_tries((uint8_t) final[i], 1, 0, 0);
}

static void expect_policy_ends(const char *body, size_t length, bool v4, bool v6)
{
    struct app a = {0};
    struct app_request r = request_of(APP_CONNECT, "example.com");
    r.ipv4 = v4, r.ipv6 = v6;
    open_request(&a, &r);
    world_run();
    world_open_all();
    world_end(world_stream(), body, length);
    expect_closed(&a, END_TORPROTOCOL, APP_FAILED_END);
}

static void test_policy_refuses_an_address(void **state)
{
    (void)state;
    expect_policy_ends("\4\0\0\0\0\0\0\0\74", 9, true, true);
    expect_policy_ends("\4\12\0\0\1\0\0\0\74", 9, true, true);
    expect_policy_ends("\4\1\2\3\4\0\0\0\74", 9, false, true);
    expect_policy_ends("\4\x20\1\4\x70\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\74", 21, true, false);
    // Of an address it says nothing about others: the exit stays in use, not for this stream.
    struct app a = {0}, b = {0};
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    unsigned exit = s->oc->exit;
    world_end(s, "\4\1\2\3\4\0\0\0\74", 9);
    s = begun_again(s);
    assert_int_not_equal(s->oc->exit, exit);
    assert_memory_equal(s->body, "example.com:443", 16); // not the address that it said
    world_pass(2000);
    bool again = false;
    for (unsigned i = 0; i < 4 && !again; i++) {
        struct app_request r = request_of(APP_CONNECT, "example.net");
        r.isolation.group = i + 1;
        memset(&b, 0, sizeof(b));
        open_request(&b, &r);
        world_run();
        world_open_all();
        again = world_stream()->oc->exit == exit;
        app_stream_close(b.stream);
        world_run();
    }
    assert_true(again);
    leave(&a);
}

static void test_no_exit(void **state)
{
    struct app a = {0};
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        world_set_policy(i, "accept 80", "accept 80");
    open_app(&a, APP_CONNECT, "example.com");
    world_run();
    expect_closed(&a, END_MISC, APP_FAILED_NO_CIRCUIT);
    // One that is not refused, only late.
    struct app b = {0};
    world.may_build = false;
    struct app_request r = request_of(APP_CONNECT, "example.com");
    r.port = 80;
    open_request(&b, &r);
    world_pass(60000);
    assert_int_equal(b.closed, 0);
    world.may_build = true;
    world_tick();
    world_open_all();
    world_connected(world_stream(), "", 0);
    assert_int_equal(b.connected, 1);
    leave(&b);
}

// ---- time

static void test_circuits_that_do_not_answer(void **state)
{
    struct app a = {0};
    uint64_t start = world.now_ms;
    static const unsigned at_s[] = {10, 20, 35, 50, 65, 80, 95, 110, 125};
    (void)state;
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    for (size_t i = 0; i < sizeof(at_s) / sizeof(at_s[0]) - 1; i++) {
        struct origin_circuit *oc = s->oc;
        world_pass(at_s[i] * 1000 - (world.now_ms - start) - 1);
        assert_ptr_equal(world_stream(), s);
        world.now_ms++;
        app_streams_tick(world.origin.streams);
        assert_true(s->end_sent);
        assert_true(circuit_pool_info(world.origin.pool, oc).retired);
        assert_int_equal(oc->detached, 1);
        world_run();
        s = begun_again(s);
        assert_ptr_not_equal(s->oc, oc);
    }
    assert_non_null(a.stream);
    assert_int_equal(world.relay.counters.app_streams_timed_out, 8);
    // After two minutes it is not begun again.
    world_pass(30000);
    expect_closed(&a, END_MISC, APP_FAILED_NO_CIRCUIT);
    assert_int_equal(world_count_streams(), 0);
}

static void test_no_circuit_in_time(void **state)
{
    struct app a = {0};
    (void)state;
    world.launch_error = -11; // EAGAIN
    open_app(&a, APP_CONNECT, "example.com");
    world_pass(119000);
    assert_non_null(a.stream);
    world_pass(1000);
    expect_closed(&a, END_TIMEOUT, APP_FAILED_TIMEOUT);
}

static void test_connected_streams_have_time(void **state)
{
    struct app a = {0};
    (void)state;
    world_connected(begun(&a, APP_CONNECT, "example.com"), "", 0);
    world_pass(3600 * 1000);
    assert_non_null(a.stream);
    assert_int_equal(world_count_streams(), 1);
    leave(&a);
}

// ---- what was sent before CONNECTED

static void test_early_bytes_are_sent_again(void **state)
{
    struct app a = {.to_send = 5000};
    (void)state;
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    assert_int_equal(world_produce(s, 3000), 3000);
    world_end_reason(s, END_MISC);
    s = begun_again(s);
    assert_int_equal(world_produce(s, 1000), 1000); // … not all yet
    world_end_reason(s, END_MISC);
    s = begun_again(s);
    assert_int_equal(world_produce(s, 1500), 1500);
    world_connected(s, "", 0);
    a.to_send = 9000;
    app_stream_wake(a.stream);
    assert_int_equal(world_produce(s, 100000), 7500);
    for (size_t i = 0; i < 9000; i++)
        assert_int_equal(s->sent[i], byte_at(i));
    leave(&a);
}

static void test_early_bytes_are_bounded(void **state)
{
    struct app a = {.to_send = 300000};
    (void)state;
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    assert_int_equal(world_produce(s, 300000), APP_OPTIMISTIC_MAX);
    world_end_reason(s, END_MISC);
    s = begun_again(s);
    assert_int_equal(world_produce(s, 300000), APP_OPTIMISTIC_MAX);
    world_connected(s, "", 0);
    assert_int_equal(world_produce(s, 300000), 300000 - APP_OPTIMISTIC_MAX); // it is awake
    for (size_t i = 0; i < 300000; i++)
        assert_int_equal(s->sent[i], byte_at(i));
    leave(&a);
}

static void test_user_ends_early(void **state)
{
    struct app a = {.to_send = 10, .ends = true};
    (void)state;
    struct stream *s = begun(&a, APP_CONNECT, "example.com");
    world_produce(s, 1000);
    world_run();
    assert_int_equal(a.closed, 1);
    assert_int_equal(world.relay.counters.app_streams_retried, 0);
}

// ---- circuits that die

static void test_circuit_dies_waiting(void **state)
{
    struct app a = {0};
    (void)state;
    open_app(&a, APP_CONNECT, "example.com");
    world_run();
    world_circuit_dies(world_circuit(ORIGIN_BUILDING), true);
    world_run();
    assert_int_equal(world.launched, 2);
    world_open_all();
    assert_non_null(world_stream());
    leave(&a);
}

static void test_circuit_dies_begun(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        // Nothing was said: another circuit, but not without end.
        struct app a = {0};
        struct stream *s = begun(&a, APP_CONNECT, "example.com");
        for (unsigned i = 0; i < 2; i++) {
            world_circuit_dies(s->oc, order);
            world_run();
            assert_non_null(a.stream);
            s = begun_again(s);
        }
        world_circuit_dies(s->oc, order);
        expect_closed(&a, END_DESTROY, APP_FAILED_END);
        // Something was: it may have arrived.
        struct app b = {.to_send = 10};
        s = begun(&b, APP_CONNECT, "example.com");
        world_produce(s, 10);
        world_circuit_dies(s->oc, order);
        expect_closed(&b, END_DESTROY, APP_FAILED_END);
    }
}

static void test_circuit_dies_connected(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        struct app a = {0};
        struct stream *s = begun(&a, APP_CONNECT, "example.com");
        world_connected(s, "", 0);
        world_circuit_dies(s->oc, order);
        expect_closed(&a, END_DESTROY, APP_FAILED_END);
    }
}

static void test_no_memory_for_streams(void **state)
{
    struct app a = {0};
    (void)state;
    open_app(&a, APP_CONNECT, "example.com");
    world.no_streams = true;
    world_pass(10000);
    world_open_all();
    world_pass(10000);
    world_open_all();
    world_pass(10000);
    expect_closed(&a, END_RESOURCELIMIT, APP_FAILED_MEMORY);
}

// ---- users who leave

static void test_user_leaves(void **state)
{
    (void)state;
    for (unsigned moment = 0; moment < 8; moment++) {
        struct app a = {.to_send = 100};
        open_app(&a, APP_CONNECT, "example.com");
        if (moment > 0)
            world_run();
        if (moment > 1)
            world_open_all();
        struct stream *s = world_stream();
        if (moment == 3)
            world_produce(s, 100);
        if (moment == 4)
            a.close_when_connected = true;
        if (moment == 5)
            a.close_on_data = true;
        if (moment > 3)
            world_connected(s, "", 0);
        if (moment == 5) {
            s->ops->data(s, (const uint8_t *)"x", 1);
            s->ops->data(s, (const uint8_t *)"y", 1); // came in the same turn
            assert_int_equal(a.received, 1);
        }
        if (moment == 6)
            world_circuit_dies(s->oc, false);
        if (a.stream)
            app_stream_close(a.stream);
        if (a.stream)
            app_stream_close(a.stream); // again
        world_run();
        assert_int_equal(a.closed, 1);
        assert_int_equal(world_count_streams(), 0);
        assert_int_equal(world.relay.counters.app_streams_open, 0);
    }
    assert_int_equal(world.relay.counters.app_streams_failed, 0);
}

static void test_user_leaves_and_exit_answers(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 4; what++) {
        struct app a = {0};
        struct stream *s = begun(&a, what == 3 ? APP_RESOLVE : APP_CONNECT, "example.com");
        app_stream_close(a.stream);
        // The test's streams, unlike real ones, still give what was on the way.
        if (what == 0)
            s->ops->connected(s, (const uint8_t *)"", 0);
        else if (what == 1)
            s->ops->data(s, (const uint8_t *)"x", 1);
        else if (what == 2)
            assert_int_equal(s->ops->produce(s, s->body, 100), 0);
        else
            s->ops->resolved(s, (const uint8_t *)both, sizeof(both) - 1);
        world_run();
        assert_int_equal(a.connected + a.resolved + a.received, 0);
        assert_int_equal(a.closed, 1);
    }
}

static void test_all_end_at_once(void **state)
{
    struct app apps[40] = {0};
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct app_request r = request_of(i % 3 ? APP_CONNECT : APP_RESOLVE, "example.com");
        r.isolation.group = i % 5;
        r.port = (uint16_t)(i % 2 ? 22 : 443);
        open_request(&apps[i], &r);
        if (i == 10)
            world_run();
        if (i == 20) {
            world_open_all();
            for (struct stream *s = TAILQ_FIRST(&world.streams); s; s = TAILQ_NEXT(s, entry))
                if (s->command == RELAY_BEGIN)
                    s->ops->connected(s, (const uint8_t *)"", 0);
        }
        if (i == 30)
            world_run();
    }
    app_streams_free(world.origin.streams);
    world.origin.streams = NULL;
    world_run();
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(apps[i].closed, 1);
    world.origin.streams = app_streams_create(&world.origin);
}

static void test_too_many(void **state)
{
    static struct app apps[APP_STREAMS_MAX];
    (void)state;
    memset(apps, 0, sizeof(apps));
    world.may_build = false;
    for (unsigned i = 0; i < APP_STREAMS_MAX; i++)
        open_app(&apps[i], APP_CONNECT, "example.com");
    struct app_request r = request_of(APP_CONNECT, "example.com");
    assert_null(app_stream_open(&world.origin, &r, &ops, NULL));
    app_stream_close(apps[7].stream);
    world_run();
    struct app a = {0};
    open_app(&a, APP_CONNECT, "example.com");
    leave(&a);
}

// ---- any order

static void look_at(void *user, const struct app_stream_info *info)
{
    unsigned *n = user;
    (*n)++;
    assert_non_null(info->request);
    if (info->circuit)
        assert_int_not_equal(origin_circuit_state(info->circuit), ORIGIN_CLOSED);
}

static struct stream *random_stream(void)
{
    struct stream *s;
    unsigned n = world_count_streams();
    unsigned nth = n ? (unsigned)rand() % n : 0;
    TAILQ_FOREACH(s, &world.streams, entry)
    {
        if (s->circuit && nth-- == 0)
            return s;
    }
    return NULL;
}

static void answer_somehow(struct stream *s)
{
    uint8_t reason = (uint8_t)(1 + rand() % 14);
    static const uint8_t private[] = {10, 0, 0, 1};
    switch (rand() % 8) {
    case 0:
        world_end(s, &reason, 1);
        break;
    case 1:
        if (s->command == RELAY_BEGIN)
            s->ops->connected(s, private, rand() % 5);
        break;
    case 2:
    case 3:
        if (s->command == RELAY_BEGIN)
            s->ops->connected(s, NULL, 0);
        else
            world_resolved(s, both, (size_t)(rand() % (int)sizeof(both)));
        break;
    case 4:
        if (s->command == RELAY_BEGIN)
            s->ops->data(s, (const uint8_t *)"xyz", 3);
        break;
    default:
        world_produce(s, (size_t)(rand() % 2000));
        break;
    }
}

static void do_something(struct app *apps, unsigned n)
{
    struct app *a = &apps[(unsigned)rand() % n];
    struct origin_circuit *oc = world_circuit(rand() % 2 ? ORIGIN_OPEN : ORIGIN_BUILDING);
    struct stream *s = random_stream();
    int what = rand() % 12;
    if (what < 3 && a->stream) {
        app_stream_close(a->stream);
    } else if (what < 3 && !a->stream && a->closed == (a->to_send != 0)) {
        *a = (struct app){.to_send = 1 + (size_t)rand() % 100000, .ends = rand() % 4 == 0};
        struct app_request r = request_of(rand() % 3 ? APP_CONNECT : APP_RESOLVE, "example.com");
        r.isolation.group = (uint32_t)rand() % 3;
        r.port = rand() % 2 ? 80 : 22;
        open_request(a, &r);
    } else if (what == 3 && oc) {
        world_circuit_dies(oc, rand() % 2);
    } else if (what == 4) {
        world_open_all();
    } else if (what == 5) {
        world_pass((uint64_t)(rand() % 20000));
    } else if (what == 6) {
        circuit_pool_new_identity(world.origin.pool);
    } else if (what == 7) {
        world_run();
    } else if (s) {
        answer_somehow(s);
    }
}

static void test_any_order(void **state)
{
    enum { APPS = 30 };
    static struct app apps[APPS];
    (void)state;
    memset(apps, 0, sizeof(apps));
    srand(1);
    for (unsigned i = 0; i < 30000; i++) {
        do_something(apps, APPS);
        unsigned open = 0, seen = 0;
        for (unsigned j = 0; j < APPS; j++) {
            open += apps[j].stream != NULL;
            assert_int_equal(apps[j].closed, apps[j].to_send && !apps[j].stream);
        }
        app_streams_each(world.origin.streams, look_at, &seen);
        assert_int_equal(open, seen);
        assert_int_equal(app_streams_count(world.origin.streams), seen);
    }
    assert_true(world.relay.counters.app_streams_connected > 100);
    assert_true(world.relay.counters.app_streams_retried > 100);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_connects),
        IN_WORLD(test_refuses),
        IN_WORLD(test_onion_connects),
        IN_WORLD(test_onion_fails),
        IN_WORLD(test_onion_with_work),
        IN_WORLD(test_onion_refuses),
        IN_WORLD(test_onion_circuit_dies),
        IN_WORLD(test_onion_circuit_is_full),
        IN_WORLD(test_address_resolves_to_itself),
        IN_WORLD(test_connected_elsewhere),
        IN_WORLD(test_resolves),
        IN_WORLD(test_does_not_resolve),
        cmocka_unit_test(test_every_reason),
        IN_WORLD(test_policy_refuses_an_address),
        IN_WORLD(test_no_exit),
        IN_WORLD(test_circuits_that_do_not_answer),
        IN_WORLD(test_no_circuit_in_time),
        IN_WORLD(test_connected_streams_have_time),
        IN_WORLD(test_early_bytes_are_sent_again),
        IN_WORLD(test_early_bytes_are_bounded),
        IN_WORLD(test_user_ends_early),
        IN_WORLD(test_circuit_dies_waiting),
        IN_WORLD(test_circuit_dies_begun),
        IN_WORLD(test_circuit_dies_connected),
        IN_WORLD(test_no_memory_for_streams),
        IN_WORLD(test_user_leaves),
        IN_WORLD(test_user_leaves_and_exit_answers),
        IN_WORLD(test_all_end_at_once),
        IN_WORLD(test_too_many),
        IN_WORLD(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
