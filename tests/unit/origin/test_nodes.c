// SPDX-License-Identifier: BSD-3-Clause
// What is known of relays: keys, abilities, families, subnets, the config's rules, and how much of
// the network is known (9.09–9.12, 9.16, 11.11).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dir/parameters.h"
#include "identity/identity.h"
#include "network.h"

static bool related(const struct network *w, size_t a, size_t b)
{
    bool yes = node_related(w->origin.nodes, network_node(w, a), network_node(w, b));
    assert_int_equal(yes, node_related(w->origin.nodes, network_node(w, b), network_node(w, a)));
    return yes;
}

static void test_known(void **state)
{
    (void)state;
    struct network *w = network_create(5);
    struct node_list *list = w->origin.nodes;
    assert_int_equal(node_count(list), 0);
    assert_null(node_at(list, 0));
    assert_null(node_find(list, w->relays[0].rsa_id));
    assert_null(node_find_ed(list, w->relays[0].ed_id));
    assert_null(node_list_consensus(list));
    assert_int_equal(node_list_paths_percent(list), 0);
    node_list_refresh(list); // there is no consensus
    assert_int_equal(node_count(list), 0);

    w->relays[1].missing = true;
    w->relays[2].policy = "accept 80,443";
    w->relays[2].policy6 = "accept 80,443";
    w->relays[3].policy = "condone 1-10";
    memset(w->relays[4].ntor_key, 0, 32);
    network_publish(w);
    assert_int_equal(node_list_missing(list), 1);
    for (size_t i = 0; i < w->n; i++) {
        const struct node *n = node_find(list, w->relays[i].rsa_id);
        assert_ptr_equal(n, node_at(list, i));
        assert_int_equal(n->index, i);
        assert_memory_equal(n->status->rsa_id, w->relays[i].rsa_id, 20);
        assert_int_equal(n->has_keys, i != 1 && i != 4);
        assert_ptr_equal(node_find_ed(list, w->relays[i].ed_id), i == 1 ? NULL : n);
        if (!n->has_keys)
            continue;
        assert_memory_equal(n->ntor_key, w->relays[i].ntor_key, 32);
        assert_memory_equal(n->ed_id, w->relays[i].ed_id, 32);
        assert_int_equal(port_policy_allows(n->policy, 443), i == 2);
        assert_int_equal(port_policy_allows(n->policy6, 80), i == 2);
        assert_int_equal(port_policy_allows_none(n->policy), i != 2);
        assert_ptr_equal(node_policy_at(list, n->policy_index), n->policy);
        assert_ptr_equal(node_policy_at(list, n->policy6_index), n->policy6);
    }
    assert_int_equal(node_policy_count(list), 2); // that of all others, too
    uint8_t unknown[32] = {1};
    assert_null(node_find(list, unknown));
    assert_null(node_find_ed(list, unknown));
    assert_null(node_list_self(list));
    network_free(w);
}

// Each microdescriptor is read once; what is no longer listed is forgotten.
static void test_refresh(void **state)
{
    (void)state;
    struct network *w = network_create(50);
    struct node_list *list = w->origin.nodes;
    w->relays[7].missing = true;
    w->relays[8].policy = "accept 80";
    network_set_family(w, 9, "relay1");
    network_publish(w);
    uint64_t generation = node_list_generation(list);
    assert_int_equal(w->parsed, 49);
    network_publish(w);
    assert_int_equal(w->parsed, 49);
    assert_true(node_list_generation(list) > generation);
    w->relays[7].missing = false;
    w->relays[8].policy = "accept 81";
    w->relays[9].bandwidth = 5;
    network_publish(w);
    assert_int_equal(w->parsed, 51);
    assert_true(network_node(w, 7)->has_keys);
    assert_true(port_policy_allows(network_node(w, 8)->policy, 81));
    assert_int_equal(node_list_missing(list), 0);
    // The one of before was dropped.
    w->relays[8].policy = "accept 80";
    network_publish(w);
    assert_int_equal(w->parsed, 52);
    network_free(w);
}

static void test_self(void **state)
{
    (void)state;
    struct network *w = network_create(5);
    struct identity self = {0};
    memcpy(self.rsa_id, w->relays[3].rsa_id, 20);
    w->relay.identity = &self;
    network_publish(w);
    assert_ptr_equal(node_list_self(w->origin.nodes), network_node(w, 3));
    network_free(w);
}

static void test_abilities(void **state)
{
    (void)state;
    static const struct {
        const char *protocols;
        // extend2 link_auth v3 cc cgo intro rend dir padding
        const char *can;
    } cases[] = {
        {"FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 LinkAuth=3 Padding=2 Relay=2-6", "111111111"},
        {"FlowCtrl=1-2 HSDir=2 HSIntro=5 HSRend=1 LinkAuth=1,3 Relay=1-4", "111100010"},
        {"FlowCtrl=1 HSDir=1 HSIntro=3-4 HSRend=2 LinkAuth=1 Relay=1-6", "101001100"},
        {"FlowCtrl=2 Relay=2-3", "100000000"},
        {"FlowCtrl=2 Relay=2,5-6", "100010000"},
        {"FlowCtrl=2 Relay=2,4,6", "101100000"},
        {"FlowCtrl=2 Relay=2,4,5", "101100000"},
        {"Relay=1,3-6", "001000000"},
        {"Link=4 Padding=1", "000000000"},
    };
    enum { N = sizeof(cases) / sizeof(cases[0]) };
    struct network *w = network_create(N);
    for (size_t i = 0; i < N; i++)
        w->relays[i].protocols = cases[i].protocols;
    network_publish(w);
    for (size_t i = 0; i < N; i++) {
        const struct node *n = network_node(w, i);
        char can[10];
        snprintf(can, sizeof(can), "%d%d%d%d%d%d%d%d%d", n->extend2, n->ed_link_auth, n->ntor_v3,
                 n->congestion_control, n->cgo, n->hs_intro, n->hs_rend, n->hs_dir, n->padding);
        assert_string_equal(can, cases[i].can);
    }
    network_free(w);
}

static void test_hop(void **state)
{
    (void)state;
    struct network *w = network_create(4);
    struct own_circuit_hop hop;
    char text[ADDRESS_TEXT_MAX];
    strcpy(w->relays[0].ipv6, "[2001:db8::1]:9002");
    strcpy(w->relays[1].ipv6, "[2001:db8::2]:9003");
    w->relays[1].ipv6_in_md = true;
    w->relays[2].missing = true;
    w->relays[3].protocols = "FlowCtrl=1 Link=4 LinkAuth=1 Relay=2-4";
    network_publish(w);
    node_hop(network_node(w, 0), &hop);
    assert_memory_equal(hop.target.rsa_id, w->relays[0].rsa_id, 20);
    assert_true(hop.target.has_ed_id);
    assert_memory_equal(hop.target.ed_id, w->relays[0].ed_id, 32);
    assert_true(hop.has_ntor_key && hop.ntor_v3 && hop.congestion_control && hop.cgo);
    assert_memory_equal(hop.ntor_key, w->relays[0].ntor_key, 32);
    assert_int_equal(hop.target.n_addresses, 2);
    assert_string_equal(address_format(&hop.target.addresses[0], text), "11.0.0.1:9001");
    assert_string_equal(address_format(&hop.target.addresses[1], text), "[2001:db8::1]:9002");
    node_hop(network_node(w, 1), &hop);
    assert_string_equal(address_format(&hop.target.addresses[1], text), "[2001:db8::2]:9003");
    node_hop(network_node(w, 2), &hop);
    assert_false(hop.has_ntor_key);
    assert_false(hop.target.has_ed_id);
    assert_int_equal(hop.target.n_addresses, 1);
    node_hop(network_node(w, 3), &hop);
    assert_false(hop.target.has_ed_id); // it could not prove it on a link
    assert_true(hop.has_ntor_key && hop.ntor_v3 && !hop.congestion_control && !hop.cgo);
    network_free(w);
}

// 13.12: a relay that says it is at 0.0.0.0 is known, and of no use.
static void test_nowhere(void **state)
{
    (void)state;
    struct network *w = network_create(3);
    w->relays[1].ipv4 = 0;
    strcpy(w->relays[1].ipv6, "[2001:db8::1]:9002");
    network_publish(w);
    assert_int_equal(node_list_missing(w->origin.nodes), 0);
    assert_true(network_node(w, 0)->has_keys);
    assert_false(network_node(w, 1)->has_keys);
    assert_non_null(node_find(w->origin.nodes, w->relays[1].rsa_id));
    network_free(w);
}

static void test_family_lists(void **state)
{
    (void)state;
    struct network *w = network_create(12);
    char a[42], b[42];
    // Both by fingerprint, in either case, with a name behind it or without '$'.
    network_set_family(w, 0, "!junk $1234 %s", network_fingerprint(w, 1, b));
    network_set_family(w, 1, "%s=relay0", network_fingerprint(w, 0, a));
    network_set_family(w, 2, "%s~whoever", network_fingerprint(w, 3, b) + 1);
    network_set_family(w, 3, "%s", network_fingerprint(w, 2, a));
    for (char *at = w->relays[3].family; *at != '\0'; at++)
        *at |= *at >= 'A' ? 0x20 : 0;
    // By nickname, in any case.
    network_set_family(w, 4, "RELAY5 other");
    network_set_family(w, 5, "relay4");
    // One side only.
    network_set_family(w, 6, "%s relay7", network_fingerprint(w, 7, b));
    network_set_family(w, 7, "relay1");
    // One that is no fingerprint in the end.
    network_set_family(w, 8, "%sA %s", network_fingerprint(w, 9, b), "relay99");
    network_set_family(w, 9, "relay8");
    // As 0 has it, but with nothing known of the other side.
    network_set_family(w, 10, "relay11");
    network_set_family(w, 11, "relay10");
    w->relays[11].missing = true;
    network_publish(w);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->n; k++)
            assert_int_equal(related(w, i, k), i == k || (i / 2 == k / 2 && i < 6));
    snprintf(w->params, sizeof(w->params), "use-family-lists=0");
    network_publish(w);
    assert_false(related(w, 0, 1));
    assert_true(related(w, 1, 1));
    network_free(w);
}

static void test_family_ids(void **state)
{
    (void)state;
    struct network *w = network_create(6);
    static const char *const ids[] = {
        "ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU other:a",
        "ed25519:zzzz  ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU",
        "other:b",
        "other:b ed25519:x",
        "ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbm",
        "other:B",
    };
    for (size_t i = 0; i < w->n; i++)
        w->relays[i].family_ids = strdup(ids[i]);
    network_publish(w);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->n; k++)
            assert_int_equal(related(w, i, k), i == k || (i / 2 == k / 2 && i < 4));
    snprintf(w->params, sizeof(w->params), "use-family-ids=0");
    network_publish(w);
    assert_false(related(w, 0, 1));
    assert_false(related(w, 2, 3));
    network_free(w);
}

// Relays that say the same of their families have one in memory; it must not make them one family
// for that alone.
static void test_same_words(void **state)
{
    (void)state;
    struct network *w = network_create(4);
    for (size_t i = 0; i < 3; i++)
        network_set_family(w, i, "relay0 relay1");
    network_publish(w);
    assert_ptr_equal(network_node(w, 0)->family, network_node(w, 2)->family);
    assert_true(related(w, 0, 1));
    assert_false(related(w, 0, 2));
    assert_false(related(w, 1, 2));
    assert_null(network_node(w, 3)->family);
    network_free(w);
}

// More than there can be in a microdescriptor of the authorities' making.
static void test_large_family(void **state)
{
    (void)state;
    struct network *w = network_create(3);
    char *text = calloc(1, 60000);
    for (size_t i = 0; i < 5000; i++)
        sprintf(text + strlen(text), "a%zu ", i);
    network_set_family(w, 0, "relay1 %s", text);
    network_set_family(w, 1, "relay0 relay2");
    network_set_family(w, 2, "%s relay1", text);
    network_publish(w);
    assert_true(related(w, 0, 1));
    assert_false(related(w, 1, 2)); // behind the last that counts
    free(text);
    network_free(w);
}

static void test_subnets(void **state)
{
    (void)state;
    struct network *w = network_create(8);
    w->relays[0].ipv4 = 0x14010001;
    w->relays[1].ipv4 = 0x1401ffff;
    w->relays[2].ipv4 = 0x14020001;
    strcpy(w->relays[3].ipv6, "[2001:db8::1]:1");
    strcpy(w->relays[4].ipv6, "[2001:db8:ffff::1]:1");
    w->relays[4].ipv6_in_md = true;
    strcpy(w->relays[5].ipv6, "[2001:db9::1]:1");
    strcpy(w->relays[6].ipv6, "[::]:1");
    strcpy(w->relays[7].ipv6, "[::]:1");
    network_publish(w);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->n; k++)
            assert_int_equal(related(w, i, k), i == k || (i < 2 && k < 2) || (i == 3 && k == 4) ||
                                                   (i == 4 && k == 3));
    w->config.nodes.distinct_subnets = false;
    network_publish(w);
    assert_false(related(w, 0, 1));
    assert_false(related(w, 3, 4));
    assert_true(related(w, 3, 3));
    network_free(w);
}

static struct config_node by_id(const struct network *w, size_t i)
{
    struct config_node item = {0};
    memcpy(item.rsa_id, w->relays[i].rsa_id, 20);
    return item;
}

static struct config_node by_prefix(const char *address, unsigned bits)
{
    struct config_node item = {.is_prefix = true, .prefix.bits = bits};
    assert_true(address_parse(address, &item.prefix.address));
    return item;
}

static void test_config_families(void **state)
{
    (void)state;
    struct network *w = network_create(9);
    struct config_nodes *c = &w->config.nodes;
    c->family_count = CONFIG_NODE_FAMILIES_MAX;
    c->families[0].member_count = 2;
    c->families[0].members[0] = by_id(w, 0);
    c->families[0].members[1] = by_id(w, 1);
    struct config_node_family *last = &c->families[CONFIG_NODE_FAMILIES_MAX - 1];
    last->member_count = 2;
    last->members[0] = by_id(w, 1);
    last->members[1] = by_prefix("11.4.0.0", 15);
    network_publish(w);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->n; k++) {
            bool first = i < 2 && k < 2;
            bool second = (i == 1 || i == 4 || i == 5) && (k == 1 || k == 4 || k == 5);
            assert_int_equal(related(w, i, k), i == k || first || second);
        }
    network_free(w);
}

static void assert_excluded(const struct network *w, size_t relay, const char *positions)
{
    char text[5];
    const struct node *n = network_node(w, relay);
    for (enum node_position p = NODE_GUARD; p < NODE_POSITIONS; p++)
        text[p] = node_excluded(w->origin.nodes, n, p) ? "gmea"[p] : '.';
    text[4] = '\0';
    assert_string_equal(text, positions);
}

static void test_config_excludes(void **state)
{
    (void)state;
    struct network *w = network_create(8);
    struct config_nodes *c = &w->config.nodes;
    strcpy(w->relays[3].ipv6, "[2001:db8:8000::1]:1");
    strcpy(w->relays[4].ipv6, "[2001:db8:7fff::1]:1");
    c->exclude_count = 3;
    c->exclude[0] = by_id(w, 0);
    c->exclude[1] = by_prefix("11.1.0.1", 32);
    c->exclude[2] = by_prefix("2001:db8:8000::", 33);
    c->exclude_exits_count = 1;
    c->exclude_exits[0] = by_id(w, 2);
    network_publish(w);
    static const char *const some[] = {"gmea", "gmea", "..e.", "gmea", "....", "...."};
    for (size_t i = 0; i < 6; i++)
        assert_excluded(w, i, some[i]);
    // Only these.
    c->entry_count = c->middle_count = c->exit_count = 1;
    c->entry[0] = by_id(w, 5);
    c->middle[0] = by_prefix("11.6.0.0", 16);
    c->exit[0] = by_prefix("0.0.0.0", 0);
    network_publish(w);
    static const char *const chosen[] = {"gmea", "gmea", "gme.", "gmea",
                                         "gm..", ".m..", "g...", "gm.."};
    for (size_t i = 0; i < w->n; i++)
        assert_excluded(w, i, chosen[i]);
    network_free(w);
}

// What of the paths can be built (9.12). By weight, not number: of the guards 30 of 100, of the
// middles 30 of 100, of the exits 1 of 2.
static void test_paths_percent(void **state)
{
    (void)state;
    struct network *w = network_create(20);
    struct node_list *list = w->origin.nodes;
    snprintf(w->weights, sizeof(w->weights),
             "Wbd=10000 Wbe=10000 Wbg=10000 Wbm=10000 Wdb=10000 Web=10000 Wed=10000 Wee=10000 "
             "Weg=10000 Wem=10000 Wgb=10000 Wgd=10000 Wgg=10000 Wgm=10000 Wmb=10000 Wmd=10000 "
             "Wme=10000 Wmg=10000 Wmm=10000");
    for (size_t i = 0; i < 20; i++) {
        w->relays[i].bandwidth = 10;
        w->relays[i].missing = true;
    }
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 0);
    assert_int_equal(node_list_missing(list), 20);
    assert_int_equal(node_list_paths_wanted_percent(list), 60);
    // No exits: middles count twice, 0.5 * 0.5 * 0.5.
    for (size_t i = 0; i < 10; i++)
        w->relays[i].missing = false;
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 12);
    assert_false(node_list_has_exits(list));
    // An exit whose microdescriptor is not here: it must be had first.
    w->relays[15].flags |= ROUTER_EXIT;
    network_publish(w);
    assert_true(node_list_has_exits(list));
    assert_int_equal(node_list_paths_percent(list), 0);
    // Another that is, with three times its bandwidth: (120/220) * (120/220) * (30/40).
    w->relays[3].flags |= ROUTER_EXIT;
    w->relays[3].policy = "accept 80";
    w->relays[3].bandwidth = 30;
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 22);
    // One that is known to refuse everything is none.
    w->relays[4].flags |= ROUTER_EXIT;
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 22);
    // Guards are those with the flag, unless the config names them.
    for (size_t i = 10; i < 20; i++)
        w->relays[i].flags &= ~(unsigned)ROUTER_GUARD;
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 40); // 1 * 12/22 * 3/4
    w->config.nodes.entry_count = 2;
    w->config.nodes.entry[0] = by_id(w, 3);
    w->config.nodes.entry[1] = by_id(w, 18);
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 30); // 3/4 * 12/22 * 3/4
    // Own exits that are not here.
    w->config.nodes.exit_count = 1;
    w->config.nodes.exit[0] = by_id(w, 15);
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 0);
    snprintf(w->params, sizeof(w->params), "min_paths_for_circs_pct=96");
    w->config.nodes.exit_count = w->config.nodes.entry_count = 0;
    for (size_t i = 0; i < 20; i++)
        w->relays[i].missing = false;
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 100);
    assert_int_equal(node_list_paths_wanted_percent(list), 95);
    // Bandwidths of nothing: by number.
    for (size_t i = 0; i < 20; i++)
        w->relays[i].bandwidth = 0;
    w->relays[12].missing = true;
    w->relays[12].ntor_key[0]++; // another microdescriptor than the one that was read
    network_publish(w);
    assert_int_equal(node_list_paths_percent(list), 95);
    network_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_abilities),
        cmocka_unit_test(test_hop),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_family_lists),
        cmocka_unit_test(test_family_ids),
        cmocka_unit_test(test_same_words),
        cmocka_unit_test(test_large_family),
        cmocka_unit_test(test_subnets),
        cmocka_unit_test(test_config_families),
        cmocka_unit_test(test_config_excludes),
        cmocka_unit_test(test_paths_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
