// SPDX-License-Identifier: BSD-3-Clause
// Visitors' streams and the sockets that they are connected to (protocol 8.41, 13.24).
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "service_world.h"
#include "stream/circuit_streams.h"

static uint16_t listen_port;
static char unix_path[108];

// ---- the target: a socket of the test's own

static int listen_tcp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    listen_port = ntohs(at.sin_port);
    return fd;
}

static int listen_unix(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(unix_path, sizeof(unix_path), "/tmp/ramson-target-%d", getpid());
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", unix_path);
    unlink(unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static int accept_one(int fd)
{
    for (unsigned i = 0; i < 1000; i++) {
        world_run();
        int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) {
            world_run();
            return peer;
        }
        assert_true(errno == EAGAIN);
    }
    fail_msg("nobody came");
    return -1;
}

static void to_tcp(struct config_onion_service *config)
{
    config->ports[0].target = address_ipv4(0x7f000001, listen_port);
}

static void to_unix(struct config_onion_service *config)
{
    config->ports[0].target = (struct address){0};
    snprintf(config->ports[0].unix_path, sizeof(config->ports[0].unix_path), "%s", unix_path);
}

static struct origin_circuit *open_visited(void (*change)(struct config_onion_service *config))
{
    world_open(change);
    world_establish();
    return world_visitor(1);
}

static void give(struct stream *s, const char *text)
{
    s->ops->data(s, (const uint8_t *)text, strlen(text));
}

// ---- there and back

static void talk(int fd, void (*change)(struct config_onion_service *config))
{
    char bytes[64] = "";
    struct origin_circuit *oc = open_visited(change);
    struct stream *s = world_begin(oc, 7, "does.not.matter:80");
    assert_non_null(s);
    assert_int_equal(s->id, 7);
    assert_false(s->accepted);
    give(s, "early, "); // before it is connected
    int peer = accept_one(fd);
    assert_true(s->accepted);
    assert_int_equal(world_service()->n_streams, 1);
    assert_int_equal(oc->successes, 1);
    give(s, "question");
    world_run();
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 15);
    assert_string_equal(bytes, "early, question");
    assert_int_equal(s->held, 0);
    assert_int_equal(send(peer, "answer", 6, 0), 6);
    s->awake = false;
    world_run();
    assert_true(s->awake);
    assert_int_equal(world_produce(s, 100), 6);
    assert_memory_equal(s->sent, "answer", 6);
    // The target ends: what it said last still comes, then END.
    assert_int_equal(send(peer, "bye", 3, 0), 3);
    close(peer);
    world_run();
    assert_int_equal(world_produce(s, 100), 3);
    assert_true(s->ended);
    assert_int_equal(s->reason, END_DONE);
    world_run();
    assert_int_equal(world_service()->n_streams, 0);
    // The visitor ends: what it said last still goes.
    s = world_begin(oc, 8, ":80");
    peer = accept_one(fd);
    give(s, "last words");
    world_end(s);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 10);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 0);
    close(peer);
    world_run();
    assert_true(TAILQ_EMPTY(&world.origin.onion_services->targets));
    world_close();
    close(fd);
}

static void test_tcp(void **state)
{
    (void)state;
    int fd = listen_tcp();
    talk(fd, to_tcp);
}

static void test_unix(void **state)
{
    (void)state;
    int fd = listen_unix();
    talk(fd, to_unix);
    unlink(unix_path);
}

// ---- much

// Two megabytes to a target that does not read, which are held and told of, and back.
static void test_pressure(void **state)
{
    (void)state;
    enum { BYTES = 8 << 20 };
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(to_tcp);
    struct stream *s = world_begin(oc, 1, ":80");
    int peer = accept_one(fd);
    uint8_t piece[RELAY_BODY_MAX] = {0}, *got = malloc(BYTES + sizeof(piece));
    size_t sent = 0, received = 0, most = 0;
    while (sent < BYTES) {
        for (unsigned i = 0; i < sizeof(piece); i++)
            piece[i] = (uint8_t)((sent + i) % 251);
        s->ops->data(s, piece, sizeof(piece));
        sent += sizeof(piece);
        if (sent % (100 * sizeof(piece)) == 0)
            world_run();
    }
    world_run();
    most = s->held;
    assert_in_range(most, 1 << 20, BYTES + sizeof(piece));
    while (received < sent) {
        ssize_t n = recv(peer, got + received, sent - received, MSG_DONTWAIT);
        received += n > 0 ? (size_t)n : 0;
        world_run();
    }
    assert_int_equal(s->held, 0);
    for (size_t i = 0; i < sent; i++)
        assert_int_equal(got[i], i % 251);
    // Back: only so much is read as goes.
    size_t wrote = 0;
    for (unsigned i = 0; i < 200; i++) {
        ssize_t n = send(peer, got + wrote, sent - wrote, MSG_DONTWAIT | MSG_NOSIGNAL);
        wrote += n > 0 ? (size_t)n : 0;
        world_run();
    }
    assert_true(wrote < sent);
    while (s->sent_length < sent) {
        ssize_t n = send(peer, got + wrote, sent - wrote, MSG_DONTWAIT | MSG_NOSIGNAL);
        wrote += n > 0 ? (size_t)n : 0;
        world_produce(s, 64 * 1024);
        world_run();
    }
    assert_memory_equal(s->sent, got, sent);
    free(got);
    close(peer);
    world_close();
    close(fd);
}

// A target that never reads, and one that resets.
static void test_target_dies(void **state)
{
    (void)state;
    struct linger at_once = {.l_onoff = 1};
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(to_tcp);
    struct stream *s = world_begin(oc, 1, ":80");
    int peer = accept_one(fd);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(peer);
    give(s, "x");
    s->ended = s->ended; // it hears of it by END
    for (unsigned i = 0; i < 10 && world_service()->n_streams > 0; i++)
        world_run();
    assert_int_equal(world_service()->n_streams, 0);
    // The visitor ends while the target holds on to its end: five seconds.
    s = world_begin(oc, 2, ":80");
    peer = accept_one(fd);
    world_end(s);
    assert_false(TAILQ_EMPTY(&world.origin.onion_services->targets));
    world_pass(TARGET_LINGER_S + 1);
    assert_true(TAILQ_EMPTY(&world.origin.onion_services->targets));
    close(peer);
    world_close();
    close(fd);
}

static void test_refused(void **state)
{
    (void)state;
    int fd = listen_tcp();
    close(fd); // nobody listens there any more
    struct origin_circuit *oc = open_visited(to_tcp);
    struct stream *s = world_begin(oc, 1, ":80");
    for (unsigned i = 0; i < 100 && world_service()->n_streams > 0; i++)
        world_run();
    assert_int_equal(world_service()->n_streams, 0);
    assert_int_equal(world.relay.counters.drop_service_target, 1);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    (void)s;
    world_close();
    // A Unix socket that is not there.
    snprintf(unix_path, sizeof(unix_path), "/nowhere/at/all");
    oc = open_visited(to_unix);
    world_begin(oc, 1, ":80");
    for (unsigned i = 0; i < 100 && world_service()->n_streams > 0; i++)
        world_run();
    assert_int_equal(world_service()->n_streams, 0);
    world_close();
}

// ---- what is not served

static void allow_ports(struct config_onion_service *config)
{
    config->unknown_ports_allowed = true;
}

static void test_unknown_port(void **state)
{
    (void)state;
    struct origin_circuit *oc = open_visited(NULL);
    assert_null(world_begin(oc, 1, ":81"));
    assert_int_equal(oc->refusals, 1);
    assert_int_equal(oc->refused_with, END_DONE);
    assert_int_equal(oc->state, ORIGIN_OPEN); // until END has gone out
    assert_null(world_begin(oc, 2, ":80"));
    assert_int_equal(oc->refusals, 2);
    world_pass(1);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_int_equal(world_service()->n_rendezvous, 0);
    world_close();
    oc = open_visited(allow_ports);
    assert_null(world_begin(oc, 1, ":81"));
    assert_int_equal(oc->refused_with, END_DONE);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_close();
}

static void two_streams(struct config_onion_service *config)
{
    to_tcp(config);
    config->max_streams = 2;
}

static void two_streams_strictly(struct config_onion_service *config)
{
    two_streams(config);
    config->max_streams_closes = true;
}

static void test_max_streams(void **state)
{
    (void)state;
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(two_streams);
    struct stream *first = world_begin(oc, 1, ":80");
    assert_non_null(first);
    assert_non_null(world_begin(oc, 2, ":80"));
    assert_null(world_begin(oc, 3, ":80"));
    assert_int_equal(oc->refused_with, END_DONE);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_end(first);
    assert_non_null(world_begin(oc, 4, ":80")); // those that have ended don't count
    struct origin_circuit *other = world_visitor(2);
    assert_non_null(world_begin(other, 1, ":80")); // nor those of others
    world_close();
    oc = open_visited(two_streams_strictly);
    for (uint16_t i = 1; i <= 3; i++)
        world_begin(oc, i, ":80");
    assert_int_equal(oc->refused_with, END_DONE);
    world_pass(1);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_int_equal(world_service()->n_streams, 0);
    world_close();
    close(fd);
}

// A visitor that begins and ends streams, of which the targets don't hear the end: each socket
// counts until it is closed, so that visitors don't have all files that this process may open.
static void test_max_sockets(void **state)
{
    (void)state;
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(to_tcp);
    struct onion_services *all = world.origin.onion_services;
    assert_in_range(all->targets_max, 1, STREAMS_MAX);
    all->targets_max = 2;
    int peers[2];
    for (uint16_t i = 0; i < 2; i++) {
        struct stream *s = world_begin(oc, (uint16_t)(i + 1), ":80");
        assert_non_null(s);
        peers[i] = accept_one(fd);
        world_end(s);
    }
    assert_int_equal(world_service()->n_streams, 0);
    assert_null(world_begin(oc, 3, ":80"));
    assert_int_equal(oc->refused_with, END_RESOURCELIMIT);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    close(peers[0]);
    world_run();
    struct stream *s = world_begin(oc, 4, ":80");
    assert_non_null(s);
    close(peers[1]);
    world_close();
    close(fd);
}

static bool is_there(uint16_t stream_id)
{
    const struct stream *s;
    TAILQ_FOREACH(s, &world.streams, entry)
    if (s->id == stream_id)
        return true;
    return false;
}

// Visitors that ask for much and take nothing hold all memory there is for what targets say. They
// give way to one that takes what it asks for, both when its target says something and when it
// does; it is not the one that is closed, nor is one that has only just stalled.
static void test_stalled_visitors(void **state)
{
    (void)state;
    enum { STALLED = 3 };
    static uint8_t page[BRIDGE_BLOCK_BYTES];
    int fd = listen_tcp(), peers[STALLED + 1];
    struct stream *stalled[STALLED];
    struct origin_circuit *oc = open_visited(to_tcp);
    struct onion_services *all = world.origin.onion_services;
    for (uint16_t i = 0; i < STALLED; i++) {
        stalled[i] = world_begin(oc, (uint16_t)(i + 1), ":80");
        peers[i] = accept_one(fd);
        assert_int_equal(send(peers[i], page, sizeof(page), 0), sizeof(page));
        world_run();
    }
    all->bridges->blocks_max = all->bridges->n_blocks = STALLED; // those that were kept are used
    while (all->bridges->kept) {
        struct bridge_block *next = all->bridges->kept->next;
        free(all->bridges->kept);
        all->bridges->kept = next;
    }
    all->bridges->n_kept = 0;
    struct stream *s = world_begin(oc, 9, ":80");
    peers[STALLED] = accept_one(fd);
    assert_int_equal(send(peers[STALLED], "answer", 6, 0), 6);
    world_run();
    assert_int_equal(world_produce(s, 100), 0); // they may still go on
    assert_int_equal(world_service()->n_streams, STALLED + 1);
    world_pass(BRIDGE_STALLED_S - 1);
    assert_true(world_produce(stalled[1], 100) > 0); // as this one does
    world_pass(2);
    assert_int_equal(world_produce(s, 100), 6);
    assert_true(!is_there(1) && is_there(2) && is_there(3));
    assert_int_equal(send(peers[STALLED], "x", 1, 0), 1); // the block that has become free
    world_run();
    give(s, "question");
    world_run();
    assert_true(is_there(9) && is_there(2) && !is_there(3));
    world_close();
    for (unsigned i = 0; i <= STALLED; i++)
        close(peers[i]);
    close(fd);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct origin_circuit *oc = open_visited(NULL);
    world.no_streams = true;
    assert_null(world_begin(oc, 1, ":80"));
    assert_int_equal(oc->refused_with, END_RESOURCELIMIT);
    assert_int_equal(world_service()->n_streams, 0);
    world_close();
}

// The circuit goes in the middle: what has come still goes to the target.
static void test_circuit_dies(void **state)
{
    (void)state;
    char bytes[16];
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(to_tcp);
    struct stream *s = world_begin(oc, 1, ":80");
    int peer = accept_one(fd);
    give(s, "half a");
    world_begin(oc, 2, ":80"); // one that is still connecting
    world_circuit_dies(oc);
    assert_int_equal(world_service()->n_rendezvous, 0);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 6);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 0);
    close(peer);
    world_close();
    close(fd);
}

// Everything ends with streams in every state.
static void test_end_of_all(void **state)
{
    (void)state;
    int fd = listen_tcp();
    struct origin_circuit *oc = open_visited(to_tcp);
    struct stream *s = world_begin(oc, 1, ":80");
    int peer = accept_one(fd);
    give(s, "x");
    world_begin(oc, 2, ":80");
    s = world_begin(oc, 3, ":80");
    give(s, "y");
    world_close();
    close(peer);
    close(fd);
}

static void test_port_of(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t length;
        uint16_t port;
    } cases[] = {
        {":80\0", 4, 80},
        {"abc.onion:443\0\1\2\3\4", 18, 443},
        {"[::1]:22\0", 9, 22},
        {":65535\0", 7, 65535},
        {":65536\0", 7, 0},
        {":100000\0", 8, 0},
        {":080\0", 5, 80},
        {":0\0", 3, 0},
        {":\0", 2, 0},
        {"\0", 1, 0},
        {"", 0, 0},
        {":80", 3, 0},
        {":8 0\0", 5, 0},
        {":-1\0", 4, 0},
        {"80\0", 3, 0},
        {":80\0:81\0", 8, 80},
        {":1234567890\0", 12, 0},
        {":+80\0", 5, 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *copy = malloc(cases[i].length ? cases[i].length : 1);
        memcpy(copy, cases[i].body, cases[i].length);
        assert_int_equal(target_port_of(copy, cases[i].length), cases[i].port);
        free(copy);
    }
    struct origin_circuit *oc = open_visited(NULL);
    oc->accept(&oc->circuit, 1, (const uint8_t *)":80", 3);
    assert_int_equal(oc->refused_with, END_TORPROTOCOL);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_target_dies),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown_port),
        cmocka_unit_test(test_max_streams),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_circuit_dies),
        cmocka_unit_test(test_end_of_all),
        cmocka_unit_test(test_port_of),
        cmocka_unit_test(test_max_sockets),
        cmocka_unit_test(test_stalled_visitors),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
