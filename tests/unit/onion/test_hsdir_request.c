// SPDX-License-Identifier: BSD-3-Clause
// Requests to HSDirs, on circuits and streams that only pretend and by a clock that the test turns:
// what is asked, every end that it can have, and how often it is tried.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "crypto/encoding.h"
#include "dir/compress.h"
#include "fake_circuit.h"
#include "onion/directory/hsdir_request.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"

// ---- the clock

static uint64_t now_ms;
static uv_timer_cb ticking;
static uv_timer_t *timer;

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return now_ms;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb tick, uint64_t after, uint64_t repeat)
{
    (void)after, (void)repeat;
    timer = handle;
    ticking = tick;
    return 0;
}

int uv_timer_stop(uv_timer_t *handle)
{
    if (handle == timer)
        ticking = NULL;
    return 0;
}

uint64_t origin_now_ms(const struct origin *origin)
{
    (void)origin;
    return now_ms;
}

static void pass(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        now_ms += 1000;
        if (ticking)
            ticking(timer);
    }
}

// ---- circuits

struct origin_circuit {
    const struct origin_circuit_ops *ops;
    void *user;
    enum origin_purpose purpose;
    struct path_request request;
    bool closed, extended;
    unsigned uses, successes;
};

static struct {
    struct origin_circuit list[16]; // ever
    unsigned n;
    struct origin_circuit ready;
    bool has_ready, no_extend;
    int error;
} circuits;

int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why)
{
    (void)origin;
    if (circuits.error) {
        *why = "the test says so";
        return circuits.error;
    }
    struct origin_circuit *oc = &circuits.list[circuits.n++];
    *oc =
        (struct origin_circuit){.ops = ops, .user = user, .purpose = purpose, .request = *request};
    *out = oc;
    return 0;
}

void origin_circuit_close(struct origin_circuit *oc)
{
    assert_false(oc->closed);
    oc->closed = true;
    oc->ops = NULL;
}

bool origin_circuit_extend(struct origin_circuit *oc, const struct own_circuit_hop *hop)
{
    if (circuits.no_extend)
        return false;
    assert_int_equal(hop->target.rsa_id[0], 7);
    oc->extended = true;
    return true;
}

void origin_circuit_set_user(struct origin_circuit *oc, enum origin_purpose purpose,
                             const struct origin_circuit_ops *ops, void *user)
{
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
}

void *origin_circuit_user(const struct origin_circuit *oc)
{
    return oc->user;
}

struct circuit *origin_circuit_circuit(const struct origin_circuit *oc)
{
    assert_false(oc->closed);
    return (struct circuit *)&fake_circuits;
}

void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded)
{
    oc->uses++;
    oc->successes += succeeded;
}

struct origin_circuit *circuit_pool_take_internal_to(struct circuit_pool *pool,
                                                     const uint8_t rsa_id[20])
{
    (void)pool;
    assert_int_equal(rsa_id[0], 7);
    bool has = circuits.has_ready;
    circuits.has_ready = false;
    return has ? &circuits.ready : NULL;
}

static struct origin_circuit *newest(void)
{
    assert_true(circuits.n > 0);
    return &circuits.list[circuits.n - 1];
}

// ---- the directory

static bool no_keys;

void node_hop(const struct node *n, struct own_circuit_hop *out)
{
    (void)n;
    *out = (struct own_circuit_hop){.has_ntor_key = !no_keys};
    out->target.n_addresses = 1;
    out->target.addresses[0] = address_ipv4(0x0a000001, 9001);
    memset(out->target.rsa_id, 7, 20);
}

// ---- a request and its end

static uv_loop_t loop;
static struct relay relay;
static struct origin origin = {.relay = &relay};
static const struct node dir;
static uint8_t blinded[32];
static struct {
    unsigned calls;
    enum hsdir_result result;
    char text[60000];
    size_t length;
    bool has_text;
} got;

static void done(void *user, enum hsdir_result result, struct blob *text)
{
    assert_ptr_equal(user, &got);
    got.calls++;
    got.result = result;
    got.has_text = text != NULL;
    got.length = text ? text->length : 0;
    if (text)
        memcpy(got.text, text->bytes, text->length);
}

static int set_up(void **state)
{
    (void)state;
    fake_circuits_clear();
    memset(&circuits, 0, sizeof(circuits));
    memset(&got, 0, sizeof(got));
    memset(blinded, 0xfb, 32);
    no_keys = false;
    ticking = NULL;
    now_ms = 1000000;
    uv_loop_init(&loop);
    relay = (struct relay){.loop = &loop};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (fake_circuits.stream.used && fake_circuits.stream.close_asked)
        fake_stream_end(END_DONE);
    assert_false(fake_circuits.stream.used);
    for (unsigned i = 0; i < circuits.n; i++)
        assert_true(circuits.list[i].closed);
    assert_null(ticking);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static struct hsdir_request *fetch(void)
{
    struct hsdir_request *r = hsdir_request_fetch(&origin, &dir, blinded, done, &got, NULL);
    assert_non_null(r);
    assert_int_equal(got.calls, 0);
    return r;
}

static void connect_stream(void)
{
    fake_circuits.stream.ops->connected(&fake_circuits.stream, NULL, 0);
}

static void fetch_connected(void)
{
    (void)fetch();
    newest()->ops->opened(newest());
    connect_stream();
}

static void push(const void *bytes, size_t length)
{
    fake_stream_push(bytes, length, 498);
}

static void push_text(const char *text)
{
    push(text, strlen(text));
}

// The network closes it.
static void die(struct origin_circuit *oc)
{
    const struct origin_circuit_ops *ops = oc->ops;
    oc->closed = true;
    ops->closed(oc, DESTROY_DESTROYED);
}

// The stream that was given up is told of its end, so that there may be another.
static void stream_ends(void)
{
    if (fake_circuits.stream.used)
        fake_stream_end(END_DONE);
}

static void expect(enum hsdir_result result)
{
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.result, result);
    assert_int_equal(got.has_text, got.length > 0);
    stream_ends();
    assert_int_equal(got.calls, 1);
}

// ---- what is asked

static void test_fetch(void **state)
{
    (void)state;
    char head[400], key[BASE64_TEXT_SIZE(32)], wanted[400];
    (void)fetch();
    assert_int_equal(newest()->purpose, ORIGIN_HS_DIR);
    assert_int_equal(newest()->request.kind, PATH_VANGUARDS);
    assert_true(newest()->request.has_last);
    assert_int_equal(newest()->request.last.target.rsa_id[19], 7);
    newest()->ops->opened(newest());
    assert_true(newest()->uses == 1 && newest()->successes == 0);
    size_t n = fake_stream_pull(head, sizeof(head));
    base64_encode(blinded, 32, false, key, sizeof(key));
    assert_int_equal(strlen(key), 43);
    // As C tor's: nothing but this.
    int length = snprintf(wanted, sizeof(wanted),
                          "GET /tor/hs/3/%s HTTP/1.0\r\nHost: 10.0.0.1:9001\r\n\r\n", key);
    assert_int_equal(n, length);
    assert_memory_equal(head, wanted, n);
    connect_stream();
    assert_int_equal(newest()->successes, 1);
    push_text("HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\nhs-descriptor 3\n");
    expect(HSDIR_REQUEST_DONE);
    assert_int_equal(got.length, 16);
    assert_memory_equal(got.text, "hs-descriptor 3\n", 16);
}

static void test_publish(void **state)
{
    (void)state;
    static const char head[] =
        "POST /tor/hs/3/publish HTTP/1.0\r\nHost: 10.0.0.1:9001\r\nContent-Length: 40000\r\n\r\n";
    static char sent[50000];
    struct blob *text = blob_create(NULL, 40000);
    memset(text->bytes, 'x', 40000);
    assert_non_null(hsdir_request_publish(&origin, &dir, text, done, &got, NULL));
    newest()->ops->opened(newest());
    size_t n = fake_stream_pull(sent, sizeof(sent));
    assert_int_equal(n, sizeof(head) - 1 + 40000);
    assert_memory_equal(sent, head, sizeof(head) - 1);
    assert_memory_equal(sent + sizeof(head) - 1, text->bytes, 40000);
    blob_drop(text);
    connect_stream();
    push_text("HTTP/1.0 200 HS descriptor stored successfully.\r\n\r\n");
    expect(HSDIR_REQUEST_DONE);
}

static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum hsdir_result fetched, published;
    } cases[] = {
        {"HTTP/1.0 404 Not found\r\n\r\n", HSDIR_REQUEST_NOT_FOUND, HSDIR_REQUEST_REFUSED},
        {"HTTP/1.0 400 Bad request\r\n\r\n", HSDIR_REQUEST_REFUSED, HSDIR_REQUEST_REFUSED},
        {"HTTP/1.0 503 Service unavailable\r\n\r\n", HSDIR_REQUEST_FAILED, HSDIR_REQUEST_FAILED},
    };
    struct blob *text = blob_create("x", 1);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got.calls = 0;
        fetch_connected();
        push_text(cases[i].answer);
        if (!got.calls)
            fake_stream_end(END_DONE);
        expect(cases[i].fetched);
        got.calls = 0;
        assert_non_null(hsdir_request_publish(&origin, &dir, text, done, &got, NULL));
        newest()->ops->opened(newest());
        connect_stream();
        push_text(cases[i].answer);
        expect(cases[i].published);
    }
    blob_drop(text);
}

// ---- bad answers

static void test_garbage(void **state)
{
    (void)state;
    fetch_connected();
    push_text("SSH-2.0-OpenSSH\r\n\r\n");
    expect(HSDIR_REQUEST_FAILED);
    got.calls = 0;
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nhs-desc");
    fake_stream_end(END_DONE);
    expect(HSDIR_REQUEST_FAILED);
    assert_int_equal(circuits.n, 2); // it has answered: nobody else is asked
}

static void test_too_long(void **state)
{
    (void)state;
    static char text[50001];
    memset(text, 'x', sizeof(text));
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\n\r\n");
    push(text, 50000);
    assert_int_equal(got.calls, 0);
    fake_stream_end(END_DONE);
    expect(HSDIR_REQUEST_DONE);
    assert_int_equal(got.length, 50000);
    got.calls = 0;
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\n\r\n");
    push(text, 50001);
    expect(HSDIR_REQUEST_FAILED);
    got.calls = 0;
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\nContent-Length: 50001\r\n\r\n");
    expect(HSDIR_REQUEST_FAILED);
}

static size_t pack(enum compression kind, const void *bytes, size_t length, uint8_t *out,
                   size_t capacity)
{
    struct compressor *c = compressor_create(kind, COMPRESSOR_QUICK);
    struct compress_step step = {bytes, length, out, capacity};
    assert_non_null(c);
    assert_int_equal(compressor_run(c, &step, true), COMPRESS_END);
    compressor_free(c);
    return capacity - step.out_left;
}

static void fetch_packed(enum compression kind, const char *name, const void *bytes, size_t length)
{
    static uint8_t packed[70000];
    char head[200];
    size_t n = pack(kind, bytes, length, packed, sizeof(packed));
    got.calls = 0;
    fetch_connected();
    snprintf(head, sizeof(head),
             "HTTP/1.0 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", name, n);
    push_text(head);
    push(packed, n);
}

// What C tor reads from who was not asked to pack it, and what it does not.
static void test_packed(void **state)
{
    (void)state;
    static char text[60000];
    memset(text, 'y', sizeof(text));
    fetch_packed(COMPRESSION_DEFLATE, "deflate", text, 30000);
    expect(HSDIR_REQUEST_DONE);
    assert_int_equal(got.length, 30000);
    assert_memory_equal(got.text, text, 30000);
    fetch_packed(COMPRESSION_GZIP, "gzip", text, 30000);
    expect(HSDIR_REQUEST_DONE);
    fetch_packed(COMPRESSION_ZSTD, "x-zstd", text, 30000);
    expect(HSDIR_REQUEST_REFUSED);
    fetch_packed(COMPRESSION_GZIP, "rar", text, 30000);
    expect(HSDIR_REQUEST_REFUSED);
    fetch_packed(COMPRESSION_DEFLATE, "deflate", text, 60000); // more than a descriptor
    expect(HSDIR_REQUEST_REFUSED);
    fetch_packed(COMPRESSION_GZIP, "deflate", text, 100); // not what it says
    expect(HSDIR_REQUEST_REFUSED);
}

// ---- circuits that fail

static void test_silence(void **state)
{
    (void)state;
    // BEGIN_DIR without an answer: another circuit, and another.
    (void)fetch();
    for (unsigned i = 0; i < HSDIR_REQUEST_TRIES; i++) {
        assert_int_equal(circuits.n, i + 1);
        newest()->ops->opened(newest());
        pass(HSDIR_REQUEST_CONNECT_S - 1);
        assert_int_equal(circuits.n, i + 1);
        assert_false(newest()->closed);
        pass(1);
        stream_ends();
        assert_true(circuits.list[i].closed);
        assert_true(circuits.list[i].uses == 1 && circuits.list[i].successes == 0);
    }
    expect(HSDIR_REQUEST_FAILED);
    // A stream without an answer: nobody else.
    got.calls = 0;
    fetch_connected();
    pass(HSDIR_REQUEST_IDLE_S - 1);
    assert_int_equal(got.calls, 0);
    pass(1);
    expect(HSDIR_REQUEST_FAILED);
    // One that drips.
    got.calls = 0;
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\n\r\n");
    for (unsigned i = 0; i < HSDIR_REQUEST_MAX_S; i += HSDIR_REQUEST_IDLE_S / 2) {
        assert_int_equal(got.calls, 0);
        push_text("x");
        pass(HSDIR_REQUEST_IDLE_S / 2);
    }
    expect(HSDIR_REQUEST_FAILED);
    assert_int_equal(circuits.n, HSDIR_REQUEST_TRIES + 2);
}

static void test_circuit_dies(void **state)
{
    (void)state;
    (void)fetch();
    die(newest()); // while it is built
    assert_int_equal(circuits.n, 2);
    newest()->ops->opened(newest());
    die(newest()); // before CONNECTED, and the circuit's user hears of it first
    stream_ends();
    assert_int_equal(circuits.n, 3);
    newest()->ops->opened(newest());
    fake_stream_end(END_DESTROY); // the stream does
    expect(HSDIR_REQUEST_FAILED);

    got.calls = 0;
    fetch_connected();
    die(newest()); // after it
    expect(HSDIR_REQUEST_FAILED);
    assert_int_equal(circuits.n, 4);

    got.calls = 0;
    fetch_connected();
    push_text("HTTP/1.0 200 OK\r\n\r\nhs-desc");
    fake_stream_end(END_DESTROY);
    expect(HSDIR_REQUEST_FAILED);

    got.calls = 0;
    fake_circuits.no_stream = true;
    (void)fetch();
    for (unsigned i = 0; i < HSDIR_REQUEST_TRIES; i++)
        newest()->ops->opened(newest());
    fake_circuits.no_stream = false;
    expect(HSDIR_REQUEST_FAILED);
}

// No circuit is begun once it has taken too long.
static void test_slow_circuits(void **state)
{
    (void)state;
    (void)fetch();
    pass(HSDIR_REQUEST_BEGIN_S);
    die(newest());
    expect(HSDIR_REQUEST_FAILED);
    assert_int_equal(circuits.n, 1);
}

static void test_ready_circuit(void **state)
{
    (void)state;
    circuits.has_ready = true;
    (void)fetch();
    assert_int_equal(circuits.n, 0);
    assert_true(circuits.ready.extended);
    assert_int_equal(circuits.ready.purpose, ORIGIN_HS_DIR);
    die(&circuits.ready); // extending failed: one of its own
    assert_int_equal(circuits.n, 1);
    newest()->ops->opened(newest());
    connect_stream();
    push_text("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx");
    expect(HSDIR_REQUEST_DONE);

    got.calls = 0;
    circuits.ready = (struct origin_circuit){0};
    circuits.has_ready = circuits.no_extend = true;
    (void)fetch();
    assert_true(circuits.ready.closed);
    assert_int_equal(circuits.n, 2);
    die(newest());
    circuits.error = -EAGAIN;
    die(newest());
    expect(HSDIR_REQUEST_FAILED);
}

static void test_no_beginning(void **state)
{
    (void)state;
    const char *why = NULL;
    no_keys = true;
    assert_null(hsdir_request_fetch(&origin, &dir, blinded, done, &got, &why));
    assert_non_null(why);
    no_keys = false;
    why = NULL;
    circuits.error = -ENOBUFS;
    assert_null(hsdir_request_fetch(&origin, &dir, blinded, done, &got, &why));
    assert_string_equal(why, "the test says so");
    assert_int_equal(got.calls, 0);
}

static void test_cancelled(void **state)
{
    (void)state;
    hsdir_request_cancel(fetch());
    struct hsdir_request *r = fetch();
    newest()->ops->opened(newest());
    hsdir_request_cancel(r);
    assert_true(fake_circuits.stream.close_asked);
    stream_ends();
    r = fetch();
    newest()->ops->opened(newest());
    connect_stream();
    push_text("HTTP/1.0 200 OK\r\n\r\nhalf");
    hsdir_request_cancel(r);
    stream_ends();
    hsdir_request_cancel(NULL);
    assert_int_equal(got.calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_fetch),         TEST(test_publish),      TEST(test_statuses),
        TEST(test_garbage),       TEST(test_too_long),     TEST(test_packed),
        TEST(test_silence),       TEST(test_circuit_dies), TEST(test_slow_circuits),
        TEST(test_ready_circuit), TEST(test_no_beginning), TEST(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
