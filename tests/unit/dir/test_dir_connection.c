// SPDX-License-Identifier: BSD-3-Clause
// Requests of ours to directories: what is sent over both ways, every end that an answer can have,
// and that a request which was given up is silent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "connection.h"
#include "dir/client/dir_connection.h"
#include "fake_circuit.h"
#include "relay.h"

// ---- the plain connection

static struct connection dialled;
static bool dialling, close_asked, no_dial;
static char sent[4096];
static size_t sent_length;
static uint64_t consumed;

struct connection *connection_dial(struct relay *relay, const struct address *remote,
                                   const struct connection_ops *ops, void *user)
{
    if (no_dial)
        return NULL;
    assert_false(dialling);
    dialled = (struct connection){.relay = relay, .ops = ops, .user = user, .remote = *remote};
    dialling = true;
    return &dialled;
}

void connection_send(struct connection *c, const void *bytes, size_t length)
{
    assert_ptr_equal(c, &dialled);
    assert_true(length <= sizeof(sent) - sent_length);
    memcpy(sent + sent_length, bytes, length);
    sent_length += length;
}

void connection_consumed(struct connection *c, uint64_t offset)
{
    assert_ptr_equal(c, &dialled);
    consumed = offset;
}

void connection_close(struct connection *c, enum conn_close_reason reason, uint8_t alert)
{
    (void)reason, (void)alert;
    assert_ptr_equal(c, &dialled);
    close_asked = true;
}

// ---- a request and its end

static uv_loop_t loop;
static struct relay relay;
static struct {
    unsigned calls;
    enum dir_result result;
    bool has_why;
    unsigned status;
    char reason[64];
    char encoding[32];
    char *body;
    size_t body_length;
    bool not_new;
} got;

static void done(void *user, const struct dir_answer *answer)
{
    assert_ptr_equal(user, &got);
    got.calls++;
    got.result = answer->result;
    got.has_why = answer->why != NULL;
    got.status = answer->status;
    got.not_new = answer->descriptor_not_new;
    assert_true((answer->result == DIR_ANSWERED) == (answer->body != NULL));
    if (!answer->body)
        return;
    snprintf(got.reason, sizeof(got.reason), "%s", answer->reason);
    if (!dir_answer_header(answer, "content-encoding", got.encoding, sizeof(got.encoding)))
        got.encoding[0] = 0;
    got.body_length = answer->body->length;
    free(got.body);
    got.body = malloc(got.body_length + 1);
    memcpy(got.body, answer->body->bytes, got.body_length);
}

static struct dir_request request_to_or_port(void)
{
    struct dir_request r = {.path = "/tor/x", .body_max = 10000, .timeout_s = 60, .done = done};
    r.user = &got;
    r.target.relay.n_addresses = 1;
    r.target.relay.addresses[0] = address_ipv4(0x0a000001, 9001);
    memset(r.target.relay.rsa_id, 7, 20);
    return r;
}

static struct dir_request request_to_dir_port(void)
{
    struct dir_request r = request_to_or_port();
    r.target.relay.n_addresses = 0;
    r.target.dir_port = address_ipv4(0x0a000001, 9030);
    return r;
}

static int set_up(void **state)
{
    (void)state;
    fake_circuits_clear();
    free(got.body);
    memset(&got, 0, sizeof(got));
    dialling = close_asked = no_dial = false;
    sent_length = 0;
    uv_loop_init(&loop);
    relay = (struct relay){.loop = &loop};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT); // nothing is left that runs
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_null(fake_circuits.request);
    return 0;
}

static void start(const struct dir_request *r)
{
    assert_non_null(dir_connection_start(&relay, r));
    assert_int_equal(got.calls, 0);
}

static void start_stream(void)
{
    struct dir_request r = request_to_or_port();
    start(&r);
    fake_circuit_answer(DESTROY_NONE);
    fake_circuits.stream.ops->connected(&fake_circuits.stream, NULL, 0);
}

static void push(const char *text)
{
    fake_stream_push(text, strlen(text), 7);
}

static void expect(enum dir_result result)
{
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.result, result);
    assert_int_equal(got.has_why, result != DIR_ANSWERED);
    if (fake_circuits.stream.used)
        assert_true(fake_circuits.stream.close_asked);
    if (fake_circuits.stream.used)
        fake_stream_end(END_DONE);
    assert_int_equal(got.calls, 1);
}

// ---- over a circuit

static void test_get(void **state)
{
    (void)state;
    static const char wanted[] =
        "GET /tor/x HTTP/1.0\r\nHost: 10.0.0.1:9001\r\nA: b\r\nC: d\r\n\r\n";
    char text[1000];
    struct dir_request r = request_to_or_port();
    r.headers = "A: b\r\nC: d\r\n";
    r.target.has_ntor_key = true;
    memset(r.target.ntor_key, 9, 32);
    start(&r);
    assert_int_equal(fake_circuits.path.hops[0].ntor_key[31], 9);
    assert_int_equal(fake_circuits.path.hops[0].target.rsa_id[0], 7);
    fake_circuit_answer(DESTROY_NONE);
    size_t n = fake_stream_pull(text, sizeof(text)); // before CONNECTED, too
    assert_int_equal(n, sizeof(wanted) - 1);
    assert_memory_equal(text, wanted, n);
    fake_circuits.stream.ops->connected(&fake_circuits.stream, NULL, 0);
    push("HTTP/1.0 200 OK\r\nContent-Encoding:  x-zstd \r\nContent-Length: 5\r\n\r\nhello");
    expect(DIR_ANSWERED);
    assert_int_equal(got.status, 200);
    assert_string_equal(got.reason, "OK");
    assert_string_equal(got.encoding, "x-zstd");
    assert_int_equal(got.body_length, 5);
    assert_memory_equal(got.body, "hello", 5);
}

static void test_post(void **state)
{
    (void)state;
    char *body = malloc(5000), text[6000];
    memset(body, 'x', 5000);
    struct dir_request r = request_to_or_port();
    r.body = body;
    r.body_length = 5000;
    r.body_max = 0;
    start(&r);
    fake_circuit_answer(DESTROY_NONE);
    size_t n = fake_stream_pull(text, sizeof(text));
    static const char head[] =
        "POST /tor/x HTTP/1.0\r\nHost: 10.0.0.1:9001\r\nContent-Length: 5000\r\n\r\n";
    assert_int_equal(n, sizeof(head) - 1 + 5000);
    assert_memory_equal(text, head, sizeof(head) - 1);
    assert_memory_equal(text + sizeof(head) - 1, body, 5000);
    free(body);
    push("HTTP/1.0 200 ok\r\nX-Descriptor-Not-New: Yes\r\n\r\nwhatever"); // the head is enough
    expect(DIR_ANSWERED);
    assert_true(got.not_new);
    assert_int_equal(got.body_length, 0);
}

// Without a length its end is END, and only the one that says DONE.
static void test_ended(void **state)
{
    (void)state;
    start_stream();
    push("HTTP/1.0 200 OK\n\nall of it");
    assert_int_equal(got.calls, 0);
    fake_stream_end(END_DONE);
    expect(DIR_ANSWERED);
    assert_int_equal(got.body_length, 9);

    got.calls = 0;
    start_stream();
    push("HTTP/1.0 404 Not found\r\n\r\n");
    fake_stream_end(END_DONE);
    expect(DIR_ANSWERED);
    assert_int_equal(got.status, 404);
    assert_int_equal(got.body_length, 0);

    got.calls = 0;
    start_stream();
    push("HTTP/1.0 200 OK\r\n\r\npart of i");
    fake_stream_end(END_DESTROY);
    expect(DIR_BROKEN);
}

static void test_cut_short(void **state)
{
    (void)state;
    start_stream();
    push("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\npart of it");
    fake_stream_end(END_DONE);
    expect(DIR_BROKEN);

    got.calls = 0;
    start_stream();
    push("HTTP/1.0 200 OK\r\nConte");
    fake_stream_end(END_DONE);
    expect(DIR_BROKEN);
}

// What follows the length is no part of it.
static void test_more_than_its_length(void **state)
{
    (void)state;
    const char *text = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabcdef";
    start_stream();
    fake_stream_push(text, strlen(text), 1000);
    expect(DIR_ANSWERED);
    assert_int_equal(got.body_length, 3);
}

static void test_too_long(void **state)
{
    (void)state;
    start_stream();
    push("HTTP/1.0 200 OK\r\nContent-Length: 10001\r\n\r\n"); // known at once
    expect(DIR_TOO_LONG);

    got.calls = 0;
    start_stream();
    push("HTTP/1.0 200 OK\r\n\r\n");
    for (unsigned i = 0; i < 10000 / 8; i++)
        push("12345678");
    assert_int_equal(got.calls, 0);
    push("1");
    expect(DIR_TOO_LONG);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.0 20 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 5x\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: \r\n\r\n",
    };
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        got.calls = 0;
        start_stream();
        push(texts[i]);
        expect(DIR_MALFORMED);
    }
    got.calls = 0;
    start_stream();
    push("HTTP/1.0 200 OK\r\n");
    for (unsigned i = 0; i < HTTP_HEAD_MAX && got.calls == 0; i++)
        push("x");
    expect(DIR_MALFORMED);
}

static void test_unreachable(void **state)
{
    (void)state;
    struct dir_request r = request_to_or_port();
    start(&r);
    fake_circuit_answer(DESTROY_CONNECTFAILED);
    expect(DIR_UNREACHABLE);

    got.calls = 0;
    start(&r);
    fake_circuits.no_stream = true;
    fake_circuit_answer(DESTROY_NONE);
    expect(DIR_UNREACHABLE);
    fake_circuits.no_stream = false;

    got.calls = 0;
    start(&r);
    fake_circuit_answer(DESTROY_NONE);
    fake_stream_end(END_NOTDIRECTORY);
    expect(DIR_UNREACHABLE);

    fake_circuits.refuse = true;
    assert_null(dir_connection_start(&relay, &r));
    r = request_to_dir_port();
    no_dial = true;
    assert_null(dir_connection_start(&relay, &r));
    r.target.dir_port.family = ADDRESS_NONE;
    assert_null(dir_connection_start(&relay, &r));
    assert_int_equal(got.calls, 1);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct dir_request r = request_to_or_port();
    dir_connection_cancel(dir_connection_start(&relay, &r));
    assert_null(fake_circuits.request);

    struct dir_connection *c = dir_connection_start(&relay, &r);
    fake_circuit_answer(DESTROY_NONE);
    dir_connection_cancel(c);
    assert_true(fake_circuits.stream.close_asked);
    fake_stream_end(END_MISC);

    r = request_to_dir_port();
    c = dir_connection_start(&relay, &r);
    dir_connection_cancel(c);
    assert_true(close_asked);
    dialled.ops->connected(&dialled);
    dialled.ops->data(&dialled, 0, (const uint8_t *)"x", 1);
    dialled.ops->closed(&dialled, CONN_CLOSE_DONE);
    assert_int_equal(sent_length, 0);
    dir_connection_cancel(NULL);
    assert_int_equal(got.calls, 0);
}

// ---- over a connection

static void test_dir_port(void **state)
{
    (void)state;
    static const char wanted[] =
        "POST /tor/x HTTP/1.0\r\nHost: 10.0.0.1:9030\r\nContent-Length: 3\r\n\r\nabc";
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nyes";
    struct dir_request r = request_to_dir_port();
    r.body = "abc";
    r.body_length = 3;
    start(&r);
    assert_int_equal(dialled.remote.port, 9030);
    assert_int_equal(sent_length, 0);
    dialled.ops->connected(&dialled);
    assert_int_equal(sent_length, sizeof(wanted) - 1);
    assert_memory_equal(sent, wanted, sent_length);
    dialled.ops->data(&dialled, 0, (const uint8_t *)answer, 10);
    dialled.ops->data(&dialled, 10, (const uint8_t *)answer + 10, sizeof(answer) - 11);
    assert_int_equal(consumed, sizeof(answer) - 1);
    assert_int_equal(got.calls, 0);
    dialled.ops->closed(&dialled, CONN_CLOSE_DONE);
    expect(DIR_ANSWERED);
    assert_int_equal(got.body_length, 3);

    got.calls = 0;
    dialling = false;
    start(&r);
    dialled.ops->closed(&dialled, CONN_CLOSE_REFUSED);
    expect(DIR_UNREACHABLE);

    got.calls = 0;
    dialling = false;
    start(&r);
    dialled.ops->connected(&dialled);
    dialled.ops->data(&dialled, 0, (const uint8_t *)answer, sizeof(answer) - 1);
    dialled.ops->closed(&dialled, CONN_CLOSE_RESET);
    expect(DIR_BROKEN);
}

// The loop's own clock can't be turned: a time of nothing has passed at the first look.
static void test_timeout(void **state)
{
    (void)state;
    struct dir_request r = request_to_or_port();
    r.timeout_s = 0;
    start(&r);
    fake_circuit_answer(DESTROY_NONE);
    uv_run(&loop, UV_RUN_ONCE);
    expect(DIR_TIMEOUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_get),       TEST(test_post),        TEST(test_ended),
        TEST(test_cut_short), TEST(test_too_long),    TEST(test_more_than_its_length),
        TEST(test_malformed), TEST(test_unreachable), TEST(test_cancelled),
        TEST(test_dir_port),  TEST(test_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
