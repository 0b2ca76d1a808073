// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is accepted and what it turns into, and the exact line for what is not.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// The example of the operator's guide.
static const char example[] =
    "{\n"
    "  \"nickname\": \"ramson0\",\n"
    "  \"contact\": \"operator@example.org\",\n"
    "  \"data_directory\": \"/var/lib/ramson\",\n"
    "  \"address\": [\"203.0.113.5\"],\n"
    "  \"or_port\": 9001,\n"
    "  \"exit_policy\": [\"reject *:*\"],\n"
    "  \"testing_network\": false,\n"
    "  \"directory_authorities\": [\n"
    "    { \"nickname\": \"auth0\", \"address\": \"198.51.100.1\", \"or_port\": 5100,\n"
    "      \"dir_port\": 7100, \"identity\": \"00112233445566778899aabbccddeeff00112233\",\n"
    "      \"v3_identity\": \"FFEEDDCCBBAA99887766554433221100FFEEDDCC\" }\n"
    "  ],\n"
    "  \"dataplane\": {\n"
    "    \"workers\": [1], \"control\": 0, \"hugepages\": true, \"memory_mb\": 2048,\n"
    "    \"poll\": \"busy\",\n"
    "    \"interfaces\": [\n"
    "      { \"device\": \"0000:03:00.0\", \"addresses\": [\"203.0.113.5/24\"],\n"
    "        \"gateway\": \"203.0.113.1\", \"mtu\": 1500 }\n"
    "    ]\n"
    "  },\n"
    "  \"log\": { \"level\": \"notice\" }\n"
    "}\n";

static int parse(const char *text, size_t length, struct config **out, char *line)
{
    struct config_error error;
    // A copy of exactly this length, so that reading past it is seen.
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    int result = config_parse("r.json", copy, length, out, &error);
    free(copy);
    line[0] = '\0';
    if (result != 0) {
        assert_null(*out);
        config_error_format(&error, line);
    }
    return result;
}

// `text` with its first `from` made `to`; the caller frees it.
static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(text) + strlen(to) + 1;
    char *result = malloc(size);
    assert_non_null(result);
    snprintf(result, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return result;
}

static struct config *load_edited(const char *from, const char *to)
{
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *config;
    char *text = edited(example, from, to);
    int result = parse(text, strlen(text), &config, line);
    free(text);
    assert_string_equal(line, "");
    assert_int_equal(result, 0);
    return config;
}

static void test_example(void **state)
{
    (void)state;
    struct config *c = load_edited("notice", "info");
    assert_string_equal(c->nickname, "ramson0");
    assert_string_equal(c->contact, "operator@example.org");
    assert_string_equal(c->data_directory, "/var/lib/ramson");
    assert_int_equal(c->address_count, 1);
    assert_int_equal(address_ipv4_host(&c->addresses[0]), 0xcb007105);
    assert_int_equal(c->addresses[0].port, 9001);
    assert_int_equal(c->or_port, 9001);
    assert_int_equal(c->exit_policy_count, 1);
    assert_string_equal(c->exit_policy[0], "reject *:*");
    assert_false(c->testing_network);
    assert_int_equal(c->directory_authority_count, 1);
    const struct config_authority *a = &c->directory_authorities[0];
    assert_string_equal(a->nickname, "auth0");
    assert_int_equal(address_ipv4_host(&a->address), 0xc6336401);
    assert_int_equal(a->address.port, 5100);
    assert_int_equal(a->dir_port, 7100);
    assert_int_equal(a->identity[1], 0x11);
    assert_int_equal(a->v3_identity[0], 0xff);
    const struct config_dataplane *d = &c->dataplane;
    assert_int_equal(d->worker_count, 1);
    assert_int_equal(d->workers[0], 1);
    assert_int_equal(d->control, 0);
    assert_true(d->hugepages);
    assert_int_equal(d->memory_mb, 2048);
    assert_int_equal(d->poll, CONFIG_POLL_BUSY);
    assert_int_equal(d->interface_count, 1);
    assert_string_equal(d->interfaces[0].device, "0000:03:00.0");
    assert_int_equal(d->interfaces[0].addresses[0].bits, 24);
    assert_int_equal(address_ipv4_host(&d->interfaces[0].addresses[0].address), 0xcb007105);
    assert_int_equal(address_ipv4_host(&d->interfaces[0].gateway), 0xcb007101);
    assert_int_equal(d->interfaces[0].mtu, 1500);
    assert_int_equal(c->log.level, LOG_LEVEL_INFO);
    config_free(c);
}

static const char smallest[] =
    "{\"nickname\":\"a\",\"data_directory\":\"/d\",\"address\":[\"8.8.8.8\"],\"or_port\":1,"
    "\"dataplane\":{\"interfaces\":[{\"device\":\"net_null0\",\"addresses\":[\"8.8.8.8/32\"]}]}}";

static void test_defaults(void **state)
{
    (void)state;
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *c;
    int result = parse(smallest, strlen(smallest), &c, line);
    assert_string_equal(line, "");
    assert_int_equal(result, 0);
    assert_string_equal(c->contact, "");
    assert_int_equal(c->exit_policy_count, 1);
    assert_string_equal(c->exit_policy[0], "reject *:*");
    assert_int_equal(c->bandwidth_rate, 1 << 30);
    assert_int_equal(c->bandwidth_burst, 1 << 30);
    assert_int_equal(c->directory_authority_count, 0);
    assert_int_equal(c->dataplane.workers[0], 1);
    assert_int_equal(c->dataplane.control, 0);
    assert_true(c->dataplane.hugepages);
    assert_int_equal(c->dataplane.poll, CONFIG_POLL_ADAPTIVE);
    assert_int_equal(c->dataplane.interfaces[0].mtu, 1500);
    assert_int_equal(c->dataplane.interfaces[0].gateway.family, ADDRESS_NONE);
    assert_int_equal(c->log.level, LOG_LEVEL_NOTICE);
    config_free(c);
}

// Nobody has to say of a client what only others would want to know.
static void test_client(void **state)
{
    (void)state;
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *c;
    static const char client[] = "{\"data_directory\":\"/d\",\"dataplane\":{\"interfaces\":"
                                 "[{\"device\":\"net_null0\",\"addresses\":[\"10.0.0.2/24\"]}]}}";
    int result = parse(client, strlen(client), &c, line);
    assert_string_equal(line, "");
    assert_int_equal(result, 0);
    assert_false(config_is_relay(c));
    assert_string_equal(c->nickname, "");
    assert_int_equal(c->address_count, 0);
    config_free(c);
    // A relay's configuration without its port: its address is told to nobody.
    c = load_edited("  \"or_port\": 9001,\n", "");
    assert_false(config_is_relay(c));
    assert_int_equal(c->address_count, 0);
    config_free(c);
    c = load_edited("notice", "info");
    assert_true(config_is_relay(c));
    config_free(c);
}

#define FALLBACK                                                                                   \
    "{\"address\":\"198.51.100.7\",\"or_port\":9443,\"identity\":"                                 \
    "\"00112233445566778899AABBCCDDEEFF"                                                           \
    "00112233\"}"
#define FALLBACKS "\"testing_network\": false, \"fallback_directories\": "

static void test_fallbacks(void **state)
{
    (void)state;
    struct config *c = load_edited(
        "\"testing_network\": false", FALLBACKS
        "[{\"nickname\":\"fallback0\",\"address\":\"198.51.100.8\",\"or_port\":443,\"identity\":"
        "\"ffeeddccbbaa99887766554433221100ffeeddcc\",\"ed25519_identity\":"
        "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}," FALLBACK "]");
    assert_int_equal(c->fallback_directory_count, 2);
    const struct config_fallback *f = c->fallback_directories;
    assert_string_equal(f[0].nickname, "fallback0");
    assert_int_equal(address_ipv4_host(&f[0].address), 0xc6336408);
    assert_int_equal(f[0].address.port, 443);
    assert_int_equal(f[0].identity[0], 0xff);
    assert_true(f[0].has_ed_identity);
    for (unsigned i = 0; i < CONFIG_ED_ID_LEN; i++)
        assert_int_equal(f[0].ed_identity[i], i);
    assert_string_equal(f[1].nickname, "");
    assert_int_equal(f[1].address.port, 9443);
    assert_false(f[1].has_ed_identity);
    config_free(c);
}

// What the pools of a configuration take, by what their objects take in DPDK's memory.
static uint64_t pools_mb(const struct config_dataplane *d, unsigned cell, unsigned packet)
{
    return ((uint64_t)d->max_links * 8192 + (uint64_t)d->max_circuits * 1152 +
            (uint64_t)d->max_cells * cell + (uint64_t)d->max_packets * packet) >>
           20;
}

static void test_pools_follow_memory(void **state)
{
    (void)state;
    struct config *c = load_edited("\"memory_mb\": 2048", "\"memory_mb\": 4096");
    assert_true(c->dataplane.max_links > 40000);
    assert_true(c->dataplane.max_circuits > 300000);
    assert_in_range(pools_mb(&c->dataplane, 704, 2496), 3000, 4096 - 8 - 20);
    config_free(c);
    // Without huge pages a packet takes a page of its own.
    c = load_edited("true, \"memory_mb\": 2048", "false, \"memory_mb\": 128");
    assert_in_range(pools_mb(&c->dataplane, 819, 4096), 60, 128 - 8 - 32);
    config_free(c);
    // Those that are not set get what the others leave.
    c = load_edited("\"memory_mb\": 2048", "\"memory_mb\": 256, \"max_cells\": 200000");
    assert_int_equal(c->dataplane.max_cells, 200000);
    assert_in_range(pools_mb(&c->dataplane, 704, 2496), 200, 256 - 8 - 20);
    config_free(c);
}

// Where applications come in: the defaults are C tor's.
static void test_socks(void **state)
{
    (void)state;
    struct config *c = load_edited("notice", "info");
    assert_int_equal(c->socks_count, 0);
    config_free(c);
    c = load_edited(
        "\"or_port\": 9001",
        "\"or_port\": 9001, \"socks\": [ { \"listen\": \"127.0.0.1:9050\" },"
        " { \"listen\": \"[::1]:9050\", \"group\": \"a\", \"isolate\": [\"port\", \"destination\"],"
        "   \"share\": [\"client\"], \"names_only\": true, \"ipv4\": false },"
        " { \"listen\": \"unix:/run/ramson/socks\", \"group\": \"a\", \"mode\": \"0660\","
        "   \"share\": [\"client\", \"credentials\"], \"isolate\": [\"protocol\"],"
        "   \"extended_errors\": true, \"prefer_ipv6\": true, \"dns\": false, \"http\": false } ]");
    assert_int_equal(c->socks_count, 3);
    const struct config_socks *s = c->socks;
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format(&s[0].listen.address, text), "127.0.0.1:9050");
    assert_string_equal(s[0].listen.path, "");
    assert_int_equal(s[0].isolates, 1U << CONFIG_ISOLATE_CREDENTIALS | 1U << CONFIG_ISOLATE_CLIENT);
    assert_true(s[0].ipv4 && s[0].ipv6 && s[0].dns && s[0].http);
    assert_false(s[0].prefer_ipv6 || s[0].names_only || s[0].extended_errors);
    assert_int_equal(s[0].mode, 0600);
    assert_string_equal(address_format(&s[1].listen.address, text), "[::1]:9050");
    assert_int_equal(s[1].isolates, 1U << CONFIG_ISOLATE_CREDENTIALS |
                                        1U << CONFIG_ISOLATE_DESTINATION |
                                        1U << CONFIG_ISOLATE_PORT);
    assert_true(s[1].names_only && s[1].ipv6 && !s[1].ipv4);
    assert_string_equal(s[2].listen.path, "/run/ramson/socks");
    assert_int_equal(s[2].listen.address.family, ADDRESS_NONE);
    assert_int_equal(s[2].mode, 0660);
    assert_int_equal(s[2].isolates, 1U << CONFIG_ISOLATE_PROTOCOL);
    assert_true(s[2].extended_errors && s[2].prefer_ipv6 && !s[2].dns && !s[2].http);
    // The two named ones are one group, the other is its own.
    assert_int_not_equal(s[0].group, 0);
    assert_int_not_equal(s[0].group, s[1].group);
    assert_int_equal(s[1].group, s[2].group);
    config_free(c);
}

// Services: the defaults are C tor's, and one may be all that a process is for.
static void test_onion_services(void **state)
{
    (void)state;
    struct config *c = load_edited("notice", "info");
    assert_int_equal(c->onion_service_count, 0);
    assert_string_equal(c->petnames, "");
    assert_string_equal(c->client_authorization, "");
    config_free(c);
    c = load_edited(
        "\"or_port\": 9001",
        "\"client_authorization\": \"/a\", \"petnames\": \"/p.json\", \"onion_services\": ["
        " { \"directory\": \"/var/lib/ramson/blog\", \"ports\": [ { \"port\": 80 } ] },"
        " { \"directory\": \"/var/lib/ramson/shop\","
        "   \"ports\": [ { \"port\": 80, \"target\": \"[::1]:8080\" },"
        "              { \"port\": 22, \"target\": \"unix:/run/sshd\" } ],"
        "   \"introduction_points\": 20, \"max_streams\": 7, \"max_streams_closes_circuit\": true,"
        "   \"allow_unknown_ports\": true, \"single_onion\": true, \"onionbalance\": true,"
        "   \"introduction_dos\": { \"rate\": 5, \"burst\": 9 }, \"proof_of_work\": true },"
        " { \"directory\": \"/x\", \"ports\": [ { \"port\": 1 } ], \"introduction_dos\": true,"
        "   \"proof_of_work\": { \"queue_rate\": 10, \"queue_burst\": 20 } } ]");
    assert_string_equal(c->client_authorization, "/a");
    assert_string_equal(c->petnames, "/p.json");
    assert_int_equal(c->onion_service_count, 3);
    assert_false(config_is_relay(c));
    assert_true(config_is_client(c));
    const struct config_onion_service *s = c->onion_services;
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(s[0].directory, "/var/lib/ramson/blog");
    assert_int_equal(s[0].port_count, 1);
    assert_int_equal(s[0].ports[0].port, 80);
    assert_string_equal(address_format(&s[0].ports[0].target, text), "127.0.0.1:80");
    assert_int_equal(s[0].introduction_points, 3);
    assert_int_equal(s[0].max_streams, 0);
    assert_false(s[0].max_streams_closes || s[0].unknown_ports_allowed || s[0].single_onion ||
                 s[0].onionbalance || s[0].intro_dos || s[0].pow);
    assert_int_equal(s[1].port_count, 2);
    assert_string_equal(address_format(&s[1].ports[0].target, text), "[::1]:8080");
    assert_int_equal(s[1].ports[1].target.family, ADDRESS_NONE);
    assert_string_equal(s[1].ports[1].unix_path, "/run/sshd");
    assert_int_equal(s[1].introduction_points, 20);
    assert_int_equal(s[1].max_streams, 7);
    assert_true(s[1].max_streams_closes && s[1].unknown_ports_allowed && s[1].single_onion &&
                s[1].onionbalance && s[1].intro_dos && s[1].pow);
    assert_int_equal(s[1].intro_dos_rate, 5);
    assert_int_equal(s[1].intro_dos_burst, 9);
    assert_int_equal(s[1].pow_queue_rate, 250);
    assert_int_equal(s[1].pow_queue_burst, 2500);
    assert_true(s[2].intro_dos && s[2].pow);
    assert_int_equal(s[2].intro_dos_rate, 25);
    assert_int_equal(s[2].intro_dos_burst, 200);
    assert_int_equal(s[2].pow_queue_rate, 10);
    assert_int_equal(s[2].pow_queue_burst, 20);
    config_free(c);
}

static void test_nodes(void **state)
{
    (void)state;
    struct config *c =
        load_edited("\"or_port\": 9001",
                    "\"or_port\": 9001, \"nodes\": {"
                    "\"exclude\": [\"$00112233445566778899aabbccddeeff00112233\", \"10.1.2.3/9\"],"
                    "\"exclude_exits\": [\"FFEEDDCCBBAA99887766554433221100FFEEDDCC\"],"
                    "\"entry\": [\"[2001:db8:ffff::1]/33\"], \"middle\": [\"2001:db8::1\"],"
                    "\"exit\": [\"0.0.0.0/0\"], \"strict\": true,"
                    "\"families\": [[\"192.0.2.1\", \"198.51.100.0/24\"], [], "
                    "[\"00112233445566778899aabbccddeeff00112233\"]] }");
    const struct config_nodes *n = &c->nodes;
    char text[ADDRESS_TEXT_MAX];
    assert_int_equal(n->exclude_count, 2);
    assert_false(n->exclude[0].is_prefix);
    assert_memory_equal(n->exclude[0].rsa_id, "\x00\x11\x22\x33", 4);
    assert_true(n->exclude[1].is_prefix);
    assert_int_equal(n->exclude[1].prefix.bits, 9);
    assert_string_equal(address_format(&n->exclude[1].prefix.address, text), "10.0.0.0:0");
    assert_int_equal(n->exclude_exits_count, 1);
    assert_memory_equal(n->exclude_exits[0].rsa_id, "\xff\xee\xdd\xcc", 4);
    assert_int_equal(n->entry_count, 1);
    assert_int_equal(n->entry[0].prefix.bits, 33);
    assert_string_equal(address_format(&n->entry[0].prefix.address, text), "[2001:db8:8000::]:0");
    assert_int_equal(n->middle[0].prefix.bits, 128);
    assert_int_equal(n->exit[0].prefix.bits, 0);
    assert_int_equal(n->exit[0].prefix.address.family, ADDRESS_IPV4);
    assert_int_equal(n->family_count, 3);
    assert_int_equal(n->families[0].member_count, 2);
    assert_int_equal(n->families[0].members[1].prefix.bits, 24);
    assert_int_equal(n->families[1].member_count, 0);
    assert_int_equal(n->families[2].member_count, 1);
    assert_true(n->strict);
    assert_true(n->distinct_subnets);
    config_free(c);

    c = load_edited("\"testing_network\": false", "\"testing_network\": true");
    assert_false(c->nodes.distinct_subnets);
    assert_false(c->nodes.strict);
    config_free(c);
    c = load_edited("\"or_port\": 9001",
                    "\"or_port\": 9001, \"nodes\": { \"distinct_subnets\": false }");
    assert_false(c->nodes.distinct_subnets);
    config_free(c);
}

// Changes of the example that are fine.
static const struct {
    const char *from, *to;
} good[] = {
    {"\"ramson0\"", "\"a123456789012345678\""},
    {"\"operator@example.org\"", "\"\""},
    {"\"operator@example.org\"", "\"J\\u00f6rg <j@example.org>\""},
    {"\"or_port\": 9001", "\"or_port\": 65535"},
    {"\"or_port\": 9001", "\"or_port\": 1, \"bandwidth_rate\": 76800"},
    {"\"or_port\": 9001", "\"or_port\": 1, \"bandwidth_rate\": 80000, \"bandwidth_burst\": 80000"},
    {"\"exit_policy\": [\"reject *:*\"],", ""},
    {"[\"reject *:*\"]", "[\"reject *:*\", \"reject *:*\"]"},
    {"\"dir_port\": 7100, ", ""},
    {"\"workers\": [1]", "\"workers\": [1, 2, 1023]"},
    {"\"workers\": [1]", "\"workers\": [1], \"helpers\": [2, 0]"},
    {"\"203.0.113.5/24\"", "\"203.0.113.5/24\", \"10.0.0.1/31\""},
    {",\n        \"gateway\": \"203.0.113.1\", \"mtu\": 1500", ""},
    {"\"mtu\": 1500", "\"mtu\": 9000"},
    {"\"mtu\": 1500", "\"m\\u0074u\": 576"},
    {"{ \"level\": \"notice\" }", "{}"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": {}"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"exit\": [], \"families\": [[], []] }"},
    {"[1], \"control\": 0, \"hugepages\": true, \"memory_mb\": 2048,\n    \"poll\": \"busy\"",
     "[0, 1], \"control\": 0"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        config_free(load_edited(good[i].from, good[i].to));
}

// Changes of the example that are wrong, and the whole line that must be said.
static const struct {
    const char *from, *to, *line;
} bad[] = {
    // no JSON
    {"{\n  \"nickname\"", "{\n  nickname",
     "r.json:2:3: (document): found nickname, expected string or '}'"},
    {"\"nickname\":", "\"nickname\"", "r.json:2:14: nickname: found \"ramson0\", expected ':'"},
    {"9001,", "9001", "r.json:7:3: or_port: found \"exit_policy\", expected '}'"},
    {"9001,", "09001,", "r.json:6:14: or_port: found 09001 (invalid token), expected valid JSON"},
    {"false", "False",
     "r.json:8:22: testing_network: found False (invalid token), expected valid JSON"},
    {"\"notice\" }\n}\n", "\"notice\" }\n",
     "r.json:23:1: log: found the end of the file, expected '}'"},
    {"\"notice\" }\n}\n", "\"notice\" }\n}\n}",
     "r.json:24:1: (document): found }, expected end of file"},
    {"\"/var/lib/ramson\"", "\"/var/lib/\\qramson\"",
     "r.json:4:21: data_directory: found \"/var/lib/\\qramson\" (invalid escape), expected valid "
     "JSON"},
    {"\"/var/lib/ramson\"", "\"/var/lib",
     "r.json:4:21: data_directory: found \"/var/lib, (unexpected newline), expected valid JSON"},
    {"\"/var/lib/ramson\"", "\"/var/lib/\xff\"",
     "r.json:4:21: data_directory: found bytes that are no UTF-8, expected UTF-8 text"},
    {"\"/var/lib/ramson\"", "\"/var/lib/\\u0000\"",
     "r.json:4:21: data_directory: found a NUL character, expected text without NUL"},
    {"9001", "90019001900190019001",
     "r.json:6:14: or_port: found 90019001900190019001 (too big integer), expected valid JSON"},
    // keys
    {"\"or_port\": 9001", "\"or_port\": 9001, \"or_port\": 9002",
     "r.json:6:20: or_port: found the key a second time, expected each key once"},
    {"\"mtu\": 1500", "\"mtu\": 1500, \"m\\u0074u\": 1500",
     "r.json:19:48: dataplane.interfaces[0].m\\u0074u: found the key a second time, expected each "
     "key once"},
    {"\"mtu\"", "\"mut\"",
     "r.json:19:35: dataplane.interfaces[0].mut: found an unknown key, expected \"mtu\""},
    {"\"level\"", "\"color\"",
     "r.json:22:12: log.color: found an unknown key, expected one of level"},
    {"\"or_port\": 9001", "\"what_is_this\": []",
     "r.json:6:3: what_is_this: found an unknown key, expected one of nickname, contact, "
     "data_directory, address, or_port, exit_policy, bandwidth_rate, bandwidth_burst, "
     "testing_network, directory_authorities, fallback_directories, dataplane, hsdir_cache_mb, "
     "dos, socks, nodes, onion_services, client_authorization, petnames, log"},
    {"\"or_port\": 9001", "\"or port\\n\": 9001",
     "r.json:6:3: or port?: found an unknown key, expected \"or_port\""},
    {"  \"nickname\": \"ramson0\",\n", "",
     "r.json:1:1: nickname: found nothing beside or_port, expected a relay's name, 1 to 19 letters "
     "and digits"},
    {"  \"address\": [\"203.0.113.5\"],\n", "",
     "r.json:1:1: address: found nothing beside or_port, expected a list of the relay's "
     "addresses"},
    {"\"identity\"", "\"v3_identity\"",
     "r.json:12:7: directory_authorities[0].v3_identity: found the key a second time, expected "
     "each key once"},
    {"\"testing_network\": false", FALLBACKS "[" FALLBACK "," FALLBACK "]",
     "r.json:8:202: fallback_directories[1].identity: found an identity a second time, expected "
     "each directory once"},
    {"\"testing_network\": false",
     FALLBACKS "[{\"address\":\"1.2.3.4\",\"ed25519_identity\":"
               "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\"}]",
     "r.json:8:94: fallback_directories[0].ed25519_identity: found "
     "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\", expected 43 characters of base64"},
    {" \"identity\": \"00112233445566778899aabbccddeeff00112233\",", "",
     "r.json:10:5: directory_authorities[0].identity: found nothing, expected 40 hexadecimal "
     "digits"},
    {"\"addresses\": [\"203.0.113.5/24\"],", "",
     "r.json:18:7: dataplane.interfaces[0].addresses: found nothing, expected a list of 1 to 8, "
     "each an IPv4 address with its prefix length, such as \"203.0.113.5/24\""},
#define SERVICE(rest) "\"onion_services\": [ { \"directory\": \"/d\", " rest " } ]"
    {"\"or_port\": 9001", SERVICE("\"ports\": []"),
     "r.json:6:53: onion_services[0].ports: found an empty list, expected a list of 1 to 64, each "
     "a "
     "port, { \"port\": 80, \"target\": \"127.0.0.1:8080\" }"},
    {"\"or_port\": 9001", SERVICE("\"introduction_points\": 3"),
     "r.json:6:23: onion_services[0].ports: found nothing, expected a list of 1 to 64, each a "
     "port, "
     "{ \"port\": 80, \"target\": \"127.0.0.1:8080\" }"},
    {"\"or_port\": 9001", SERVICE("\"ports\": [{\"port\": 80, \"target\": \"unix:x\"}]"),
     "r.json:6:77: onion_services[0].ports[0].target: found \"unix:x\", expected "
     "\"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", SERVICE("\"ports\": [{\"port\": 80, \"target\": \"unix:\"}]"),
     "r.json:6:77: onion_services[0].ports[0].target: found \"unix:\", expected "
     "\"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", SERVICE("\"introduction_points\": 2"),
     "r.json:6:67: onion_services[0].introduction_points: found 2, expected a number from 3 to 20"},
    {"\"or_port\": 9001", SERVICE("\"proof_of_work\": 3"),
     "r.json:6:61: onion_services[0].proof_of_work: found 3, expected true, false or an object, { "
     "\"queue_rate\": 250, \"queue_burst\": 2500 }"},
    {"\"or_port\": 9001",
     SERVICE("\"ports\": [{\"port\": 80}], \"introduction_dos\": { \"rate\": 300 }"),
     "r.json:6:89: onion_services[0].introduction_dos.burst: found 200, expected at least the "
     "rate"},
    {"\"or_port\": 9001", SERVICE("\"introduction_dos\": { \"rat\": 300 }"),
     "r.json:6:66: onion_services[0].introduction_dos.rat: found an unknown key, expected "
     "\"rate\""},
    {"\"or_port\": 9001",
     "\"onion_services\": [ { \"directory\": \"/d\", \"ports\": [{\"port\": 80}] }, "
     "{ \"directory\": \"/d\", \"ports\": [{\"port\": 80}] } ]",
     "r.json:6:86: onion_services[1].directory: found a directory a second time, expected each "
     "service's own"},
    {"\"or_port\": 9001", "\"onion_services\": [ { \"directory\": \"d\" } ]",
     "r.json:6:38: onion_services[0].directory: found \"d\", expected an absolute path of at most "
     "1023 bytes"},
    {"\"or_port\": 9001", "\"petnames\": \"p\"",
     "r.json:6:15: petnames: found \"p\", expected an absolute path of at most 1023 bytes"},
    {"\"or_port\": 9001", "\"socks\": [ {} ]",
     "r.json:6:14: socks[0].listen: found nothing, expected \"127.0.0.1:9050\", \"[::1]:9050\" or "
     "\"unix:/PATH\""},
    // relays
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"exclude\": [\"moria1\"] }",
     "r.json:6:43: nodes.exclude[0]: found \"moria1\", expected a relay's fingerprint (40 "
     "hexadecimal digits) or an address prefix"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"exit\": [\"{de}\"] }",
     "r.json:6:40: nodes.exit[0]: found \"{de}\", expected a fingerprint or an address prefix "
     "(countries aren't supported)"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"entry\": [\"10.0.0.0/33\"] }",
     "r.json:6:41: nodes.entry[0]: found \"10.0.0.0/33\", expected a relay's fingerprint (40 "
     "hexadecimal digits) or an address prefix"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"middle\": [\"[10.0.0.0]/8\"] }",
     "r.json:6:42: nodes.middle[0]: found \"[10.0.0.0]/8\", expected a relay's fingerprint (40 "
     "hexadecimal digits) or an address prefix"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"families\": [[], [\"10.0.0.1\", 7]] }",
     "r.json:6:61: nodes.families[1][1]: found 7, expected a relay's fingerprint (40 hexadecimal "
     "digits) or an address prefix"},
    {"\"or_port\": 9001", "\"or_port\": 9001, \"nodes\": { \"families\": [\"10.0.0.1\"] }",
     "r.json:6:44: nodes.families[0]: found \"10.0.0.1\", expected a list of 0 to 64, each a "
     "relay's fingerprint (40 hexadecimal digits) or an address prefix"},
    // types
    {"\"ramson0\"", "7", "r.json:2:15: nickname: found 7, expected 1 to 19 letters and digits"},
    {"9001", "\"9001\"", "r.json:6:14: or_port: found \"9001\", expected a port from 1 to 65535"},
    {"9001", "9001.0", "r.json:6:14: or_port: found 9001.0, expected a port from 1 to 65535"},
    {"9001", "null", "r.json:6:14: or_port: found null, expected a port from 1 to 65535"},
    {"false", "0", "r.json:8:22: testing_network: found 0, expected true or false"},
    {"[\"203.0.113.5\"]", "\"203.0.113.5\"",
     "r.json:5:14: address: found \"203.0.113.5\", expected a list of 1 to 8, each an IPv4 address "
     "such as \"203.0.113.5\""},
    {"[\"203.0.113.5\"]", "[]",
     "r.json:5:14: address: found an empty list, expected a list of 1 to 8, each an IPv4 address "
     "such as \"203.0.113.5\""},
    {"[\"203.0.113.5\"]", "[1]",
     "r.json:5:15: address[0]: found 1, expected an IPv4 address such as \"203.0.113.5\""},
    {"{ \"level\": \"notice\" }", "\"notice\"",
     "r.json:22:10: log: found \"notice\", expected an object"},
    // where applications come in
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1\" } ]",
     "r.json:6:26: socks[0].listen: found \"127.0.0.1\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1:0\" } ]",
     "r.json:6:26: socks[0].listen: found \"127.0.0.1:0\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1:65536\" } ]",
     "r.json:6:26: socks[0].listen: found \"127.0.0.1:65536\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"::1:9050\" } ]",
     "r.json:6:26: socks[0].listen: found \"::1:9050\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"[127.0.0.1]:9050\" } ]",
     "r.json:6:26: socks[0].listen: found \"[127.0.0.1]:9050\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"localhost:9050\" } ]",
     "r.json:6:26: socks[0].listen: found \"localhost:9050\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \":9050\" } ]",
     "r.json:6:26: socks[0].listen: found \":9050\", expected \"127.0.0.1:9050\", \"[::1]:9050\" "
     "or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"unix:socks\" } ]",
     "r.json:6:26: socks[0].listen: found \"unix:socks\", expected \"127.0.0.1:9050\", "
     "\"[::1]:9050\" or \"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"[]:9\" } ]",
     "r.json:6:26: socks[0].listen: found \"[]:9\", expected \"127.0.0.1:9050\", \"[::1]:9050\" or "
     "\"unix:/PATH\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"9050\" } ]",
     "r.json:6:26: socks[0].listen: found \"9050\", expected \"127.0.0.1:9050\", \"[::1]:9050\" or "
     "\"unix:/PATH\""},
    {"\"or_port\": 9001",
     "\"socks\": [ { \"listen\": "
     "\"unix:/"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxx\" } ]",
     "r.json:6:26: socks[0].listen: found "
     "\"unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\","
     " expected a path of at most 107 bytes, as for every Unix socket"},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1:9\", \"mode\": \"0777\" } ]",
     "r.json:6:49: socks[0].mode: found \"0777\", expected \"0600\", \"0660\" or \"0666\""},
    {"\"or_port\": 9001",
     "\"socks\": [ { \"listen\": \"127.0.0.1:9\", \"isolate\": [\"client\"] } ]",
     "r.json:6:53: socks[0].isolate[0]: found \"client\", expected \"destination\", \"port\" or "
     "\"protocol\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1:9\", \"share\": [\"port\"] } ]",
     "r.json:6:51: socks[0].share[0]: found \"port\", expected \"credentials\" or \"client\""},
    {"\"or_port\": 9001", "\"socks\": [ { \"listen\": \"127.0.0.1:9\", \"group\": \"a b\" } ]",
     "r.json:6:50: socks[0].group: found \"a b\", expected a name of 1 to 31 letters, digits, '-' "
     "and '_'"},
    {"\"or_port\": 9001",
     "\"or_port\": 1, \"socks\": [ { \"listen\": \"127.0.0.1:9\", \"ipv4\": false, \"ipv6\": false "
     "} ]",
     "r.json:6:63: socks[0].ipv4: found neither ipv4 nor ipv6, expected at least one of them"},
    {"\"or_port\": 9001",
     "\"or_port\": 1, \"socks\": [ { \"listen\": \"127.0.0.1:9\" }, { \"listen\": \"127.0.0.1:9\" "
     "} ]",
     "r.json:6:69: socks[1].listen: found the same place a second time, expected each place once"},
    // values
    {"\"ramson0\"", "\"ram-son\"",
     "r.json:2:15: nickname: found \"ram-son\", expected 1 to 19 letters and digits"},
    {"\"ramson0\"", "\"\"",
     "r.json:2:15: nickname: found \"\", expected 1 to 19 letters and digits"},
    {"\"ramson0\"", "\"a1234567890123456789\"",
     "r.json:2:15: nickname: found \"a1234567890123456789\", expected 1 to 19 letters and digits"},
    {"\"operator@example.org\"", "\"two\\nlines\"",
     "r.json:3:14: contact: found \"two?lines\", expected one line of at most 511 bytes"},
    {"\"/var/lib/ramson\"", "\"var/lib\"",
     "r.json:4:21: data_directory: found \"var/lib\", expected an absolute path of at most 1023 "
     "bytes"},
    {"\"203.0.113.5\"", "\"203.0.113\"",
     "r.json:5:15: address[0]: found \"203.0.113\", expected an IPv4 address such as "
     "\"203.0.113.5\""},
    {"\"203.0.113.5\"", "\"2001:db8::1\"",
     "r.json:5:15: address[0]: found \"2001:db8::1\", expected an IPv4 address (IPv6 isn't "
     "supported yet)"},
    {"9001", "0", "r.json:6:14: or_port: found 0, expected a port from 1 to 65535"},
    {"9001", "65536", "r.json:6:14: or_port: found 65536, expected a port from 1 to 65535"},
    {"9001", "-1", "r.json:6:14: or_port: found -1, expected a port from 1 to 65535"},
    {"reject *:*", "accept *:80",
     "r.json:7:19: exit_policy[0]: found \"accept *:80\", expected \"reject *:*\" (exiting isn't "
     "supported yet)"},
    {"reject *:*", "reject 10.0.0.0/8:80-443",
     "r.json:7:19: exit_policy[0]: found \"reject 10.0.0.0/8:80-443\", expected \"reject *:*\" "
     "(exiting isn't supported yet)"},
    {"reject *:*", "reject *:0",
     "r.json:7:19: exit_policy[0]: found \"reject *:0\", expected \"accept ADDRESS:PORT\" or "
     "\"reject ADDRESS:PORT\""},
    {"reject *:*", "reject *:443-80",
     "r.json:7:19: exit_policy[0]: found \"reject *:443-80\", expected \"accept ADDRESS:PORT\" or "
     "\"reject ADDRESS:PORT\""},
    {"reject *:*", "reject 10.0.0.0/33:*",
     "r.json:7:19: exit_policy[0]: found \"reject 10.0.0.0/33:*\", expected \"accept "
     "ADDRESS:PORT\" or \"reject ADDRESS:PORT\""},
    {"reject *:*", "deny *:*",
     "r.json:7:19: exit_policy[0]: found \"deny *:*\", expected \"accept ADDRESS:PORT\" or "
     "\"reject ADDRESS:PORT\""},
    {"\"00112233445566778899aabbccddeeff00112233\"", "\"00112233\"",
     "r.json:11:37: directory_authorities[0].identity: found \"00112233\", expected 40 hexadecimal "
     "digits"},
    {"\"workers\": [1]", "\"workers\": [1, 1024]",
     "r.json:15:20: dataplane.workers[1]: found 1024, expected the number of a cpu from 0 to 1023"},
    {"\"workers\": [1]", "\"workers\": [1], \"helpers\": [0, 1]",
     "r.json:15:36: dataplane.helpers[1]: found 1, a worker's cpu, expected another cpu, or "
     "\"poll\": \"adaptive\""},
    {"2048", "63",
     "r.json:15:67: dataplane.memory_mb: found 63, expected a number of megabytes from 64 to "
     "1048576"},
    {"\"busy\"", "\"lazy\"",
     "r.json:16:13: dataplane.poll: found \"lazy\", expected \"adaptive\" or \"busy\""},
    {"\"0000:03:00.0\"", "\"net_tap0, iface=a\"",
     "r.json:18:19: dataplane.interfaces[0].device: found \"net_tap0, iface=a\", expected a DPDK "
     "device such as \"0000:03:00.0\" or \"net_tap0,iface=ram0\""},
    {"203.0.113.5/24", "203.0.113.5",
     "r.json:18:49: dataplane.interfaces[0].addresses[0]: found \"203.0.113.5\", expected an IPv4 "
     "address with its prefix length, such as \"203.0.113.5/24\""},
    {"203.0.113.5/24", "203.0.113.5/33",
     "r.json:18:49: dataplane.interfaces[0].addresses[0]: found \"203.0.113.5/33\", expected an "
     "IPv4 address with its prefix length, such as \"203.0.113.5/24\""},
    {"203.0.113.5/24", "203.0.113.5/0",
     "r.json:18:49: dataplane.interfaces[0].addresses[0]: found \"203.0.113.5/0\", expected an "
     "IPv4 address with its prefix length, such as \"203.0.113.5/24\""},
    {"203.0.113.5/24", "203.0.113.0/24",
     "r.json:18:49: dataplane.interfaces[0].addresses[0]: found \"203.0.113.0/24\", expected an "
     "address of a host, not a network's own or its broadcast address"},
    {"203.0.113.5/24", "203.0.113.255/24",
     "r.json:18:49: dataplane.interfaces[0].addresses[0]: found \"203.0.113.255/24\", expected an "
     "address of a host, not a network's own or its broadcast address"},
    {"1500", "575",
     "r.json:19:42: dataplane.interfaces[0].mtu: found 575, expected a number of bytes from 576 to "
     "9000"},
    {"1500", "9001",
     "r.json:19:42: dataplane.interfaces[0].mtu: found 9001, expected a number of bytes from 576 "
     "to 9000"},
    {"\"notice\"", "\"loud\"",
     "r.json:22:21: log.level: found \"loud\", expected \"error\", \"warn\", \"notice\", \"info\" "
     "or \"debug\""},
    // keys that must agree
    {"\"workers\": [1]", "\"workers\": [1, 0]",
     "r.json:15:20: dataplane.workers[1]: found 0, the cpu of dataplane.control, expected a cpu of "
     "the worker's own, or \"poll\": \"adaptive\""},
    {"\"workers\": [1]", "\"workers\": [1, 2, 1]",
     "r.json:15:23: dataplane.workers[2]: found 1 a second time, expected a cpu of the worker's "
     "own"},
    {"\"workers\": [1], \"control\": 0", "\"control\": 1",
     "r.json:14:16: dataplane.workers[0]: found 1, the cpu of dataplane.control, expected a cpu of "
     "the worker's own, or \"poll\": \"adaptive\""},
    {"[\"203.0.113.5\"]", "[\"203.0.113.6\"]",
     "r.json:5:15: address[0]: found 203.0.113.6, which no interface has, expected one of "
     "dataplane.interfaces' addresses"},
    {"[\"203.0.113.5\"]", "[\"203.0.113.5\", \"203.0.113.5\"]",
     "r.json:5:30: address[1]: found 203.0.113.5 a second time, expected each address once"},
    {"[\"203.0.113.5/24\"]", "[\"203.0.113.5/24\", \"203.0.113.5/25\"]",
     "r.json:18:67: dataplane.interfaces[0].addresses[1]: found 203.0.113.5 a second time, "
     "expected each address on one interface"},
    {"203.0.113.1\"", "203.0.114.1\"",
     "r.json:19:20: dataplane.interfaces[0].gateway: found 203.0.114.1, expected an address inside "
     "a prefix of the interface's addresses"},
    {"203.0.113.1\"", "203.0.113.5\"",
     "r.json:19:20: dataplane.interfaces[0].gateway: found 203.0.113.5, the relay's own address, "
     "expected the address of a router"},
    {"\"workers\": [1], \"control\": 0, \"hugepages\": true, \"memory_mb\": 2048",
     "\"control\": 0, \"hugepages\": true, \"memory_mb\": 64, \"workers\": [1, 2, 3, 4]",
     "r.json:15:51: dataplane.memory_mb: found 64 with 4 workers and pools of 16 MB, expected at "
     "least 72"},
    {"\"memory_mb\": 2048", "\"memory_mb\": 1024, \"max_circuits\": 1000000",
     "r.json:15:67: dataplane.memory_mb: found 1024 with 1 worker and pools of 1101 MB, expected "
     "at least 1129"},
    {"\"or_port\": 9001",
     "\"or_port\": 9001, \"bandwidth_rate\": 80000, \"bandwidth_burst\": 79999",
     "r.json:6:64: bandwidth_burst: found 79999, expected at least bandwidth_rate"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char line[CONFIG_ERROR_TEXT_MAX];
        struct config *config;
        char *text = edited(example, bad[i].from, bad[i].to);
        assert_int_equal(parse(text, strlen(text), &config, line), -EINVAL);
        free(text);
        assert_string_equal(line, bad[i].line);
    }
}

static void test_private_address(void **state)
{
    (void)state;
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *config;
    char *address = edited(smallest, "[\"8.8.8.8\"]", "[\"10.0.0.1\"]");
    char *both = edited(address, "8.8.8.8/32", "10.0.0.1/24");
    char *testing = edited(both, "\"or_port\"", "\"testing_network\":true,\"or_port\"");
    assert_int_equal(parse(both, strlen(both), &config, line), -EINVAL);
    assert_string_equal(line, "r.json:1:50: address[0]: found 10.0.0.1, which is not on the public "
                              "Internet, expected a public address, or \"testing_network\": true");
    assert_int_equal(parse(testing, strlen(testing), &config, line), 0);
    config_free(config);
    free(address);
    free(both);
    free(testing);
}

// NUL, and anything else that ends or breaks a line.
static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    static const char nul[] = "{\"a\0b\":1}", cut[] = "{\"\xe2\x80\xa8\r\x1b[1m\":1}";
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *config;
    assert_int_equal(parse(nul, sizeof(nul) - 1, &config, line), -EINVAL);
    assert_non_null(strstr(line, "r.json:1:2: a?b: found \"a?b\""));
    assert_int_equal(parse(cut, sizeof(cut) - 1, &config, line), -EINVAL);
    assert_null(strpbrk(line, "\r\n\x1b"));
    assert_int_equal(parse("", 0, &config, line), -EINVAL);
    assert_string_equal(line,
                        "r.json:1:1: (document): found the end of the file, expected '[' or '{'");
    assert_int_equal(parse("[]", 2, &config, line), -EINVAL);
    assert_string_equal(line, "r.json:1:1: (document): found a list, expected an object, { "
                              "\"nickname\": ... }");
}

static void expect_error_at(const struct config *config, const char *path, const char *line)
{
    char text[CONFIG_ERROR_TEXT_MAX];
    struct config_error error;
    config_error_at(config, path, "X", "Y", &error);
    assert_string_equal(config_error_format(&error, text), line);
}

static void test_error_at(void **state)
{
    (void)state;
    struct config *c = load_edited("notice", "info");
    expect_error_at(c, "or_port", "r.json:6:14: or_port: found X, expected Y");
    expect_error_at(c, "dataplane.workers[0]",
                    "r.json:15:17: dataplane.workers[0]: found X, expected Y");
    expect_error_at(c, "dataplane.interfaces[0].addresses[0]",
                    "r.json:18:49: dataplane.interfaces[0].addresses[0]: found X, expected Y");
    expect_error_at(c, "dataplane.max_links", // is not there: the place of the object around it
                    "r.json:14:16: dataplane.max_links: found X, expected Y");
    expect_error_at(c, "dataplane.workers[7]",
                    "r.json:15:16: dataplane.workers[7]: found X, expected Y");
    expect_error_at(c, "", "r.json:1:1: (document): found X, expected Y");
    config_free(c);
}

static void expect_file_error(const char *path, int result, const char *line)
{
    char text[CONFIG_ERROR_TEXT_MAX];
    struct config *config;
    struct config_error error;
    assert_int_equal(config_load(path, &config, &error), result);
    assert_null(config);
    assert_string_equal(config_error_format(&error, text), line);
}

static void test_files(void **state)
{
    (void)state;
    expect_file_error("/nonexistent/r.json", -ENOENT,
                      "/nonexistent/r.json: found No such file or directory, expected a readable "
                      "file of at most 1 MB");
    expect_file_error("/", -EISDIR,
                      "/: found Is a directory, expected a readable file of at most 1 MB");
    expect_file_error("/dev/zero", -EINVAL,
                      "/dev/zero: found more than 1 MB, expected a readable file of at most 1 MB");
    char path[] = P_tmpdir "/ramson-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, example, strlen(example)), strlen(example));
    close(fd);
    struct config *config;
    struct config_error error;
    assert_int_equal(config_load(path, &config, &error), 0);
    assert_string_equal(config->nickname, "ramson0");
    config_free(config);
    unlink(path);
}

static void expect_one_line(const char *line)
{
    assert_memory_equal(line, "r.json:", 7);
    assert_non_null(strstr(line, ": found "));
    assert_non_null(strstr(line, ", expected "));
    assert_null(strpbrk(line, "\r\n"));
}

// A file that was cut off anywhere.
static void test_every_prefix(void **state)
{
    (void)state;
    char line[CONFIG_ERROR_TEXT_MAX];
    struct config *config;
    for (size_t n = 0; n < strlen(example) - 2; n++) { // the last two: "}\n"
        assert_int_equal(parse(example, n, &config, line), -EINVAL);
        expect_one_line(line);
    }
}

static void mutate(char *text, size_t *length)
{
    static const char alphabet[] = "{}[]:,\"\\ \n0129-eE.tfnulas/*\xc3\xa9\x00\x7f";
    size_t at = (size_t)rand() % *length;
    size_t n = (size_t)rand() % 12;
    switch (rand() % 4) {
    case 0: // another byte
        text[at] = alphabet[(size_t)rand() % sizeof(alphabet)];
        break;
    case 1: // some bytes less
        n = n < *length - at ? n : *length - at;
        memmove(text + at, text + at + n, *length - at - n);
        *length -= n;
        break;
    case 2: // some bytes twice
        n = n < *length - at ? n : *length - at;
        memmove(text + at + n, text + at, *length - at);
        *length += n;
        break;
    default: // any bit
        text[at] ^= (char)(1 << rand() % 8);
        break;
    }
    *length += *length == 0;
}

static void test_mutations(void **state)
{
    (void)state;
    char line[CONFIG_ERROR_TEXT_MAX], text[2 * sizeof(example)];
    struct config *config;
    srand(1);
    for (unsigned i = 0; i < 5000; i++) {
        size_t length = strlen(example);
        memcpy(text, example, length);
        for (int n = 1 + rand() % 4; n > 0; n--)
            mutate(text, &length);
        if (parse(text, length, &config, line) == 0)
            config_free(config);
        else
            expect_one_line(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_pools_follow_memory),
        cmocka_unit_test(test_socks),
        cmocka_unit_test(test_onion_services),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_private_address),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_error_at),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
