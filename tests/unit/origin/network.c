// SPDX-License-Identifier: BSD-3-Clause
// A network of own making.
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "dir/store/digest_table.h"
#include "dir/store/store.h"

time_t network_now = 1800000000;

static time_t wall_clock(void)
{
    return network_now;
}

uint64_t network_random(struct network *w, uint64_t bound)
{
    // SplitMix64
    uint64_t z = w->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % bound;
}

// ---- the store

struct store_double {
    struct stored_consensus consensus;
    struct consensus *parsed;
    struct digest_table texts; // struct blob, by the SHA-256
};

static struct network *current; // whose store is asked

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    const struct store_double *s = (const void *)store;
    assert_int_equal(flavour, CONSENSUS_MICRODESC);
    assert_int_equal(index, 0);
    return s->parsed != NULL ? &s->consensus : NULL;
}

struct blob *store_get(const struct directory_store *store, enum store_kind kind,
                       const uint8_t *digest)
{
    const struct store_double *s = (const void *)store;
    assert_int_equal(kind, STORE_MICRODESCRIPTOR);
    struct blob *text = digest_table_get(&s->texts, digest);
    current->parsed += text != NULL;
    return text;
}

static void forget_texts(struct store_double *s)
{
    struct blob *text;
    for (size_t i = 0; (text = digest_table_next(&s->texts, &i)) != NULL;)
        blob_drop(text);
    digest_table_release(&s->texts);
}

// ---- guards

struct guard_use {
    struct guards *guards;
};

struct guard_use *guard_choose(struct guards *g, const struct guard_restriction *restriction,
                               struct own_circuit_hop *hop, const struct node **node)
{
    g->last = *restriction;
    const struct node_list *nodes = g->network->origin.nodes;
    size_t first = g->n > 0 ? random_uniform((uint32_t)g->n) : 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct node *n = network_node(g->network, g->of[(first + i) % g->n]);
        if (restriction->exit != NULL && !g->ignore_related &&
            node_related(nodes, n, restriction->exit))
            continue;
        struct guard_use *use = calloc(1, sizeof(*use));
        assert_non_null(use);
        use->guards = g;
        g->uses++;
        node_hop(n, hop);
        hop->has_ntor_key &= !g->no_keys;
        *node = n;
        return use;
    }
    return NULL;
}

void guard_use_end(struct guard_use *use)
{
    use->guards->uses--;
    free(use);
}

// ---- relays

static const char *const protocol_lists[] = {
    "Conflux=1 Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=3-5 "
    "LinkAuth=3 Microdesc=1-3 Padding=2 Relay=2-6",
    "Conflux=1 Cons=1-2 Desc=1-2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=1-5 "
    "LinkAuth=1,3 Microdesc=1-2 Padding=2 Relay=1-4",
    "Cons=1-2 Desc=1-2 DirCache=2 FlowCtrl=1 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=1-5 "
    "LinkAuth=1,3 Microdesc=1-2 Padding=2 Relay=1-3",
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 20);
}

static void random_fill(struct network *w, uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)network_random(w, 256);
}

struct network *network_create(size_t n)
{
    struct network *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->relays = calloc(n, sizeof(*w->relays));
    w->store = calloc(1, sizeof(*w->store));
    assert_true(w->relays != NULL && w->store != NULL);
    w->n = n;
    w->random = 1;
    digest_table_init(&w->store->texts, 32);
    uint8_t(*ids)[20] = calloc(n, sizeof(*ids));
    assert_non_null(ids);
    random_fill(w, ids[0], n * sizeof(*ids));
    qsort(ids, n, sizeof(*ids), by_id);
    for (size_t i = 0; i < n; i++) {
        struct network_relay *r = &w->relays[i];
        snprintf(r->nickname, sizeof(r->nickname), "relay%u", (unsigned)i);
        memcpy(r->rsa_id, ids[i], 20);
        random_fill(w, r->ed_id, 32);
        random_fill(w, r->ntor_key, 32);
        r->ipv4 = (uint32_t)(0x0b000000 + (i << 16) + 1);
        r->flags = ROUTER_FAST | ROUTER_GUARD | ROUTER_STABLE | ROUTER_V2DIR | ROUTER_HSDIR;
        r->bandwidth = 1000;
        r->protocols = protocol_lists[0];
    }
    free(ids);
    w->valid_after = 1800000000; // 2027-01-15 08:00:00
    w->interval_s = 3600;
    w->relay.wall_clock = wall_clock;
    w->relay.config = &w->config;
    w->relay.store = (struct directory_store *)w->store;
    w->config.nodes.distinct_subnets = true;
    snprintf(w->weights, sizeof(w->weights),
             "Wbd=0 Wbe=0 Wbg=4131 Wbm=10000 Wdb=10000 Web=10000 Wed=10000 Wee=10000 Weg=10000 "
             "Wem=10000 Wgb=10000 Wgd=0 Wgg=5869 Wgm=5869 Wmb=10000 Wmd=0 Wme=0 Wmg=4131 "
             "Wmm=10000");
    w->relay.parameters = parameters_create(&w->relay);
    assert_non_null(w->relay.parameters);
    w->origin.relay = &w->relay;
    w->origin.nodes = node_list_create(&w->relay);
    w->origin.guards = calloc(1, sizeof(*w->origin.guards));
    assert_true(w->origin.nodes != NULL && w->origin.guards != NULL);
    w->origin.guards->network = w;
    return w;
}

void network_free(struct network *w)
{
    assert_int_equal(w->origin.guards->uses, 0);
    node_list_free(w->origin.nodes);
    free(w->origin.guards);
    parameters_free(w->relay.parameters);
    consensus_free(w->store->parsed);
    forget_texts(w->store);
    for (size_t i = 0; i < w->n; i++) {
        free(w->relays[i].family);
        free(w->relays[i].family_ids);
    }
    free(w->store);
    free(w->relays);
    free(w);
}

char *network_fingerprint(const struct network *w, size_t relay, char out[42])
{
    out[0] = '$';
    hex_encode(w->relays[relay].rsa_id, 20, out + 1, 41);
    return out;
}

void network_set_family(struct network *w, size_t relay, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(w->relays[relay].family);
    assert_true(vasprintf(&w->relays[relay].family, format, arguments) >= 0);
    va_end(arguments);
}

const struct node *network_node(const struct network *w, size_t relay)
{
    return node_at(w->origin.nodes, relay);
}

struct network_relay *network_relay_of(const struct network *w, const struct node *n)
{
    return &w->relays[n->index];
}

// ---- texts

static const char *base64_of(const uint8_t *bytes, size_t length, char out[64])
{
    assert_true(base64_encode(bytes, length, false, out, 64) > 0);
    return out;
}

static void publish_microdescriptor(struct network *w, struct network_relay *r)
{
    char *text = NULL, key[64];
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    fprintf(file, "onion-key\nntor-onion-key %s\n", base64_of(r->ntor_key, 32, key));
    if (r->ipv6[0] != '\0' && r->ipv6_in_md)
        fprintf(file, "a %s\n", r->ipv6);
    if (r->family != NULL)
        fprintf(file, "family %s\n", r->family);
    if (r->family_ids != NULL)
        fprintf(file, "family-ids %s\n", r->family_ids);
    if (r->policy != NULL)
        fprintf(file, "p %s\n", r->policy);
    if (r->policy6 != NULL)
        fprintf(file, "p6 %s\n", r->policy6);
    fprintf(file, "id ed25519 %s\n", base64_of(r->ed_id, 32, key));
    fclose(file);
    sha256(text, length, r->digest);
    if (!r->missing && digest_table_get(&w->store->texts, r->digest) == NULL)
        assert_int_equal(digest_table_put(&w->store->texts, r->digest, blob_create(text, length)),
                         0);
    free(text);
}

static void write_router(FILE *file, const struct network_relay *r)
{
    static const struct {
        unsigned flag;
        const char *name;
    } flags[] = {{ROUTER_BAD_EXIT, "BadExit"}, {ROUTER_EXIT, "Exit"},
                 {ROUTER_FAST, "Fast"},        {ROUTER_GUARD, "Guard"},
                 {ROUTER_HSDIR, "HSDir"},      {ROUTER_MIDDLE_ONLY, "MiddleOnly"},
                 {ROUTER_STABLE, "Stable"},    {ROUTER_V2DIR, "V2Dir"}};
    char id[64], digest[64];
    fprintf(file, "r %s %s 2038-01-01 00:00:00 %u.%u.%u.%u 9001 0\n", r->nickname,
            base64_of(r->rsa_id, 20, id), r->ipv4 >> 24, r->ipv4 >> 16 & 255, r->ipv4 >> 8 & 255,
            r->ipv4 & 255);
    if (r->ipv6[0] != '\0' && !r->ipv6_in_md)
        fprintf(file, "a %s\n", r->ipv6);
    fprintf(file, "m %s\ns", base64_of(r->digest, 32, digest));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (r->flags & flags[i].flag)
            fprintf(file, " %s", flags[i].name);
    fprintf(file, "\n");
    fprintf(file, "pr %s\nw Bandwidth=%u\n", r->protocols, r->bandwidth);
}

static const char *time_text(time_t t, char out[32])
{
    struct tm utc;
    assert_true(strftime(out, 32, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &utc)) > 0);
    return out;
}

void network_publish(struct network *w)
{
    char *text = NULL, at[32], value[64];
    size_t length = 0;
    const char *wrong = "";
    FILE *file = open_memstream(&text, &length);
    fprintf(file,
            "network-status-version 3 microdesc\nvote-status consensus\nconsensus-method 35\n"
            "valid-after %s\n",
            time_text(w->valid_after, at));
    fprintf(file, "fresh-until %s\n", time_text(w->valid_after + w->interval_s, at));
    fprintf(file, "valid-until %s\nvoting-delay 300 300\n",
            time_text(w->valid_after + 3 * w->interval_s, at));
    fprintf(file,
            "known-flags BadExit Exit Fast Guard HSDir MiddleOnly Running Stable V2Dir Valid\n");
    if (w->params[0] != '\0')
        fprintf(file, "params %s\n", w->params);
    if (w->has_srv) {
        fprintf(file, "shared-rand-previous-value 8 %s=\n", base64_of(w->srv_previous, 32, value));
        fprintf(file, "shared-rand-current-value 8 %s=\n", base64_of(w->srv_current, 32, value));
    }
    fprintf(file, "dir-source a %040d 10.0.0.1 10.0.0.1 80 443\ncontact none\n", 1);
    forget_texts(w->store);
    for (size_t i = 0; i < w->n; i++) {
        publish_microdescriptor(w, &w->relays[i]);
        write_router(file, &w->relays[i]);
    }
    fprintf(file, "directory-footer\n");
    if (w->weights[0] != '\0')
        fprintf(file, "bandwidth-weights %s\n", w->weights);
    char signature[BASE64_LINES_SIZE(256)];
    assert_true(base64_encode_lines((const uint8_t[256]){0}, 256, signature, sizeof(signature)) >
                0);
    fprintf(file,
            "directory-signature sha256 %040d %040d\n-----BEGIN SIGNATURE-----\n%s"
            "-----END SIGNATURE-----\n",
            1, 1, signature);
    fclose(file);
    consensus_free(w->store->parsed);
    if (consensus_parse((uint8_t *)text, length, &w->store->parsed, &wrong) != 0)
        fail_msg("the consensus: %s", wrong);
    // What the list of nodes knows of the one before stays good until it is refreshed.
    for (size_t i = 0; i < node_count(w->origin.nodes); i++)
        assert_ptr_equal(node_find(w->origin.nodes, network_node(w, i)->status->rsa_id),
                         network_node(w, i));
    free(text);
    w->store->consensus.parsed = w->store->parsed;
    current = w;
    node_list_refresh(w->origin.nodes);
    parameters_update(&w->relay, w->store->parsed);
    assert_int_equal(node_count(w->origin.nodes), w->n);
}

// ---- as the public network is

static const char *const policies[] = {
    "accept 80,443",
    "accept 443",
    "accept 20-23,43,53,79-81,88,110,143,194,220,389,443,464,531,543-544,554,563,587,636,706,749,"
    "873,902-904,981,989-995,1194,1220,1293,1500,1533,1677,1723,1755,1863,2082-2083,5222-5223,"
    "6660-6669,6679,6697,8000,8008,8080,8332-8333,8443,9418,11371",
    "reject 25,119,135-139,445,563,1214,4661-4666,6346-6429,6699,6881-6999",
    "reject 25,465,587",
    "accept 53,80,443,5222,6697",
    "reject 1-79,81-442,444-65535",
    "accept 1-65535",
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

static bool chance(struct network *w, unsigned percent)
{
    return network_random(w, 100) < percent;
}

static void vary(struct network *w, struct network_relay *r, size_t n_subnets)
{
    bool exit = chance(w, 25);
    // From 20 to 200,000 kB/s, small ones more often.
    unsigned magnitude = (unsigned)network_random(w, 14);
    r->bandwidth = (uint32_t)((20u << magnitude) + network_random(w, 20u << magnitude));
    r->flags = ROUTER_HSDIR;
    r->flags |= chance(w, 90) ? ROUTER_FAST : 0;
    r->flags |= chance(w, 80) ? ROUTER_STABLE : 0;
    r->flags |= chance(w, 45) ? ROUTER_GUARD : 0;
    r->flags |= chance(w, 92) ? ROUTER_V2DIR : 0;
    r->flags |= exit ? ROUTER_EXIT : 0;
    r->flags |= chance(w, 1) ? ROUTER_BAD_EXIT : 0;
    r->flags |= chance(w, 1) ? ROUTER_MIDDLE_ONLY : 0;
    r->protocols = chance(w, 2) ? "Link=1-4 Relay=1" : protocol_lists[network_random(w, 3)];
    if (exit)
        r->policy = policies[network_random(w, POLICIES)];
    else if (chance(w, 3))
        r->policy = "accept 6667"; // too little for the flag
    if (exit && chance(w, 50))
        r->policy6 = policies[network_random(w, POLICIES)];
    uint32_t subnet = (uint32_t)network_random(w, n_subnets) * (uint32_t)network_random(w, 3);
    r->ipv4 = (0x0b00u + subnet) << 16 | (uint32_t)network_random(w, 65536);
    if (chance(w, 50)) {
        snprintf(r->ipv6, sizeof(r->ipv6), "[2a%02x:%x::%x]:9001", (unsigned)network_random(w, 16),
                 (unsigned)network_random(w, 256), (unsigned)network_random(w, 65536) + 1);
        r->ipv6_in_md = chance(w, 50);
    }
    r->missing = chance(w, 2);
}

// Random relays list each other: by fingerprint, some by nickname. In one family of three half of
// the members do not list the others back; one of three is of a family id instead.
static void make_family(struct network *w, unsigned group, size_t n)
{
    size_t *members = calloc(n, sizeof(*members));
    char *text = NULL, id[42];
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(members);
    for (size_t i = 0; i < n; i++) {
        members[i] = (size_t)network_random(w, w->n);
        if (chance(w, 10))
            fprintf(file, "%s ", w->relays[members[i]].nickname);
        else
            fprintf(file, "%s ", network_fingerprint(w, members[i], id));
    }
    fclose(file);
    for (size_t i = 0; i < n; i++) {
        struct network_relay *r = &w->relays[members[i]];
        if (r->group != 0 || r->id_group != 0)
            continue;
        if (group % 3 == 0) { // by id
            r->id_group = group;
            assert_true(asprintf(&r->family_ids, "ed25519:someoneelse%zu ed25519:group%u",
                                 members[i], group) > 0);
        } else {
            r->group = group % 3 == 1 || i % 2 == 0 ? group : 0;
            network_set_family(w, members[i], "%s", r->group != 0 ? text : "nobody");
        }
    }
    free(text);
    free(members);
}

struct network *network_create_real(size_t n)
{
    struct network *w = network_create(n);
    for (size_t i = 0; i < n; i++)
        vary(w, &w->relays[i], n / 4);
    for (unsigned group = 1; group <= n / 30; group++)
        make_family(w, group, 2 + (size_t)network_random(w, 12));
    // Unlike the public network's, in that no two are alike and none is all or nothing.
    snprintf(w->weights, sizeof(w->weights),
             "Wbd=1100 Wbe=2200 Wbg=4131 Wbm=9800 Wdb=6000 Web=7000 Wed=9500 Wee=9900 Weg=8000 "
             "Wem=9000 Wgb=9100 Wgd=1500 Wgg=5869 Wgm=5769 Wmb=8100 Wmd=1200 Wme=500 Wmg=4231 "
             "Wmm=10000");
    return w;
}
