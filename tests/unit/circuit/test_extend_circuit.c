// SPDX-License-Identifier: BSD-3-Clause
// Extending and truncating circuits: links that are there, come or fail, answers that come late or
// are malformed, and where a circuit must not go (protocol 2.03, 2.26–2.38, 13.25, 13.43).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "crypto/ntor.h"
#include "desk.h"
#include "dir/parameters.h"
#include "dir/store/store.h"

static const uint8_t requested = DESTROY_REQUESTED;

static void tell_truncate(struct desk *desk, struct handle end, uint8_t reason)
{
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_TRUNCATE, 0, &reason, 1);
}

static void expect_truncate(struct desk *desk, unsigned worker, struct handle next, uint8_t reason)
{
    struct message *m = desk_expect(desk, MSG_CIRCUIT_TRUNCATE);
    assert_int_equal(m->worker, worker);
    assert_int_equal(m->circuit.index, next.index);
    assert_int_equal(m->circuit.generation, next.generation);
    assert_int_equal(m->close.reason, reason);
    assert_int_equal(m->relay.command, RELAY_TRUNCATED);
    assert_int_equal(m->relay.stream_id, 0);
    assert_int_equal(m->length, 1);
    assert_int_equal(m->payload[0], DESTROY_REQUESTED);
    channel_free(m);
}

static void expect_truncated(struct desk *desk, struct handle end)
{
    desk_expect_originate(desk, 0, end, RELAY_TRUNCATED, 0, &requested, 1);
}

// ---- the way it goes

static void test_over_a_link_that_is_there(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    assert_int_equal(desk->links[FAR].circuits, 1);
    desk_splice(desk, end, FAR, next, cookie);
    assert_int_equal(desk->relay.counters.circuits_extended, 1);
    desk_close(desk);
}

static void test_over_a_link_that_has_to_be_made(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk->links[NEAR].open = false;
    desk_tell_extend2(desk, end, NEAR);
    desk_expect_nothing(desk);
    assert_non_null(desk->requests);
    assert_memory_equal(desk->requests->target.rsa_id, desk->links[NEAR].rsa_id, 20);
    assert_true(desk->requests->target.has_ed_id);
    assert_memory_equal(desk->requests->target.ed_id, desk->links[NEAR].ed_id, 32);
    assert_int_equal(desk->requests->target.n_addresses, 1);
    desk_answer(desk, &desk->links[NEAR], DESTROY_NONE);
    uint64_t cookie = desk_dial(desk, NEAR, &next);
    desk_splice(desk, end, NEAR, next, cookie);
    desk_close(desk);
}

static time_t first_second(void)
{
    return 1;
}

// What the relay's own consensus says of one other.
static void know_relay(struct desk *desk, const struct link *link, char directory[32])
{
    struct consensus *c = calloc(1, sizeof(*c));
    struct blob *text = blob_create("", 0);
    struct microdescriptor m = {.sha256 = {7}, .has_ed_id = true, .text_length = 2};
    strcpy(directory, "/tmp/ramson-test-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(desk->config.data_directory, sizeof(desk->config.data_directory), "%s", directory);
    desk->relay.wall_clock = first_second;
    desk->relay.store = directory_store_create(&desk->relay);
    assert_non_null(desk->relay.store);
    memcpy(m.ed_id, link->ed_id, 32);
    assert_int_equal(store_put_microdescriptor(desk->relay.store, &m, (const uint8_t *)"m\n"), 0);
    c->flavour = CONSENSUS_MICRODESC;
    c->valid_after = 1;
    c->n_routers = 1;
    c->routers = calloc(1, sizeof(*c->routers));
    memcpy(c->routers[0].rsa_id, link->rsa_id, 20);
    memcpy(c->routers[0].digest, m.sha256, 32);
    assert_int_equal(store_put_consensus(desk->relay.store, text, c), 0);
    blob_drop(text);
}

static void forget_relay(struct desk *desk, const char *directory)
{
    static const char *const names[] = {"cached-microdesc-consensus", "cached-microdescs.new", ""};
    char path[128];
    directory_store_free(desk->relay.store);
    desk->relay.store = NULL;
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        assert_int_equal(remove(path), 0);
    }
}

// 2.31: the sender does not know the next hop's Ed25519 identity, or says so with zeros.
static void test_identity_is_filled_in(void **state)
{
    (void)state;
    char directory[32];
    for (unsigned known = 0; known < 2; known++) {
        struct desk *desk = desk_open();
        struct handle end = desk_circuit(desk, CLIENT);
        uint8_t ed_id[32];
        desk->links[NEAR].open = false;
        if (known)
            know_relay(desk, &desk->links[NEAR], directory);
        memcpy(ed_id, desk->links[NEAR].ed_id, 32);
        memset(desk->links[NEAR].ed_id, 0, 32);
        desk_tell_extend2(desk, end, NEAR);
        memcpy(desk->links[NEAR].ed_id, ed_id, 32);
        assert_int_equal(desk->requests->target.has_ed_id, known);
        if (known) {
            assert_memory_equal(desk->requests->target.ed_id, ed_id, 32);
            forget_relay(desk, directory);
        }
        desk_answer(desk, NULL, DESTROY_CONNECTFAILED);
        desk_expect_close(desk, 0, end, DESTROY_CONNECTFAILED);
        desk_close(desk);
    }
}

// 2.27, unless the consensus has AllowNonearlyExtend.
static void test_nonearly(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, FAR, body);
    struct consensus_parameter allow = {.name = "AllowNonearlyExtend", .value = 1};
    const struct consensus c = {.parameters = &allow, .n_parameters = 1};
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_EXTEND2, 0, body, length);
    desk_expect_nothing(desk);
    desk->relay.parameters = parameters_create(&desk->relay);
    parameters_update(&desk->relay, &c);
    for (unsigned i = 0; i < desk->relay.n_workers; i++)
        channel_free(desk_expect(desk, MSG_PARAMETERS));
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_EXTEND2, 0, body, length);
    desk_dial(desk, FAR, NULL);
    parameters_free(desk->relay.parameters);
    desk->relay.parameters = NULL;
    desk_close(desk);
}

static void check_longest_answer(bool cgo, unsigned most)
{
    for (unsigned length = most - 2; length <= most; length++) {
        struct desk *desk = desk_open();
        struct handle next, end = cgo ? desk_cgo_circuit(desk, CLIENT) : desk_circuit(desk, CLIENT);
        uint8_t body[CELL_BODY_LEN] = {(uint8_t)(length >> 8), (uint8_t)length};
        desk_tell_extend2(desk, end, FAR);
        uint64_t cookie = desk_dial(desk, FAR, &next);
        desk_tell_created(desk, 1, next, cookie, CELL_CREATED2, body, sizeof(body));
        if (length == most - 2) {
            struct message *m = desk_expect(desk, MSG_CIRCUIT_SPLICE);
            assert_int_equal(m->length, most);
            channel_free(m);
        } else { // 2.03, 13.25
            desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
            desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
        }
        desk_expect_nothing(desk);
        desk_close(desk);
    }
}

static void test_the_longest_answer_that_fits(void **state)
{
    (void)state;
    check_longest_answer(false, RELAY_BODY_MAX);
    check_longest_answer(true, 490); // format v1 has room for less
}

// ---- the ways it doesn't

static void check_bad_answer(uint8_t command, uint16_t length)
{
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    uint8_t body[CELL_BODY_LEN] = {(uint8_t)(length >> 8), (uint8_t)length};
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_tell_created(desk, 1, next, cookie, command, body, sizeof(body));
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.circuits_extended, 0);
    assert_int_equal(desk->relay.counters.circuits_destroyed_protocol, 1);
    desk_close(desk);
}

static void test_bad_answers(void **state)
{
    (void)state;
    check_bad_answer(CELL_CREATED2, 508);
    check_bad_answer(CELL_CREATED2, UINT16_MAX);
    check_bad_answer(CELL_CREATED, 64);
    check_bad_answer(CELL_CREATED_FAST, 64);
}

static void test_no_link(void **state)
{
    (void)state;
    static const enum destroy_reason reasons[] = {DESTROY_CONNECTFAILED, DESTROY_OR_IDENTITY,
                                                  DESTROY_RESOURCELIMIT, DESTROY_CHANNEL_CLOSED};
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
            struct desk *desk = desk_open();
            struct handle end = desk_circuit(desk, CLIENT);
            desk->links[FAR].open = false;
            if (at_once)
                desk->no_dial = reasons[i];
            desk_tell_extend2(desk, end, FAR);
            if (!at_once)
                desk_answer(desk, NULL, reasons[i]);
            desk_expect_close(desk, 0, end, reasons[i]); // and not TRUNCATED (13.43)
            desk_expect_nothing(desk);
            assert_int_equal(desk->relay.counters.drop_extend_failed, 1);
            desk_close(desk);
        }
    }
}

// The link went while the dial was on its way to the worker.
static void test_a_dial_that_could_not_begin(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle none = {0}, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, NULL);
    desk_tell_closed(desk, 1, none, cookie, DESTROY_CHANNEL_CLOSED, false);
    desk_expect_close(desk, 0, end, DESTROY_CHANNEL_CLOSED);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_extend_failed, 1);
    desk_tell_closed(desk, 1, none, cookie, DESTROY_CHANNEL_CLOSED, false); // the cookie is stale
    desk_expect_nothing(desk);
    desk_close(desk);
}

static void test_malformed(void **state)
{
    (void)state;
    uint8_t body[RELAY_BODY_MAX];
    struct desk *desk = desk_open();
    size_t length = desk_extend2(desk, FAR, body);
    for (size_t n = 0; n < length; n++) {
        struct handle end = desk_circuit(desk, CLIENT);
        desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, n);
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    }
    assert_int_equal(desk->relay.counters.drop_extend_malformed, length);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// Dropped, and the circuit goes on (2.27, 2.30).
static void test_not_early_or_on_a_stream(void **state)
{
    (void)state;
    uint8_t body[RELAY_BODY_MAX];
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    size_t length = desk_extend2(desk, FAR, body);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_EXTEND2, 0, body, length);
    desk_expect_nothing(desk);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 1, body, length);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_relay_message, 2);
    assert_int_equal(circuit_table_count(desk->relay.circuits), 1);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, length);
    desk_dial(desk, FAR, NULL);
    desk_close(desk);
}

// A second EXTEND2 while the first is under way, or done (2.30).
static void test_a_second_extend2(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 4; stage++) {
        struct desk *desk = desk_open();
        struct handle next, end = desk_circuit(desk, CLIENT);
        desk->links[FAR].open = stage > 0;
        desk_tell_extend2(desk, end, FAR);
        uint64_t cookie = stage ? desk_dial(desk, FAR, stage > 1 ? &next : NULL) : 0;
        if (stage == 3)
            desk_splice(desk, end, FAR, next, cookie);
        desk_tell_extend2(desk, end, NEAR);
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
        if (stage > 1)
            desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
        desk_expect_nothing(desk);
        assert_int_equal(desk->relay.counters.drop_extend_refused, 1);
        assert_null(desk->requests);
        desk_close(desk);
    }
}

static void check_refused(struct desk *desk, unsigned from, const uint8_t *body, size_t length)
{
    struct handle end = desk_circuit(desk, from);
    uint64_t refused = desk->relay.counters.drop_extend_refused;
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, length);
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_extend_refused, refused + 1);
}

// Where the ids stand in what desk_extend2 writes.
enum { IPV4_AT = 3, RSA_ID_AT = 11, ED_ID_AT = 33 };

static void test_to_ourselves(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, FAR, body);
    memcpy(body + RSA_ID_AT, desk->identity.rsa_id, 20); // by either id
    check_refused(desk, CLIENT, body, length);
    length = desk_extend2(desk, FAR, body);
    memcpy(body + ED_ID_AT, desk->identity.master.public_key, 32);
    check_refused(desk, CLIENT, body, length);
    desk_close(desk);
}

static void test_back_to_the_previous_hop(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, PREVIOUS, body);
    check_refused(desk, PREVIOUS, body, length);
    memset(body + ED_ID_AT, 0, 32); // with no Ed25519 id
    check_refused(desk, PREVIOUS, body, length);
    memset(body + ED_ID_AT, 0x77, 32); // with another one
    check_refused(desk, PREVIOUS, body, length);
    // From elsewhere it is a relay like others. A client's link has no identity to compare.
    struct handle end = desk_circuit(desk, CLIENT);
    length = desk_extend2(desk, PREVIOUS, body);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, length);
    desk_dial(desk, PREVIOUS, NULL);
    desk_close(desk);
}

static void test_private_addresses(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, FAR, body);
    memcpy(body + IPV4_AT, (const uint8_t[]){10, 0, 0, 1}, 4);
    check_refused(desk, CLIENT, body, length);
    desk->config.testing_network = true;
    struct handle end = desk_circuit(desk, CLIENT);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, length);
    desk_dial(desk, FAR, NULL);
    desk_close(desk);
}

// ---- the circuit goes before the answer comes

static void test_closed_before_the_end_stands(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, NULL);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_expect_nothing(desk); // nobody knows the end's name yet
    next = desk_new_end(desk);
    struct message *m = desk_up(desk, 1, MSG_CIRCUIT_DIALLED);
    m->circuit = next;
    m->cookie = cookie;
    desk_tell(desk, m);
    desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
    desk_tell_created(desk, 1, next, cookie, CELL_CREATED2, "", 0);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// The next hop need not answer for its end to go.
static void test_closed_before_created(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
    desk_tell_created(desk, 1, next, cookie, CELL_CREATED2, "", 0); // was under way
    desk_tell_closed(desk, 1, next, cookie, DESTROY_NONE, true);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// ---- TRUNCATE

static void check_extends(struct desk *desk, struct handle end, unsigned link)
{
    struct handle next;
    desk->links[link].open = true;
    desk_tell_extend2(desk, end, link);
    uint64_t cookie = desk_dial(desk, link, &next);
    desk_splice(desk, end, link, next, cookie);
}

static void test_truncate_what_is_not_extended(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    tell_truncate(desk, end, DESTROY_NONE);
    expect_truncated(desk, end);
    desk_expect_nothing(desk);
    check_extends(desk, end, FAR);
    desk_close(desk);
}

static void test_truncate_while_the_link_is_made(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    desk->links[FAR].open = false;
    desk_tell_extend2(desk, end, FAR);
    tell_truncate(desk, end, DESTROY_NONE);
    assert_null(desk->requests);
    expect_truncated(desk, end);
    check_extends(desk, end, NEAR);
    desk_close(desk);
}

// The first dial's answers must not be taken for the second's.
static void test_truncate_while_the_next_hop_is_dialled(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle first, second, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t first_cookie = desk_dial(desk, FAR, &first);
    tell_truncate(desk, end, DESTROY_FINISHED);
    expect_truncated(desk, end);
    desk_expect_close(desk, 1, first, DESTROY_FINISHED);
    desk_tell_extend2(desk, end, FAR);
    uint64_t second_cookie = desk_dial(desk, FAR, &second);
    assert_int_not_equal(first_cookie, second_cookie);
    desk_tell_created(desk, 1, first, first_cookie, CELL_CREATED2, "", 0);
    desk_tell_closed(desk, 1, first, first_cookie, DESTROY_PROTOCOL, true);
    desk_expect_nothing(desk);
    desk_splice(desk, end, FAR, second, second_cookie);
    desk_close(desk);
}

// The same, and the worker had not even told of the first dial's end.
static void test_truncate_before_the_end_stands(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle second, first = desk_new_end(desk), end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t first_cookie = desk_dial(desk, FAR, NULL);
    tell_truncate(desk, end, DESTROY_NONE);
    expect_truncated(desk, end);
    desk_tell_extend2(desk, end, FAR);
    uint64_t second_cookie = desk_dial(desk, FAR, NULL);
    struct message *m = desk_up(desk, 1, MSG_CIRCUIT_DIALLED);
    m->circuit = first;
    m->cookie = first_cookie;
    desk_tell(desk, m);
    desk_expect_close(desk, 1, first, DESTROY_DESTROYED);
    desk_tell_created(desk, 1, first, first_cookie, CELL_CREATED2, "", 0);
    struct handle none = {0};
    desk_tell_closed(desk, 1, none, first_cookie, DESTROY_CHANNEL_CLOSED, false);
    desk_expect_nothing(desk);
    second = desk_new_end(desk);
    m = desk_up(desk, 1, MSG_CIRCUIT_DIALLED);
    m->circuit = second;
    m->cookie = second_cookie;
    desk_tell(desk, m);
    desk_splice(desk, end, FAR, second, second_cookie);
    desk_close(desk);
}

static void test_truncate_what_is_extended(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_splice(desk, end, FAR, next, cookie);
    tell_truncate(desk, end, DESTROY_FINISHED);
    expect_truncate(desk, 1, next, DESTROY_FINISHED);
    desk_expect_nothing(desk);
    assert_int_equal(desk->links[FAR].circuits, 0);
    tell_truncate(desk, end, 77); // another one finds it at its end; reasons of nobody read as none
    expect_truncated(desk, end);
    check_extends(desk, end, NEAR);
    desk_close(desk);
}

// The next hop's DESTROY and the TRUNCATE cross. The layer towards the origin went with the end, so
// the circuit can't go on, whatever became of it meanwhile; and its origin is told.
static void test_truncate_what_has_just_closed(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 4; stage++) {
        struct desk *desk = desk_open();
        struct handle first, second, end = desk_circuit(desk, CLIENT);
        desk_tell_extend2(desk, end, FAR);
        uint64_t cookie = desk_dial(desk, FAR, &first);
        desk_splice(desk, end, FAR, first, cookie);
        tell_truncate(desk, end, DESTROY_NONE);
        expect_truncate(desk, 1, first, DESTROY_NONE);
        if (stage > 0)
            desk_tell_extend2(desk, end, NEAR);
        if (stage > 0)
            desk_dial(desk, NEAR, stage > 1 ? &second : NULL);
        if (stage == 3) { // truncated once more, while it is dialled
            tell_truncate(desk, end, DESTROY_NONE);
            desk_expect_close(desk, 0, second, DESTROY_NONE);
            expect_truncated(desk, end);
        }
        desk_tell_closed(desk, 1, first, cookie, DESTROY_FINISHED, true);
        desk_expect_close(desk, 0, end, DESTROY_DESTROYED);
        if (stage == 2)
            desk_expect_close(desk, 0, second, DESTROY_DESTROYED);
        desk_expect_nothing(desk);
        assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
        desk_close(desk);
    }
}

// The origin was quicker: of the circuit nothing is left to be found by its truncated end.
static void test_the_truncated_end_closes_last(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_splice(desk, end, FAR, next, cookie);
    tell_truncate(desk, end, DESTROY_NONE);
    expect_truncate(desk, 1, next, DESTROY_NONE);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_tell_closed(desk, 1, next, cookie, DESTROY_FINISHED, true);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// Once another circuit has the truncated end's place, nothing of the first may be found there.
static void test_a_truncated_ends_handle_is_used_again(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, NEAR);
    uint64_t cookie = desk_dial(desk, NEAR, &next);
    desk_splice(desk, end, NEAR, next, cookie);
    tell_truncate(desk, end, DESTROY_NONE);
    expect_truncate(desk, 0, next, DESTROY_NONE);
    struct handle reused = {next.index, next.generation + 50};
    uint8_t x[20] = {1};
    desk_tell_create(desk, CLIENT, reused, CELL_CREATE_FAST, x, sizeof(x));
    desk_run(desk);
    channel_free(desk_expect(desk, MSG_CIRCUIT_ACCEPT));
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_expect_nothing(desk);
    desk_tell_relay(desk, reused, CELL_RELAY, RELAY_TRUNCATE, 0, &requested, 1);
    expect_truncated(desk, reused);
    desk_tell_closed(desk, 0, reused, 0, DESTROY_NONE, true);
    assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
    desk_close(desk);
}

static void test_empty_truncate(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_TRUNCATE, 0, "", 0);
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_splice(desk, end, FAR, next, cookie);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_TRUNCATE, 0, "", 0);
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk_expect_close(desk, 1, next, DESTROY_DESTROYED);
    desk_expect_nothing(desk);
    desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_a_link_that_is_there),
        cmocka_unit_test(test_over_a_link_that_has_to_be_made),
        cmocka_unit_test(test_identity_is_filled_in),
        cmocka_unit_test(test_nonearly),
        cmocka_unit_test(test_the_longest_answer_that_fits),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_no_link),
        cmocka_unit_test(test_a_dial_that_could_not_begin),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_not_early_or_on_a_stream),
        cmocka_unit_test(test_a_second_extend2),
        cmocka_unit_test(test_to_ourselves),
        cmocka_unit_test(test_back_to_the_previous_hop),
        cmocka_unit_test(test_private_addresses),
        cmocka_unit_test(test_closed_before_the_end_stands),
        cmocka_unit_test(test_closed_before_created),
        cmocka_unit_test(test_truncate_what_is_not_extended),
        cmocka_unit_test(test_truncate_while_the_link_is_made),
        cmocka_unit_test(test_truncate_while_the_next_hop_is_dialled),
        cmocka_unit_test(test_truncate_before_the_end_stands),
        cmocka_unit_test(test_truncate_what_is_extended),
        cmocka_unit_test(test_truncate_what_has_just_closed),
        cmocka_unit_test(test_the_truncated_end_closes_last),
        cmocka_unit_test(test_a_truncated_ends_handle_is_used_again),
        cmocka_unit_test(test_empty_truncate),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
