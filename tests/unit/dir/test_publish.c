// SPDX-License-Identifier: BSD-3-Clause
// The publisher against a fake connection layer, in virtual time: what is sent, when it is sent
// again, and what is done with every kind of answer (6.13, 6.14).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "connection.h"
#include "crypto/random.h"
#include "dir/publish/descriptor.h"
#include "dir/publish/publish.h"
#include "fake_circuit.h"
#include "identity/identity.h"
#include "relay.h"
#include "temp_dir.h"

enum { HOUR = 3600, AUTHORITIES = 3, CONNECTIONS_MAX = 8 };

// ---- the fake connection layer

struct fake {
    struct connection c;
    bool used, close_asked;
    char sent[DESCRIPTOR_MAX + EXTRA_INFO_MAX + 512];
    size_t sent_length;
    uint64_t consumed;
    uint64_t offset; // of the stream that the authority sends
};

static struct fake fakes[CONNECTIONS_MAX];
static unsigned dials; // ever
static bool dial_fails;

static struct fake *fake_of(struct connection *c)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (fakes[i].used && &fakes[i].c == c)
            return &fakes[i];
    fail_msg("a connection that is gone was used");
    return NULL;
}

struct connection *connection_dial(struct relay *relay, const struct address *remote,
                                   const struct connection_ops *ops, void *user)
{
    dials++;
    if (dial_fails)
        return NULL;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct fake *f = &fakes[i];
        if (f->used)
            continue;
        memset(f, 0, sizeof(*f));
        f->used = true;
        f->c = (struct connection){
            .relay = relay, .ops = ops, .user = user, .remote = *remote, .dialled = true};
        return &f->c;
    }
    fail_msg("too many connections");
    return NULL;
}

void connection_send(struct connection *c, const void *bytes, size_t length)
{
    struct fake *f = fake_of(c);
    assert_true(c->standing && !f->close_asked);
    assert_true(length <= sizeof(f->sent) - f->sent_length);
    memcpy(f->sent + f->sent_length, bytes, length);
    f->sent_length += length;
}

void connection_consumed(struct connection *c, uint64_t offset)
{
    fake_of(c)->consumed = offset;
}

void connection_close(struct connection *c, enum conn_close_reason reason, uint8_t tls_alert)
{
    (void)reason;
    (void)tls_alert;
    fake_of(c)->close_asked = true;
}

static void fake_connect(struct fake *f)
{
    if (f->close_asked)
        return;
    f->c.standing = true;
    f->c.ops->connected(&f->c);
}

static void fake_closed(struct fake *f, enum conn_close_reason reason)
{
    f->c.standing = false;
    f->c.ops->closed(&f->c, reason);
    f->used = false;
}

static void fake_answer(struct fake *f, const char *text, size_t piece)
{
    size_t length = strlen(text);
    for (size_t at = 0; at < length; at += piece) {
        size_t n = piece < length - at ? piece : length - at;
        f->c.ops->data(&f->c, f->offset, (const uint8_t *)text + at, n);
        f->offset += n;
        assert_int_equal(f->consumed, f->offset);
    }
}

static unsigned open_connections(void)
{
    unsigned n = 0;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        n += fakes[i].used && !fakes[i].close_asked;
    return n;
}

// The connection to an authority, which is told by its port.
static struct fake *to_authority(unsigned i)
{
    for (int j = 0; j < CONNECTIONS_MAX; j++)
        if (fakes[j].used && !fakes[j].close_asked && fakes[j].c.remote.port == 7100 + i)
            return &fakes[j];
    return NULL;
}

static void end_closed(void)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (fakes[i].used && fakes[i].close_asked)
            fake_closed(&fakes[i], CONN_CLOSE_DONE);
}

// ---- a relay around the publisher

static time_t now;
static struct temp_dir dir;
static struct config config;
static struct relay relay;
static uv_loop_t loop;
static struct publisher *publisher;

static time_t virtual_clock(void)
{
    return now;
}

static int set_up(bool testing)
{
    char error[512];
    now = 1700000000;
    dials = 0;
    dial_fails = false;
    memset(fakes, 0, sizeof(fakes));
    fake_circuits_clear();
    memset(&config, 0, sizeof(config));
    memset(&relay, 0, sizeof(relay));
    dir = temp_dir_make();
    uv_loop_init(&loop);
    strcpy(config.nickname, "ramson0");
    config.addresses[0] = address_ipv4(0x0a000002, 9001);
    config.address_count = 1;
    config.or_port = 9001;
    strcpy(config.exit_policy[0], "reject *:*");
    config.exit_policy_count = 1;
    config.bandwidth_rate = 1000000;
    config.bandwidth_burst = 2000000;
    config.testing_network = testing;
    config.directory_authority_count = AUTHORITIES;
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        struct config_authority *a = &config.directory_authorities[i];
        snprintf(a->nickname, sizeof(a->nickname), "auth%u", i);
        a->address = address_ipv4(0x0a000100 + i, 5100);
        a->or_port = 5100;
        a->dir_port = (uint16_t)(7100 + i);
    }
    relay.loop = &loop;
    relay.config = &config;
    relay.wall_clock = virtual_clock;
    relay.identity = identity_load(dir.path, "ramson0", now, error, sizeof(error));
    publisher = relay.identity == NULL ? NULL : publisher_create(&relay);
    relay.publisher = publisher;
    return publisher == NULL ? -1 : 0;
}

static int set_up_testing(void **state)
{
    (void)state;
    return set_up(true);
}

static int set_up_public(void **state)
{
    (void)state;
    return set_up(false);
}

static int tear_down(void **state)
{
    (void)state;
    publisher_free(publisher);
    assert_int_equal(open_connections(), 0);
    end_closed();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    identity_free(relay.identity);
    temp_dir_remove(&dir);
    return 0;
}

// Time passes in steps of a second, or more where nothing is expected.
static void pass(time_t seconds, time_t step)
{
    for (time_t end = now + seconds; now < end;) {
        now += step < end - now ? step : end - now;
        publisher_tick(publisher);
    }
}

static void answer_all(const char *text)
{
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        struct fake *f = to_authority(i);
        assert_non_null(f);
        fake_connect(f);
        fake_answer(f, text, 1000);
    }
    end_closed();
}

// Time passes with authorities that answer at once.
static void pass_answering(time_t seconds, time_t step, const char *text)
{
    for (time_t end = now + seconds; now < end;) {
        pass(step < end - now ? step : end - now, step);
        for (unsigned i = 0; i < AUTHORITIES; i++) {
            struct fake *f = to_authority(i);
            if (f == NULL)
                continue;
            fake_connect(f);
            fake_answer(f, text, 1000);
        }
        end_closed();
    }
}

#define ACCEPT "HTTP/1.0 200 Descriptor accepted\r\nDate: x\r\n\r\n"

static void accept_first(void)
{
    publisher_tick(publisher);
    answer_all(ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_request(void **state)
{
    (void)state;
    publisher_tick(publisher);
    assert_int_equal(open_connections(), AUTHORITIES);
    struct fake *f = to_authority(1);
    assert_int_equal(address_ipv4_host(&f->c.remote), 0x0a000101);
    assert_int_equal(f->sent_length, 0); // not before the connection stands
    fake_connect(f);
    f->sent[f->sent_length] = '\0';
    static const char head[] = "POST /tor/ HTTP/1.0\r\nHost: 10.0.1.1:7101\r\nContent-Length: ";
    assert_memory_equal(f->sent, head, sizeof(head) - 1);
    const char *body = strstr(f->sent, "\r\n\r\n") + 4;
    assert_int_equal(atoi(f->sent + sizeof(head) - 1), strlen(body));
    assert_memory_equal(body, "router ramson0 10.0.0.2 9001 0 0\n", 33);
    const char *extra = strstr(body, "\nextra-info ramson0 ");
    assert_non_null(extra);
    assert_memory_equal(extra - 23, "-----END SIGNATURE-----", 23);
    assert_non_null(strstr(body, "\npublished 2023-11-14 22:13:20\n"));
    assert_non_null(strstr(body, "\nplatform ramson " RAMSON_VERSION " on Linux\n"));
    assert_non_null(strstr(body, "\nreject *:*\ntunnelled-dir-server\nrouter-sig-ed25519 "));
}

static void test_accepted(void **state)
{
    (void)state;
    publisher_tick(publisher);
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        struct fake *f = to_authority(i);
        fake_connect(f);
        fake_answer(f, ACCEPT, i + 1); // in small pieces
        assert_true(f->close_asked);
        // What still comes does no harm.
        f->c.ops->data(&f->c, f->offset, (const uint8_t *)"more", 4);
        assert_int_equal(relay.counters.descriptors_published, i + 1);
    }
    end_closed();
    pass(17 * HOUR, 300);
    assert_int_equal(dials, AUTHORITIES);
    assert_int_equal(relay.counters.drop_publish, 0);
}

// One that has no directory port is asked over its OR port (6.13).
static void test_by_circuit(void **state)
{
    (void)state;
    static char text[DESCRIPTOR_MAX + EXTRA_INFO_MAX + 512];
    struct config_authority *a = &config.directory_authorities[1];
    a->dir_port = 0;
    memset(a->identity, 0x5a, sizeof(a->identity));
    publisher_tick(publisher);
    assert_int_equal(open_connections(), AUTHORITIES - 1);
    assert_int_equal(fake_circuits.asked, 1);
    const struct own_circuit_hop *hop = &fake_circuits.path.hops[0];
    assert_memory_equal(hop->target.rsa_id, a->identity, 20);
    assert_int_equal(hop->target.addresses[0].port, 5100);
    assert_false(hop->has_ntor_key);
    fake_circuit_answer(DESTROY_NONE);
    size_t n = fake_stream_pull(text, sizeof(text) - 1);
    text[n] = 0;
    assert_memory_equal(text, "POST /tor/ HTTP/1.0\r\nHost: 10.0.1.1:5100\r\n", 42);
    const char *body = strstr(text, "\r\n\r\n") + 4;
    assert_memory_equal(body, "router ramson0 10.0.0.2 9001 0 0\n", 33);
    fake_stream_push(ACCEPT, sizeof(ACCEPT) - 1, 5);
    assert_true(fake_circuits.stream.close_asked);
    fake_stream_end(END_MISC);
    assert_int_equal(relay.counters.descriptors_published, 1);

    for (unsigned i = 0; i < AUTHORITIES; i += 2) {
        fake_connect(to_authority(i));
        fake_answer(to_authority(i), ACCEPT, 1000);
    }
    end_closed();
    pass(17 * HOUR, 300);
    assert_int_equal(fake_circuits.asked, 1);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_by_circuit_fails(void **state)
{
    (void)state;
    config.directory_authorities[0].dir_port = 0;
    publisher_tick(publisher);
    fake_circuit_answer(DESTROY_CONNECTFAILED);
    assert_int_equal(relay.counters.drop_publish, 1);
    pass(10, 1);
    assert_int_equal(fake_circuits.asked, 2); // and again
}

static void test_republished_within_18_hours(void **state)
{
    (void)state;
    accept_first();
    for (int round = 2; round <= 5; round++) {
        time_t last = now;
        while (open_connections() == 0) {
            assert_true(now - last <= 18 * HOUR);
            pass(10, 10);
        }
        assert_true(now - last > 17 * HOUR);
        struct fake *f = to_authority(0);
        char published[64];
        struct tm utc;
        gmtime_r(&now, &utc);
        strftime(published, sizeof(published), "\npublished %Y-%m-%d %H:%M:%S\n", &utc);
        answer_all(ACCEPT);
        f->sent[f->sent_length] = '\0';
        assert_non_null(strstr(f->sent, published)); // the time moves along
        assert_int_equal(relay.counters.descriptors_published, round * AUTHORITIES);
    }
}

// A private network's authorities come up when they do: every few seconds one more try.
static void test_retries_in_a_testing_network(void **state)
{
    (void)state;
    publisher_tick(publisher);
    unsigned before = dials;
    for (int s = 0; s < 60; s++) {
        for (unsigned i = 0; i < AUTHORITIES; i++)
            if (to_authority(i) != NULL)
                fake_closed(to_authority(i), CONN_CLOSE_REFUSED);
        pass(1, 1);
    }
    assert_in_range(dials - before, 4 * AUTHORITIES, 20 * AUTHORITIES);
    assert_in_range(relay.counters.drop_publish, 4 * AUTHORITIES, 21 * AUTHORITIES);
    pass(15, 1);
    answer_all(ACCEPT);
    pass(HOUR, 10);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

// On the public network tries become rare, and those of one authority do not wait for another.
static void test_back_off(void **state)
{
    (void)state;
    publisher_tick(publisher);
    fake_connect(to_authority(0));
    fake_answer(to_authority(0), ACCEPT, 100);
    fake_connect(to_authority(1));
    fake_answer(to_authority(1), ACCEPT, 100);
    end_closed();
    time_t last = now, gap = 0;
    for (int tries = 0; tries < 12; tries++) {
        assert_non_null(to_authority(2));
        fake_closed(to_authority(2), CONN_CLOSE_REFUSED);
        for (last = now; to_authority(2) == NULL && now - last < 2 * HOUR;)
            pass(5, 5);
        gap = now - last;
        if (tries == 0)
            assert_in_range(gap, 45, 80);
    }
    assert_in_range(gap, HOUR * 3 / 4, HOUR * 5 / 4 + 5);
    fake_connect(to_authority(2));
    fake_answer(to_authority(2), ACCEPT, 100);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
    assert_int_equal(relay.counters.drop_publish, 12);
}

static void test_refused(void **state)
{
    (void)state;
    publisher_tick(publisher);
    answer_all("HTTP/1.0 400 Missing TAP key in descriptor.\r\n\r\n");
    assert_int_equal(relay.counters.drop_publish, AUTHORITIES);
    assert_int_equal(relay.counters.descriptors_published, 0);
    assert_int_equal(open_connections(), 0);
    pass(40 * 60, 10); // not at once again
    assert_int_equal(dials, AUTHORITIES);
    pass_answering(40 * 60, 10, ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_answers_that_are_none(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.0 404 Not found\r\n\r\n",
        "HTTP/1.0 503 Directory busy, try again later\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "\r\n\r\n",
    };
    uint64_t dropped = 0;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        pass(15, 1);
        answer_all(answers[i]);
        dropped += AUTHORITIES;
        assert_int_equal(relay.counters.drop_publish, dropped);
    }
    // An answer that is cut off, with its status already known, is none either.
    pass(15, 1);
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        fake_connect(to_authority(i));
        fake_answer(to_authority(i), "HTTP/1.0 200 Descriptor accepted\r\nDate:", 7);
        fake_closed(to_authority(i), CONN_CLOSE_DONE);
    }
    assert_int_equal(relay.counters.drop_publish, dropped + AUTHORITIES);
    assert_int_equal(relay.counters.descriptors_published, 0);
    // One that goes on for ever is cut off.
    pass(15, 1);
    struct fake *f = to_authority(0);
    fake_connect(f);
    for (int i = 0; i < 1000 && !f->close_asked; i++)
        fake_answer(f, "HTTP/1.0 200 and on and on ", 27);
    assert_true(f->close_asked);
    pass(15, 1);
    answer_all(ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_silence_times_out(void **state)
{
    (void)state;
    publisher_tick(publisher);
    fake_connect(to_authority(0));
    pass(59, 1);
    assert_int_equal(dials, AUTHORITIES);
    assert_int_equal(open_connections(), AUTHORITIES);
    struct fake *first = to_authority(0);
    pass(1, 1);
    assert_true(first->close_asked);
    assert_int_equal(relay.counters.drop_publish, AUTHORITIES);
    fake_closed(first, CONN_CLOSE_TIMEOUT); // its last call is not counted again
    assert_int_equal(relay.counters.drop_publish, AUTHORITIES);
    end_closed();
    pass(10, 1);
    answer_all(ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_no_memory_for_connections(void **state)
{
    (void)state;
    dial_fails = true;
    publisher_tick(publisher);
    pass(30, 1);
    assert_true(relay.counters.drop_publish >= AUTHORITIES);
    dial_fails = false;
    pass(15, 1);
    answer_all(ACCEPT);
}

// A change is published soon; changes that come together, together; not in a stream.
static void test_changes(void **state)
{
    (void)state;
    accept_first();
    pass(600, 60);
    assert_int_equal(open_connections(), 0);
    for (int i = 0; i < 5; i++)
        publisher_changed(publisher);
    pass(5, 1);
    assert_int_equal(open_connections(), AUTHORITIES);
    // Changed again while the last one is under way: that is given up.
    struct fake *old = to_authority(0);
    fake_connect(old);
    publisher_changed(publisher);
    pass(30, 1);
    assert_false(old->close_asked);
    pass(31, 1);
    assert_true(old->close_asked);
    end_closed();
    answer_all(ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, 2 * AUTHORITIES);
    assert_int_equal(dials, 3 * AUTHORITIES);
}

// New keys are published by themselves.
static void test_key_rotation_is_published(void **state)
{
    (void)state;
    accept_first();
    time_t made = relay.identity->onion_key_made;
    uint8_t old_key[32];
    memcpy(old_key, relay.identity->onion_key.public_key, 32);
    pass_answering(made + 28 * 24 * HOUR - 1 - now, 600, ACCEPT);
    assert_memory_equal(relay.identity->onion_key.public_key, old_key, 32);
    uint64_t before = relay.counters.descriptors_published;
    pass_answering(HOUR + 120, 10, ACCEPT);
    assert_memory_not_equal(relay.identity->onion_key.public_key, old_key, 32);
    assert_true(relay.counters.descriptors_published > before);
}

// C tor's authorities keep a descriptor that differs little from one of the last two hours.
static void test_declined(void **state)
{
    (void)state;
    publisher_tick(publisher);
    answer_all("HTTP/1.0 200 OK\r\nX-Descriptor-Not-New: Yes\r\n\r\n");
    assert_int_equal(relay.counters.descriptors_published, 0);
    assert_int_equal(relay.counters.drop_publish, 0);
    pass(2 * HOUR, 60);
    assert_int_equal(open_connections(), 0);
    pass_answering(HOUR, 30, ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
    pass(16 * HOUR, 60);
    assert_int_equal(dials, 2 * AUTHORITIES);
}

static void test_bandwidth_is_news(void **state)
{
    (void)state;
    accept_first();
    struct fake *f = NULL;
    uint64_t total = 0;
    for (int s = 0; s < 90 && f == NULL; s++) {
        total += 50000;
        publisher_traffic(publisher, total, total);
        pass(1, 1);
        f = to_authority(0);
    }
    assert_non_null(f);
    answer_all(ACCEPT);
    f->sent[f->sent_length] = '\0';
    assert_null(strstr(f->sent, "\nbandwidth 1000000 2000000 0\n"));
    // Twice as much within three hours is not told, later it is.
    for (int s = 0; s < 30; s++) {
        total += 500000;
        publisher_traffic(publisher, total, total);
        pass(1, 1);
    }
    pass(2 * HOUR, 60);
    assert_int_equal(open_connections(), 0);
    pass(HOUR + 60, 60);
    assert_int_equal(open_connections(), AUTHORITIES);
    answer_all(ACCEPT);
}

// 6.14: absent from a consensus that is in force, or called stale by one that is newer.
static void test_unlisted(void **state)
{
    (void)state;
    static const struct {
        bool listed, stale, old, expired;
        unsigned times; // published in three hours
    } cases[] = {
        {true, false, false, false, 0}, {false, false, false, false, 1},
        {true, true, false, false, 1},  {true, true, true, false, 0},
        {false, false, false, true, 0},
    };
    accept_first();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        publisher_changed(publisher); // a new one to begin with
        pass_answering(70, 5, ACCEPT);
        uint64_t before = relay.counters.descriptors_published;
        publisher_listed(publisher, &(struct publisher_listing){
                                        .listed = cases[i].listed,
                                        .stale = cases[i].stale,
                                        .valid_after = cases[i].old ? now - HOUR : now,
                                        .valid_until = now + (cases[i].expired ? -1 : 10 * HOUR),
                                    });
        pass_answering(80 * 60, 60, ACCEPT);
        assert_int_equal(relay.counters.descriptors_published, before);
        pass_answering(60 * 60, 60, ACCEPT);
        assert_int_equal(relay.counters.descriptors_published,
                         before + cases[i].times * AUTHORITIES);
    }
}

// 6.34: nothing more is published, and what is under way is given up; until it is another network.
static void test_outdated(void **state)
{
    (void)state;
    publisher_tick(publisher);
    assert_int_equal(open_connections(), AUTHORITIES);
    assert_true(publisher_set_outdated(publisher, true));
    assert_false(publisher_set_outdated(publisher, true));
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        assert_true(!fakes[i].used || fakes[i].close_asked);
    end_closed();
    pass(20 * HOUR, 60);
    assert_int_equal(open_connections(), 0);
    assert_true(publisher_set_outdated(publisher, false));
    pass(5, 1);
    answer_all(ACCEPT);
    assert_int_equal(relay.counters.descriptors_published, AUTHORITIES);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    accept_first();
    now -= 1000 * 24 * HOUR;
    pass(5, 1);
    assert_int_equal(open_connections(), AUTHORITIES);
    answer_all(ACCEPT);
    pass(17 * HOUR, 60);
    assert_int_equal(relay.counters.descriptors_published, 2 * AUTHORITIES);
}

static void test_stopping(void **state)
{
    (void)state;
    relay.stopping = true;
    pass(100, 1);
    assert_int_equal(dials, 0);
}

// The same, by the loop's own timer and the true clock.
static time_t true_clock(void)
{
    return time(NULL);
}

static void run_until_open(unsigned n)
{
    for (int i = 0; i < 1000 && open_connections() < n; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(10000);
    }
    assert_true(open_connections() >= n);
}

static void test_on_the_loop(void **state)
{
    (void)state;
    relay.wall_clock = true_clock;
    run_until_open(AUTHORITIES);
    for (unsigned i = 0; i < AUTHORITIES; i++)
        fake_closed(to_authority(i), CONN_CLOSE_REFUSED);
    run_until_open(1);
    assert_true(dials > AUTHORITIES);
    assert_true(uv_loop_alive(&loop));
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, tear_down)

int main(void)
{
    if (crypto_init() < 0)
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(test_request, set_up_public),
        TEST(test_accepted, set_up_public),
        TEST(test_by_circuit, set_up_public),
        TEST(test_by_circuit_fails, set_up_testing),
        TEST(test_republished_within_18_hours, set_up_public),
        TEST(test_retries_in_a_testing_network, set_up_testing),
        TEST(test_back_off, set_up_public),
        TEST(test_refused, set_up_public),
        TEST(test_answers_that_are_none, set_up_testing),
        TEST(test_silence_times_out, set_up_testing),
        TEST(test_no_memory_for_connections, set_up_testing),
        TEST(test_changes, set_up_public),
        TEST(test_key_rotation_is_published, set_up_public),
        TEST(test_declined, set_up_public),
        TEST(test_bandwidth_is_news, set_up_public),
        TEST(test_unlisted, set_up_public),
        TEST(test_outdated, set_up_public),
        TEST(test_clock_set_back, set_up_public),
        TEST(test_stopping, set_up_testing),
        TEST(test_on_the_loop, set_up_testing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
