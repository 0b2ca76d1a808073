// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here (protocol 2.24, 2.27, 3.02 to 3.24, 8.39): cells to and from each of
// their hops, and of who is behind them, in bursts over circuits and hops.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chain.h"
#include "crypto/cgo_message.h"
#include "path.h"

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO,
                                      ONION = CIRCUIT_CRYPTO_ONION;

static unsigned choose(unsigned n)
{
    return (unsigned)rand() % n;
}

static unsigned hops_in_use(const struct rig *rig)
{
    const struct hop_pool *pool = &rig->workers[0].hops;
    unsigned n = pool->capacity;
    for (const struct hop *hop = pool->free; hop; hop = hop->next_free)
        n--;
    return n;
}

static void close_circuit(struct chain *c)
{
    struct message *m = rig_message(c->link->rig, c->link->worker, MSG_CIRCUIT_CLOSE);
    m->circuit = c->end;
    m->close.reason = DESTROY_FINISHED;
    rig_send(c->link->rig, m);
}

// It is closed on both sides, the link not told why (2.37).
static void expect_closed(struct chain *c, uint8_t reason)
{
    peer_expect_destroy(c->link, c->circid, DESTROY_NONE);
    struct message *m = rig_expect(c->link->rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->circuit.index, c->end.index);
    assert_int_equal(m->circuit.generation, c->end.generation);
    assert_int_equal(m->cookie, CHAIN_COOKIE);
    assert_int_equal(m->close.reason, reason);
    assert_false(m->close.by_peer);
    channel_free(m);
}

struct bench {
    struct rig *rig;
    struct peer_link *link;
};

static struct bench bench_open(void)
{
    struct bench t = {.rig = rig_create(1)};
    t.link = peer_link_dialled(t.rig, 0);
    return t;
}

static void bench_close(struct bench *t)
{
    peer_link_free(t->link);
    rig_destroy(t->rig);
}

// ---- what arrives at the hops, and at the control thread

static void expect_at_hop(struct chain *c, unsigned hop, uint8_t cell_command,
                          uint8_t relay_command, uint16_t stream_id, const void *body,
                          uint16_t length)
{
    struct peer_cell cell;
    peer_expect_cell(c->link, &cell, cell_command);
    assert_int_equal(cell.circid, c->circid);
    assert_int_equal(chain_take(c, &cell), hop);
    struct relay_message m = chain_parse(c, hop, &cell);
    assert_int_equal(m.command, relay_command);
    assert_int_equal(m.stream_id, stream_id);
    assert_int_equal(m.length, length);
    assert_memory_equal(m.body, body, length);
}

static void expect_told(struct chain *c, unsigned hop, const uint8_t *tag)
{
    struct message *m = rig_expect(c->link->rig, MSG_CIRCUIT_ORIGINATED);
    assert_int_equal(m->circuit.index, c->end.index);
    assert_int_equal(m->cookie, CHAIN_COOKIE);
    assert_int_equal(m->relay.hop, hop);
    assert_int_equal(m->relay.tag_length, chain_tag_length(c, hop));
    assert_memory_equal(m->relay.tag, tag, m->relay.tag_length);
    channel_free(m);
}

static void expect_from_hop(struct chain *c, unsigned hop, uint8_t relay_command,
                            uint16_t stream_id, const void *body, uint16_t length,
                            const uint8_t *tag)
{
    struct message *m = rig_expect(c->link->rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->circuit.index, c->end.index);
    assert_int_equal(m->circuit.generation, c->end.generation);
    assert_int_equal(m->cookie, CHAIN_COOKIE);
    assert_int_equal(m->command, CELL_RELAY);
    assert_int_equal(m->relay.hop, hop);
    assert_int_equal(m->relay.command, relay_command);
    assert_int_equal(m->relay.stream_id, stream_id);
    assert_int_equal(m->length, length);
    assert_memory_equal(m->payload, body, length);
    assert_int_equal(m->relay.tag_length, chain_tag_length(c, hop));
    assert_memory_equal(m->relay.tag, tag, m->relay.tag_length);
    channel_free(m);
}

static void check_both_ways(struct chain *c, unsigned hop)
{
    chain_ask(c, hop, 0, RELAY_DATA, 7, ORIGINATE_TELL_TAG, "there", 5);
    rig_run(c->link->rig);
    expect_at_hop(c, hop, CELL_RELAY, RELAY_DATA, 7, "there", 5);
    expect_told(c, hop, c->hops[hop - 1].tag);
    chain_send(c, hop, RELAY_DATA, 7, "back", 4);
    rig_run(c->link->rig);
    expect_from_hop(c, hop, RELAY_DATA, 7, "back", 4, c->hops[hop - 1].tag);
    assert_int_equal(c->link->rig->inbox_length, 0);
}

// ---- every mix

static void check_mix(struct bench *t, const char *kinds)
{
    struct chain *c = chain_open(t->link);
    unsigned n = (unsigned)strlen(kinds);
    // As it is built: each hop answers through those before it.
    for (unsigned hop = 1; hop <= n; hop++) {
        chain_add(c, chain_kind(kinds[hop - 1]));
        check_both_ways(c, hop);
    }
    for (unsigned i = 0; i < 12; i++)
        check_both_ways(c, 1 + choose(n));
    close_circuit(c);
    peer_expect_destroy(t->link, c->circid, DESTROY_NONE);
    assert_int_equal(t->rig->inbox_length, 0);
    assert_int_equal(hops_in_use(t->rig), 0);
    chain_free(c);
}

static void any_mix_of_hops_works(void **state)
{
    (void)state;
    struct bench t = bench_open();
    for (unsigned n = 1; n <= HOPS_RELAYS_MAX; n++) {
        if (n >= 5 && n < HOPS_RELAYS_MAX)
            continue;
        for (unsigned mix = 0; mix < 1u << n; mix++) {
            char kinds[HOPS_MAX + 1] = "";
            for (unsigned i = 0; i < n; i++)
                kinds[i] = mix >> i & 1 ? 'c' : 't';
            check_mix(&t, kinds);
            kinds[n] = 'o';
            check_mix(&t, kinds);
        }
    }
    bench_close(&t);
}

// ---- bursts

// A cell on its way.
struct sent {
    struct chain *c;
    unsigned hop;
    uint32_t number;
    uint8_t cell_command;
    bool asked, arrived;
    uint8_t tag[LAYER_TAG_MAX];
};

enum { CHAINS = 13, BURST = 150 };

static const char *const mixes[CHAINS] = {"t",    "c",        "tc",       "ct",       "ttt",
                                          "ccc",  "tctctctc", "cccttttc", "tttttttt", "to",
                                          "tcto", "ccco",     "tttttttto"};

static void open_chains(struct bench *t, struct chain *chains[CHAINS])
{
    for (unsigned i = 0; i < CHAINS; i++)
        chains[i] = chain_of(t->link, mixes[i]);
}

static void free_chains(struct chain *chains[CHAINS])
{
    for (unsigned i = 0; i < CHAINS; i++)
        chain_free(chains[i]);
}

static void take_one(struct bench *t, struct sent *sent, unsigned n)
{
    struct peer_cell cell;
    unsigned i = 0;
    if (!peer_receive_cell(t->link, &cell))
        fail_msg("a cell is missing");
    // Those of different circuits may change places, those of one may not.
    while (i < n && (sent[i].arrived || sent[i].c->circid != cell.circid))
        i++;
    assert_true(i < n);
    struct sent *s = &sent[i];
    assert_int_equal(cell.command, s->cell_command);
    assert_int_equal(chain_take(s->c, &cell), s->hop);
    struct relay_message m = chain_parse(s->c, s->hop, &cell);
    assert_int_equal(m.command, RELAY_DATA);
    assert_int_equal(m.length, sizeof(s->number));
    assert_memory_equal(m.body, &s->number, sizeof(s->number));
    memcpy(s->tag, s->c->hops[s->hop - 1].tag, sizeof(s->tag));
    s->arrived = true;
}

static void check_burst_out(struct bench *t, struct chain *const chains[CHAINS], uint32_t number)
{
    struct sent sent[BURST];
    unsigned n = 1 + choose(BURST - 1);
    fake_set_window(t->link->tcp, 1 << 20);
    for (unsigned i = 0; i < n; i++) {
        struct chain *c = chains[choose(CHAINS)];
        uint8_t command = choose(8) ? 0 : CELL_RELAY_EARLY;
        sent[i] = (struct sent){.c = c,
                                .hop = 1 + choose(c->n),
                                .number = number + i,
                                .cell_command = command ? command : CELL_RELAY,
                                .asked = choose(3) == 0};
        chain_ask(c, sent[i].hop, command, RELAY_DATA, 9, sent[i].asked ? ORIGINATE_TELL_TAG : 0,
                  &sent[i].number, sizeof(number));
    }
    rig_run(t->rig);
    for (unsigned i = 0; i < n; i++)
        take_one(t, sent, n);
    for (unsigned i = 0; i < n; i++)
        if (sent[i].asked)
            expect_told(sent[i].c, sent[i].hop, sent[i].tag);
    assert_int_equal(t->rig->inbox_length, 0);
}

static void a_burst_goes_out_in_order(void **state)
{
    (void)state;
    srand(1);
    struct bench t = bench_open();
    struct chain *chains[CHAINS];
    open_chains(&t, chains);
    for (unsigned round = 0; round < 60; round++)
        check_burst_out(&t, chains, round * BURST);
    free_chains(chains);
    bench_close(&t);
}

static void append_cell(uint8_t *record, size_t *length, uint32_t circid, const uint8_t *body)
{
    const uint8_t header[] = {(uint8_t)(circid >> 24), (uint8_t)(circid >> 16),
                              (uint8_t)(circid >> 8), (uint8_t)circid, CELL_RELAY};
    memcpy(record + *length, header, sizeof(header));
    memcpy(record + *length + sizeof(header), body, CELL_BODY_LEN);
    *length += CELL_LEN;
}

static void check_burst_in(struct bench *t, struct chain *const chains[CHAINS], uint32_t number)
{
    struct sent sent[BURST];
    static uint8_t record[31 * CELL_LEN];
    size_t length = 0;
    unsigned n = 1 + choose(BURST - 1), drops = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t body[CELL_BODY_LEN];
        struct chain *c = chains[choose(CHAINS)];
        bool drop = choose(10) == 0;
        sent[i] =
            (struct sent){.c = c, .hop = 1 + choose(c->n), .number = number + i, .arrived = drop};
        chain_answer(c, sent[i].hop, drop ? RELAY_DROP : RELAY_DATA, drop ? 0 : 9, &sent[i].number,
                     sizeof(number), body);
        memcpy(sent[i].tag, c->hops[sent[i].hop - 1].tag, sizeof(sent[i].tag));
        append_cell(record, &length, c->circid, body);
        drops += drop;
        if (i + 1 == n || length + CELL_LEN > sizeof(record)) {
            peer_send(t->link, record, length);
            length = 0;
        }
    }
    uint64_t dropped = t->rig->workers[0].counters.cells_drop;
    rig_run(t->rig);
    for (unsigned i = 0; i < n; i++) // in order over all circuits
        if (!sent[i].arrived)
            expect_from_hop(sent[i].c, sent[i].hop, RELAY_DATA, 9, &sent[i].number, sizeof(number),
                            sent[i].tag);
    assert_int_equal(t->rig->inbox_length, 0);
    assert_int_equal(t->rig->workers[0].counters.cells_drop - dropped, drops);
}

static void a_burst_comes_in_in_order(void **state)
{
    (void)state;
    srand(2);
    struct bench t = bench_open();
    struct chain *chains[CHAINS];
    open_chains(&t, chains);
    for (unsigned round = 0; round < 60; round++) {
        check_burst_in(&t, chains, round * BURST);
        if (round % 8 == 0)
            check_burst_out(&t, chains, round * BURST);
    }
    free_chains(chains);
    bench_close(&t);
}

// Others' circuits pass through the same bursts.
static void others_circuits_share_the_burst(void **state)
{
    (void)state;
    srand(3);
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        for (unsigned kind = TOR1; kind <= CGO; kind++) {
            struct path *p = path_open(n_workers, kind);
            struct bench t = {.rig = p->rig, .link = peer_link_dialled(p->rig, 0)};
            struct chain *chains[CHAINS];
            rig_clear_inbox(p->rig);
            open_chains(&t, chains);
            for (unsigned round = 0; round < 20; round++) {
                struct peer_cell cell;
                uint8_t body[CELL_BODY_LEN] = {0};
                origin_seal(p->origin, CELL_RELAY, body, false);
                peer_send_cell(p->link, PATH_CIRCID, CELL_RELAY, body, sizeof(body));
                check_burst_in(&t, chains, round * BURST);
                peer_expect_cell(p->next, &cell, CELL_RELAY);
                assert_int_equal(cell.body[100], 0);
                path_check_backward(p, (uint8_t)round);
            }
            free_chains(chains);
            peer_link_free(t.link);
            path_close(p);
        }
    }
}

// ---- hops that come while cells are under way

static void a_hop_may_be_added_at_any_time(void **state)
{
    (void)state;
    for (unsigned kinds = 0; kinds < 4; kinds++) {
        struct bench t = bench_open();
        struct chain *c = chain_of(t.link, kinds & 1 ? "c" : "t");
        uint8_t early[CELL_BODY_LEN], tag[LAYER_TAG_MAX];
        // One turn: to hop 1, hop 2 is added, to both; cells of hop 1 come meanwhile.
        chain_ask(c, 1, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, 0, "1", 1);
        chain_answer(c, 1, RELAY_SENDME, 0, "a", 1, early);
        memcpy(tag, c->hops[0].tag, sizeof(tag));
        peer_send_cell(t.link, c->circid, CELL_RELAY, early, sizeof(early));
        struct message *m = chain_hop(c, kinds & 2 ? CGO : TOR1);
        channel_send_down(&t.rig->channels[0], m);
        chain_ask(c, 2, 0, RELAY_DATA, 3, 0, "2", 1);
        chain_ask(c, 1, 0, RELAY_SENDME, 0, 0, "3", 1);
        chain_ask(c, 2, 0, RELAY_DATA, 3, 0, "4", 1);
        rig_run(t.rig);
        expect_at_hop(c, 1, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, "1", 1);
        expect_at_hop(c, 2, CELL_RELAY, RELAY_DATA, 3, "2", 1);
        expect_at_hop(c, 1, CELL_RELAY, RELAY_SENDME, 0, "3", 1);
        expect_at_hop(c, 2, CELL_RELAY, RELAY_DATA, 3, "4", 1);
        expect_from_hop(c, 1, RELAY_SENDME, 0, "a", 1, tag);
        for (unsigned i = 0; i < 6; i++)
            check_both_ways(c, 1 + i % 2);
        chain_free(c);
        bench_close(&t);
    }
}

// More hops than there may be, kinds that there are not, and ends that can't have one.
static void too_many_hops_close_the_circuit(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "tttttttt");
    chain_add(c, TOR1); // whoever is behind the relays
    check_both_ways(c, HOPS_MAX);
    assert_int_equal(hops_in_use(t.rig), HOPS_MAX);
    chain_add(c, TOR1);
    expect_closed(c, DESTROY_RESOURCELIMIT);
    assert_int_equal(hops_in_use(t.rig), 0);
    chain_free(c);
    c = chain_of(t.link, "t");
    c->n = 0;
    struct message *m = chain_hop(c, TOR1);
    m->crypto.kind = 77;
    rig_send(t.rig, m);
    expect_closed(c, DESTROY_RESOURCELIMIT);
    chain_free(c);
    assert_int_equal(hops_in_use(t.rig), 0);
    bench_close(&t);
}

// Takes all but so many out of the pool.
static struct hop *leave_hops(struct rig *rig, unsigned n)
{
    struct hop **at = &rig->workers[0].hops.free, *taken;
    while (n-- > 0)
        at = &(*at)->next_free;
    taken = *at;
    *at = NULL;
    return taken;
}

static void give_hops(struct rig *rig, struct hop *taken)
{
    struct hop **at = &rig->workers[0].hops.free;
    while (*at)
        at = &(*at)->next_free;
    *at = taken;
}

// The other side is behind a relay, and nobody is behind it.
static void the_other_side_is_the_last(void **state)
{
    (void)state;
    struct bench t = bench_open();
    static const char *const kinds[] = {"o", "tot", "coc", "too"};
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct chain *c = chain_of(t.link, kinds[i]);
        expect_closed(c, DESTROY_RESOURCELIMIT);
        assert_int_equal(hops_in_use(t.rig), 0);
        chain_free(c);
    }
    // It takes more memory than a relay, all of which comes back.
    struct chain *c = chain_of(t.link, "tco");
    assert_int_equal(hops_in_use(t.rig), 5);
    check_both_ways(c, 3);
    for (unsigned left = 0; left < 4; left++) { // for "to" it takes four
        struct hop *taken = leave_hops(t.rig, left);
        struct chain *poor = chain_of(t.link, "to");
        expect_closed(poor, DESTROY_RESOURCELIMIT);
        chain_free(poor);
        give_hops(t.rig, taken);
        assert_int_equal(hops_in_use(t.rig), 5);
    }
    check_both_ways(c, 3);
    close_circuit(c);
    peer_expect_destroy(t.link, c->circid, DESTROY_NONE);
    assert_int_equal(hops_in_use(t.rig), 0);
    chain_free(c);
    bench_close(&t);
}

static void hops_are_bounded(void **state)
{
    (void)state;
    enum { CIRCUITS = 40 };
    struct bench t = {.rig = rig_create_for(1, 60)};
    t.link = peer_link_dialled(t.rig, 0);
    struct chain *chains[CIRCUITS];
    unsigned closed = 0, capacity = t.rig->workers[0].hops.capacity;
    assert_int_equal(capacity, (60 + 1) * HOPS_PER_CIRCUIT);
    for (unsigned i = 0; i < CIRCUITS; i++) {
        chains[i] = chain_of(t.link, "tctctctc");
        if (!rig_has(t.rig, MSG_CIRCUIT_CLOSED))
            continue;
        expect_closed(chains[i], DESTROY_RESOURCELIMIT);
        closed++;
    }
    assert_int_equal(closed, CIRCUITS - capacity / 8);
    close_circuit(chains[0]);
    peer_expect_destroy(t.link, chains[0]->circid, DESTROY_NONE);
    struct chain *c = chain_of(t.link, "cccccccc");
    check_both_ways(c, 8);
    chain_free(c);
    for (unsigned i = 0; i < CIRCUITS; i++)
        chain_free(chains[i]);
    bench_close(&t);
}

static void it_has_to_be_created_first(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_dial(t.link);
    rig_send(t.rig, chain_hop(c, TOR1)); // nothing
    chain_ask(c, 1, 0, RELAY_DATA, 1, 0, "", 0);
    chain_created(c);
    assert_int_equal(hops_in_use(t.rig), 0);
    c->n = 0;
    chain_add(c, CGO);
    check_both_ways(c, 1);
    chain_free(c);
    bench_close(&t);
}

// An end towards an origin, answered or not; one that is spliced; none at all.
static void other_ends_have_no_hops(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    rig_clear_inbox(p->rig);
    peer_send_cell(p->link, PATH_CIRCID + 1, CELL_CREATE2, "skin", 4);
    rig_run(p->rig);
    struct message *create = rig_expect(p->rig, MSG_CIRCUIT_CREATE);
    const struct handle ends[] = {create->circuit, p->origin->end, p->next_end, {77, 77}};
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct message *m = rig_message(p->rig, 0, MSG_CIRCUIT_ADD_HOP);
        m->circuit = ends[i];
        m->crypto.kind = TOR1;
        rig_send(p->rig, m);
    }
    path_check_backward(p, 1);
    origin_send(p->origin, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(p->rig);
    channel_free(rig_expect(p->rig, MSG_CIRCUIT_RELAY));
    channel_free(create);
    assert_int_equal(p->rig->inbox_length, 0);
    path_close(p);
}

// … and it is none of what relays do with others' circuits.
static void it_is_not_spliced_nor_truncated(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "tc");
    static const enum message_type types[] = {MSG_CIRCUIT_ACCEPT, MSG_CIRCUIT_TRUNCATE,
                                              MSG_CIRCUIT_JOIN};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct message *m = rig_message(t.rig, 0, types[i]);
        m->circuit = c->end;
        rig_send(t.rig, m);
        check_both_ways(c, 2);
    }
    struct message *m = rig_message(t.rig, 0, MSG_CIRCUIT_SPLICE);
    m->circuit = c->end;
    rig_send(t.rig, m);
    expect_closed(c, DESTROY_RESOURCELIMIT);
    chain_free(c);
    bench_close(&t);
}

// ---- what hops may not do

// The circuit is closed, and what it sent before has come.
static void check_broken(const char *kinds, void (*breaks)(struct chain *c))
{
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, kinds);
    struct chain *other = chain_of(t.link, "tct");
    uint8_t tag[LAYER_TAG_MAX];
    chain_send(c, c->n, RELAY_DATA, 4, "before", 6);
    memcpy(tag, c->hops[c->n - 1].tag, sizeof(tag));
    breaks(c);
    chain_send(c, c->n, RELAY_DATA, 4, "after", 5);
    chain_send(other, 2, RELAY_DATA, 5, "other", 5);
    rig_run(t.rig);
    expect_from_hop(c, c->n, RELAY_DATA, 4, "before", 6, tag);
    expect_from_hop(other, 2, RELAY_DATA, 5, "other", 5, other->hops[1].tag);
    expect_closed(c, DESTROY_PROTOCOL);
    assert_int_equal(t.rig->inbox_length, 0);
    check_both_ways(other, 3);
    chain_free(other);
    chain_free(c);
    bench_close(&t);
}

static void send_noise(struct chain *c)
{
    uint8_t body[CELL_BODY_LEN];
    for (unsigned i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)rand();
    peer_send_cell(c->link, c->circid, CELL_RELAY, body, sizeof(body));
}

// From behind the last hop.
static void send_beyond(struct chain *c)
{
    uint8_t body[CELL_BODY_LEN] = {RELAY_DATA, 0, 0, 0, 4, 1, 2, 3, 4};
    chain_cover(c, c->n, body);
    peer_send_cell(c->link, c->circid, CELL_RELAY, body, sizeof(body));
}

static void send_tampered(struct chain *c)
{
    uint8_t body[CELL_BODY_LEN];
    chain_answer(c, c->n, RELAY_DATA, 4, "tampered", 8, body);
    body[c->n == 1 ? 25 : 508] ^= 0x80;
    peer_send_cell(c->link, c->circid, CELL_RELAY, body, sizeof(body));
}

static void send_again(struct chain *c)
{
    uint8_t body[CELL_BODY_LEN];
    chain_answer(c, c->n, RELAY_DROP, 0, "", 0, body);
    peer_send_cell(c->link, c->circid, CELL_RELAY, body, sizeof(body));
    peer_send_cell(c->link, c->circid, CELL_RELAY, body, sizeof(body));
}

static void send_early(struct chain *c)
{
    uint8_t body[CELL_BODY_LEN];
    chain_answer(c, c->n, RELAY_DATA, 4, "", 0, body);
    peer_send_cell(c->link, c->circid, CELL_RELAY_EARLY, body, sizeof(body));
}

static void send_created(struct chain *c)
{
    peer_send_cell(c->link, c->circid, CELL_CREATED2, "again", 5);
}

static void hops_keep_to_the_protocol(void **state)
{
    (void)state;
    static void (*const ways[])(struct chain * c) = {send_noise, send_beyond, send_tampered,
                                                     send_again, send_early,  send_created};
    for (unsigned way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
        for (unsigned i = 0; i < CHAINS; i++)
            check_broken(mixes[i], ways[way]);
}

// A length that does not fit (4.04), a command that v1 does not know (4.03).
static void messages_keep_to_the_format(void **state)
{
    (void)state;
    struct bench t = bench_open();
    static const char *const kinds[] = {"ct", "tc", "co"};
    for (unsigned kind = TOR1; kind <= ONION; kind++) {
        struct chain *c = chain_of(t.link, kinds[kind - TOR1]);
        uint8_t body[CELL_BODY_LEN] = {0};
        struct chain_hop *last = &c->hops[1];
        if (kind == ONION) {
            body[9] = 0xff;
            chain_mark(last, body);
            chain_cover(c, 2, body);
        } else if (kind == CGO) {
            body[16] = 99;
            cgo_relay_originate(c->cgo, &last->backward.cgo, CELL_RELAY, body, last->tag);
            chain_cover(c, 1, body);
        } else {
            body[9] = 0xff;
            tor1_originate(&last->backward.tor1, body, last->tag);
            chain_cover(c, 2, body);
        }
        peer_send_cell(t.link, c->circid, CELL_RELAY, body, sizeof(body));
        rig_run(t.rig);
        expect_closed(c, DESTROY_PROTOCOL);
        assert_int_equal(t.rig->inbox_length, 0);
        chain_free(c);
    }
    bench_close(&t);
}

// Nobody but the hop that it was asked of is sent a message; what can't be said is not.
static void messages_without_a_hop_are_not_sent(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "tc");
    struct peer_cell cell;
    static const uint8_t zeros[RELAY_BODY_MAX + 1];
    chain_ask(c, 0, 0, RELAY_DATA, 1, 0, "", 0);
    chain_ask(c, 3, 0, RELAY_DATA, 1, 0, "", 0);
    chain_ask(c, 255, 0, RELAY_DATA, 1, 0, "", 0);
    chain_ask(c, 1, 0, RELAY_DATA, 1, 0, zeros, RELAY_BODY_MAX + 1);
    chain_ask(c, 2, 0, RELAY_DATA, 1, 0, zeros, CGO_MESSAGE_STREAM_BODY_MAX + 1);
    chain_ask(c, 2, 0, 99, 1, 0, "", 0);
    rig_run(t.rig);
    assert_false(peer_receive_cell(t.link, &cell));
    check_both_ways(c, 1);
    check_both_ways(c, 2);
    // Who waits for an answer hears of it.
    chain_ask(c, 1, 0, RELAY_DATA, 1, 0, "sent", 4);
    chain_ask(c, 2, 0, 99, 1, ORIGINATE_TELL_TAG, "", 0);
    chain_ask(c, 1, 0, RELAY_DATA, 1, 0, "not", 3);
    rig_run(t.rig);
    expect_closed(c, DESTROY_RESOURCELIMIT);
    chain_free(c);
    bench_close(&t);
}

// ---- when something runs short

static void without_cells_the_circuit_is_closed(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *out = chain_of(t.link, "tct"), *in = chain_of(t.link, "cc");
    struct chain *other = chain_of(t.link, "t");
    void **cells = calloc(RIG_CELLS, sizeof(void *));
    unsigned n = 0;
    chain_ask(other, 1, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
    chain_ask(out, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
    chain_ask(out, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
    while (rte_mempool_avail_count(t.rig->cells) > 1)
        assert_int_equal(rte_mempool_get(t.rig->cells, &cells[n++]), 0);
    rig_run(t.rig);
    struct peer_cell cell;
    peer_expect_cell(t.link, &cell, CELL_RELAY);
    assert_int_equal(cell.circid, other->circid);
    expect_closed(out, DESTROY_RESOURCELIMIT);
    assert_int_equal(chain_take(other, &cell), 1);
    expect_told(other, 1, other->hops[0].tag);
    assert_int_equal(rte_mempool_get(t.rig->cells, &cells[n++]), 0);
    chain_send(in, 2, RELAY_DATA, 1, "", 0);
    rig_run(t.rig);
    expect_closed(in, DESTROY_RESOURCELIMIT);
    while (n > 0)
        rte_mempool_put(t.rig->cells, cells[--n]);
    free(cells);
    assert_int_equal(t.rig->inbox_length, 0);
    check_both_ways(other, 1);
    chain_free(out);
    chain_free(in);
    chain_free(other);
    bench_close(&t);
}

static void without_messages_the_circuit_is_closed(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *asks = chain_of(t.link, "tc"), *hears = chain_of(t.link, "cc");
    struct chain *other = chain_of(t.link, "t");
    struct message **taken = calloc(5000, sizeof(struct message *));
    struct peer_cell cell;
    unsigned n = 0;
    while ((taken[n] = channel_message_up(&t.rig->channels[0], MSG_CONN_DATA)))
        n++;
    chain_ask(asks, 1, 0, RELAY_DATA, 1, 0, "", 0); // goes with its circuit
    chain_ask(asks, 2, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
    chain_ask(asks, 1, 0, RELAY_DATA, 1, 0, "", 0);
    chain_ask(other, 1, 0, RELAY_DATA, 1, 0, "other", 5);
    chain_send(hears, 2, RELAY_DATA, 1, "", 0);
    rig_run(t.rig);
    expect_at_hop(other, 1, CELL_RELAY, RELAY_DATA, 1, "other", 5);
    while (n > 0)
        channel_free(taken[--n]);
    free(taken);
    assert_int_equal(t.rig->inbox_length, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct message *m = rig_expect(t.rig, MSG_CIRCUIT_CLOSED);
        assert_int_equal(m->close.reason, DESTROY_RESOURCELIMIT);
        channel_free(m);
        peer_expect_cell(t.link, &cell, CELL_DESTROY);
        assert_int_equal(cell.body[0], DESTROY_NONE);
    }
    check_both_ways(other, 1);
    assert_int_equal(hops_in_use(t.rig), 1);
    chain_free(asks);
    chain_free(hears);
    chain_free(other);
    bench_close(&t);
}

// ---- a download that the control thread does not keep up with

// Returns how many others came.
static unsigned take_numbered(struct rig *rig, struct chain *c, unsigned *next)
{
    unsigned room = RIG_MESSAGES_MAX - rig->inbox_length, others = 0;
    rig->inbox_length +=
        channel_receive_up(&rig->channels[0], rig->inbox + rig->inbox_length, room);
    assert_false(rig_has(rig, MSG_CIRCUIT_CLOSED));
    while (rig->inbox_length > 0) {
        struct message *m = rig_expect(rig, MSG_CIRCUIT_RELAY);
        uint32_t number = *next + 1;
        if (m->circuit.index == c->end.index) {
            assert_memory_equal(m->payload, &number, sizeof(number));
            (*next)++;
        } else {
            assert_memory_equal(m->payload, "other", 5);
            others++;
        }
        channel_free(m);
    }
    return others;
}

// The link waits; nothing is lost, nothing is closed, and other links have room.
static void a_download_waits_for_the_control_thread(void **state)
{
    (void)state;
    enum { RECORDS = 120, CELLS = 31 };
    struct bench t = bench_open();
    struct peer_link *link = peer_link_dialled(t.rig, 0);
    struct chain *c = chain_of(t.link, "tct"), *other = chain_of(link, "ccc");
    static uint8_t record[CELLS * CELL_LEN];
    uint32_t number = 0;
    unsigned taken = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t length = 0;
        for (unsigned j = 0; j < CELLS; j++) {
            uint8_t body[CELL_BODY_LEN];
            number++;
            chain_answer(c, 3, RELAY_DATA, 5, &number, sizeof(number), body);
            append_cell(record, &length, c->circid, body);
        }
        peer_send(t.link, record, length);
    }
    for (unsigned i = 0; i < 40; i++)
        worker_turn(&t.rig->workers[0]);
    assert_int_equal(t.rig->workers[0].counters.reads_put_off, 1);
    assert_true(channel_room_up(&t.rig->channels[0]) > 2000);
    chain_send(other, 3, RELAY_DATA, 5, "other", 5);
    worker_turn(&t.rig->workers[0]);
    assert_int_equal(take_numbered(t.rig, c, &taken), 1);
    assert_true(taken > 500 && taken < 1000);
    while (taken < number) {
        unsigned before = taken;
        for (unsigned i = 0; i < 5; i++)
            worker_turn(&t.rig->workers[0]);
        take_numbered(t.rig, c, &taken);
        assert_true(taken > before);
    }
    rig_run(t.rig);
    check_both_ways(c, 3);
    chain_free(c);
    chain_free(other);
    peer_link_free(link);
    bench_close(&t);
}

static void its_messages_are_bounded(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "cct");
    struct worker *w = &t.rig->workers[0];
    _Atomic uint16_t *account = &w->ends.messages[c->end.index];
    atomic_store(account, TELL_CIRCUIT_OF_OURS_MAX - 1);
    check_both_ways(c, 3);
    chain_send(c, 3, RELAY_DATA, 5, "last", 4);
    chain_send(c, 2, RELAY_DATA, 5, "more", 4);
    rig_run(t.rig);
    channel_free(rig_expect(t.rig, MSG_CIRCUIT_RELAY));
    expect_closed(c, DESTROY_RESOURCELIMIT);
    assert_int_equal(w->counters.drop_circuit_messages, 1);
    atomic_store(account, 0);
    chain_free(c);
    bench_close(&t);
}

// ---- closing

// Between commands, and while its cells are on their way in.
static void it_may_close_in_mid_burst(void **state)
{
    (void)state;
    struct bench t = bench_open();
    for (unsigned by_us = 0; by_us < 2; by_us++) {
        struct chain *c = chain_of(t.link, "tct"), *other = chain_of(t.link, "ct");
        struct peer_cell cell;
        static const uint8_t reason = DESTROY_FINISHED;
        unsigned destroys = 0, got = 0;
        chain_ask(c, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
        chain_ask(other, 2, 0, RELAY_DATA, 1, 0, "1", 1);
        if (by_us) {
            struct message *m = rig_message(t.rig, 0, MSG_CIRCUIT_CLOSE);
            m->circuit = c->end;
            channel_send_down(&t.rig->channels[0], m);
            chain_ask(c, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0); // nobody's
        } else {
            chain_send(c, 2, RELAY_DATA, 1, "", 0);
            peer_send_cell(t.link, c->circid, CELL_DESTROY, &reason, 1);
            chain_send(c, 2, RELAY_DATA, 1, "", 0);
        }
        chain_ask(other, 1, 0, RELAY_SENDME, 0, 0, "2", 1);
        rig_run(t.rig);
        // A DESTROY may stand anywhere between others' cells.
        while (peer_receive_cell(t.link, &cell)) {
            if (cell.command == CELL_DESTROY) {
                assert_int_equal(cell.circid, c->circid);
                assert_true(by_us);
                destroys++;
                continue;
            }
            assert_int_equal(cell.circid, other->circid);
            assert_int_equal(chain_take(other, &cell), 2 - got++);
        }
        assert_int_equal(got, 2);
        assert_int_equal(destroys, by_us);
        if (!by_us) {
            channel_free(rig_expect(t.rig, MSG_CIRCUIT_RELAY));
            rig_expect_closed(t.rig, c->end, DESTROY_FINISHED, true);
        }
        channel_free(rig_expect(t.rig, MSG_CIRCUIT_ORIGINATED));
        assert_int_equal(t.rig->inbox_length, 0);
        assert_int_equal(hops_in_use(t.rig), 2);
        close_circuit(other);
        peer_expect_destroy(t.link, other->circid, DESTROY_NONE);
        chain_free(c);
        chain_free(other);
    }
    bench_close(&t);
}

// With its link, in the same burst of commands.
static void it_may_close_with_its_link(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "tct");
    chain_ask(c, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_TAG, "", 0);
    struct message *m = rig_message(t.rig, 0, MSG_CONN_CLOSE);
    m->conn = t.link->conn;
    channel_send_down(&t.rig->channels[0], m);
    rig_run(t.rig);
    rig_expect_closed(t.rig, c->end, DESTROY_CHANNEL_CLOSED, false);
    assert_int_equal(hops_in_use(t.rig), 0);
    chain_free(c);
    bench_close(&t);
}

// A queue that is too long closes it, and the burst goes on.
static void a_long_queue_closes_it_in_mid_burst(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "ct"), *other = chain_of(t.link, "tc");
    fake_set_window(t.link->tcp, 0);
    for (unsigned i = 0; i < 130; i++)
        chain_ask(c, 1 + i % 2, 0, RELAY_DATA, 1, 0, "", 0);
    chain_ask(other, 2, 0, RELAY_DATA, 1, 0, "other", 5);
    rig_run(t.rig);
    fake_set_window(t.link->tcp, 1 << 20);
    rig_run(t.rig);
    expect_closed(c, DESTROY_RESOURCELIMIT); // a DESTROY first, where both wait
    expect_at_hop(other, 2, CELL_RELAY, RELAY_DATA, 1, "other", 5);
    check_both_ways(other, 1);
    chain_free(c);
    chain_free(other);
    bench_close(&t);
}

// ---- short queues

static void it_is_told_of_a_short_queue(void **state)
{
    (void)state;
    struct bench t = bench_open();
    struct chain *c = chain_of(t.link, "tct");
    chain_ask(c, 3, 0, RELAY_DATA, 1, ORIGINATE_TELL_DRAINED, "", 0);
    rig_run(t.rig);
    channel_free(rig_expect(t.rig, MSG_CIRCUIT_DRAINED));
    fake_set_window(t.link->tcp, 0);
    for (unsigned i = 0; i <= DRAINED_CELLS; i++)
        chain_ask(c, 3, 0, RELAY_DATA, 1, i == DRAINED_CELLS ? ORIGINATE_TELL_DRAINED : 0, "", 0);
    rig_run(t.rig);
    assert_int_equal(t.rig->inbox_length, 0);
    fake_set_window(t.link->tcp, 1 << 20);
    rig_run(t.rig);
    struct message *m = rig_expect(t.rig, MSG_CIRCUIT_DRAINED);
    assert_int_equal(m->circuit.index, c->end.index);
    assert_int_equal(m->cookie, CHAIN_COOKIE);
    channel_free(m);
    assert_int_equal(t.rig->inbox_length, 0);
    chain_free(c);
    bench_close(&t);
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_mix_of_hops_works),
        cmocka_unit_test(a_burst_goes_out_in_order),
        cmocka_unit_test(a_burst_comes_in_in_order),
        cmocka_unit_test(others_circuits_share_the_burst),
        cmocka_unit_test(a_hop_may_be_added_at_any_time),
        cmocka_unit_test(too_many_hops_close_the_circuit),
        cmocka_unit_test(the_other_side_is_the_last),
        cmocka_unit_test(hops_are_bounded),
        cmocka_unit_test(it_has_to_be_created_first),
        cmocka_unit_test(other_ends_have_no_hops),
        cmocka_unit_test(it_is_not_spliced_nor_truncated),
        cmocka_unit_test(hops_keep_to_the_protocol),
        cmocka_unit_test(messages_keep_to_the_format),
        cmocka_unit_test(messages_without_a_hop_are_not_sent),
        cmocka_unit_test(without_cells_the_circuit_is_closed),
        cmocka_unit_test(without_messages_the_circuit_is_closed),
        cmocka_unit_test(a_download_waits_for_the_control_thread),
        cmocka_unit_test(its_messages_are_bounded),
        cmocka_unit_test(it_may_close_in_mid_burst),
        cmocka_unit_test(it_may_close_with_its_link),
        cmocka_unit_test(a_long_queue_closes_it_in_mid_burst),
        cmocka_unit_test(it_is_told_of_a_short_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
