// SPDX-License-Identifier: BSD-3-Clause
// The store with the documents of a real network: what is found by what, what goes when, what is on
// disk and how; and the table and the parameters that others go by.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "dir/store/digest_table.h"
#include "dir/store/store.h"
#include "documents.h"
#include "netdoc/certificate.h"
#include "relay.h"
#include "temp_dir.h"

enum { DAY = 86400 };

static struct temp_dir dir;
static struct config config;
static struct relay relay;
static uv_loop_t loop;
static time_t now;

static time_t clock_of_test(void)
{
    return now;
}

static void start(void)
{
    relay.store = directory_store_create(&relay);
    assert_non_null(relay.store);
}

static void stop(void)
{
    directory_store_free(relay.store);
    relay.store = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
}

static int set_up(void **state)
{
    (void)state;
    dir = temp_dir_make();
    memset(&config, 0, sizeof(config));
    memset(&relay, 0, sizeof(relay));
    now = 1795385610; // when the documents were made
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    uv_loop_init(&loop);
    relay.loop = &loop;
    relay.config = &config;
    relay.wall_clock = clock_of_test;
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop();
    assert_int_equal(uv_loop_close(&loop), 0);
    temp_dir_remove(&dir);
    return 0;
}

// ---- putting everything in

static void put_certificates(void)
{
    struct document d = document_load("certificates");
    size_t length;
    for (size_t at = 0; at < d.length; at += length) {
        struct certificate *c;
        assert_int_equal(certificate_parse(d.bytes + at, d.length - at, &c, &length), 0);
        unsigned n = config.directory_authority_count++;
        memcpy(config.directory_authorities[n].v3_identity, c->identity, 20);
        assert_int_equal(store_put_certificate(relay.store, c, d.bytes + at), 0);
    }
    document_drop(&d);
}

static int put_consensus(const char *name)
{
    struct document d = document_load(name);
    struct blob *text = blob_create(d.bytes, d.length);
    struct consensus *c;
    assert_int_equal(consensus_parse(d.bytes, d.length, &c, NULL), 0);
    int result = store_put_consensus(relay.store, text, c);
    blob_drop(text);
    document_drop(&d);
    return result;
}

static unsigned put_microdescriptors(void)
{
    struct document d = document_load("microdescriptors");
    size_t length;
    unsigned n = 0;
    for (size_t at = 0; at < d.length; at += length) {
        struct microdescriptor m;
        assert_int_equal(microdescriptor_parse(d.bytes + at, d.length - at, &m, &length), 0);
        assert_int_equal(store_put_microdescriptor(relay.store, &m, d.bytes + at), 0);
        assert_int_equal(store_put_microdescriptor(relay.store, &m, d.bytes + at), -EEXIST);
        n++;
    }
    document_drop(&d);
    return n;
}

static unsigned put_routers(const char *name, bool extra)
{
    struct document d = document_load(name);
    size_t length;
    unsigned n = 0;
    for (size_t at = 0; at < d.length; at += length) {
        struct router_document r;
        const uint8_t *text = d.bytes + at;
        int error = (extra ? router_extra_info_parse : router_descriptor_parse)(text, d.length - at,
                                                                                &r, &length);
        assert_int_equal(error, 0);
        error = (extra ? store_put_extra_info : store_put_descriptor)(relay.store, &r, text);
        assert_int_equal(error, 0);
        n++;
    }
    document_drop(&d);
    return n;
}

static void put_all(void)
{
    put_certificates();
    assert_int_equal(put_consensus("consensus"), 0);
    assert_int_equal(put_consensus("consensus-microdesc"), 0);
    assert_true(put_microdescriptors() > 3);
    assert_true(put_routers("descriptors", false) > 3);
    assert_true(put_routers("extra-infos", true) > 3);
    store_flush(relay.store);
}

static void count_one(void *user, struct blob *text)
{
    (void)text;
    ++*(unsigned *)user;
}

static unsigned count(enum store_kind kind)
{
    unsigned n = 0;
    store_each(relay.store, kind, count_one, &n);
    return n;
}

// ---- tests

static void test_found_by_their_names(void **state)
{
    (void)state;
    put_all();
    const struct consensus *full = store_consensus(relay.store, CONSENSUS_NS, 0)->parsed;
    const struct consensus *micro = store_consensus(relay.store, CONSENSUS_MICRODESC, 0)->parsed;
    assert_null(store_consensus(relay.store, CONSENSUS_NS, 1));
    for (size_t i = 0; i < full->n_routers; i++) {
        const struct router_status *r = &full->routers[i];
        struct blob *text = store_get(relay.store, STORE_DESCRIPTOR, r->digest);
        assert_non_null(text);
        assert_ptr_equal(store_get(relay.store, STORE_DESCRIPTOR_BY_IDENTITY, r->rsa_id), text);
        const struct router_document *d = store_descriptor(relay.store, r->digest);
        assert_memory_equal(d->rsa_id, r->rsa_id, 20);
        text = store_get(relay.store, STORE_EXTRA_INFO, d->extra_info_sha1);
        assert_non_null(text);
        assert_ptr_equal(store_get(relay.store, STORE_EXTRA_INFO_BY_IDENTITY, r->rsa_id), text);
    }
    for (size_t i = 0; i < micro->n_routers; i++) {
        const struct router_status *r = &micro->routers[i];
        struct blob *text = store_get(relay.store, STORE_MICRODESCRIPTOR, r->digest);
        uint8_t digest[32];
        sha256(text->bytes, text->length, digest);
        assert_memory_equal(digest, r->digest, 32);
        struct relay_keys keys;
        assert_true(store_relay_keys(relay.store, r->rsa_id, &keys));
        assert_true(keys.has_ed_id);
        const struct router_document *d =
            store_descriptor(relay.store, consensus_find(full, r->rsa_id)->digest);
        assert_memory_equal(keys.ed_id, d->ed_id, 32);
    }
    assert_int_equal(count(STORE_MICRODESCRIPTOR), micro->n_routers);
    unsigned n;
    const struct certificate *const *certificates = store_certificates(relay.store, &n);
    assert_int_equal(n, config.directory_authority_count);
    for (unsigned i = 0; i < n; i++) {
        assert_non_null(store_get(relay.store, STORE_CERTIFICATE, certificates[i]->identity));
        assert_non_null(
            store_get(relay.store, STORE_CERTIFICATE_BY_SIGNING_KEY, certificates[i]->signing_key));
    }
    const uint8_t nobody[32] = {1};
    for (unsigned kind = 0; kind < STORE_KINDS; kind++)
        assert_null(store_get(relay.store, kind, nobody));
    struct relay_keys keys;
    assert_false(store_relay_keys(relay.store, nobody, &keys));
    assert_false(store_relay_keys(NULL, nobody, &keys));
}

static void test_put_again(void **state)
{
    (void)state;
    uint64_t before = store_generation(relay.store);
    put_all();
    assert_int_equal(store_generation(relay.store), before + 2);
    assert_int_equal(put_consensus("consensus"), -EEXIST);
    assert_int_equal(store_generation(relay.store), before + 2);
    struct document d = document_load("certificates");
    struct certificate *c;
    size_t length;
    assert_int_equal(certificate_parse(d.bytes, d.length, &c, &length), 0);
    assert_int_equal(store_put_certificate(relay.store, c, d.bytes), -EEXIST);
    // Of an authority that is not configured, and of one whose time is over.
    config.directory_authority_count = 0;
    assert_int_equal(certificate_parse(d.bytes, d.length, &c, &length), 0);
    assert_int_equal(store_put_certificate(relay.store, c, d.bytes), -EPERM);
    config.directory_authority_count = 5;
    now += 3 * 365 * DAY;
    assert_int_equal(certificate_parse(d.bytes, d.length, &c, &length), 0);
    assert_int_equal(store_put_certificate(relay.store, c, d.bytes), -EPERM);
    store_expire(relay.store);
    assert_int_equal(count(STORE_CERTIFICATE), 0);
    document_drop(&d);
}

static void test_disk(void **state)
{
    (void)state;
    static char text[1 << 20];
    static const char *const files[] = {"cached-consensus",   "cached-microdesc-consensus",
                                        "cached-certs",       "cached-microdescs.new",
                                        "cached-descriptors", "cached-extrainfo.new"};
    put_all();
    size_t bytes = store_bytes(relay.store);
    unsigned n[STORE_KINDS];
    for (unsigned kind = 0; kind < STORE_KINDS; kind++)
        n[kind] = count(kind);
    stop();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_true(temp_exists(&dir, files[i]));
    // As C tor writes them: annotations stand before each.
    ssize_t length = temp_read(&dir, "cached-microdescs.new", text, sizeof(text) - 1);
    text[length] = '\0';
    assert_memory_equal(text, "@last-listed 2026-11-22 22:13:30\nonion-key\n", 43);
    length = temp_read(&dir, "cached-descriptors", text, sizeof(text) - 1);
    assert_memory_equal(text, "@downloaded-at 2026-11-22 22:13:30\nrouter ", 42);
    start();
    assert_int_equal(store_bytes(relay.store), bytes);
    for (unsigned kind = 0; kind < STORE_KINDS; kind++)
        assert_int_equal(count(kind), n[kind]);
    assert_non_null(store_consensus(relay.store, CONSENSUS_NS, 0)->parsed);
    // More annotations than we write, as C tor does; documents without any; a file that is cut off.
    stop();
    memmove(text + 18, text, (size_t)length);
    memcpy(text, "@source \"10.0.0.1\"\n", 18);
    text[17] = '\n';
    temp_write(&dir, "cached-descriptors", text, (size_t)length + 18 - 100);
    start();
    assert_int_equal(count(STORE_DESCRIPTOR), n[STORE_DESCRIPTOR] - 1);
    // Other authorities: nothing on disk is believed.
    stop();
    memset(config.directory_authorities, 0, sizeof(config.directory_authorities));
    start();
    assert_null(store_consensus(relay.store, CONSENSUS_NS, 0));
    assert_null(store_consensus(relay.store, CONSENSUS_MICRODESC, 0));
    assert_int_equal(count(STORE_CERTIFICATE), 0);
}

static void test_no_disk(void **state)
{
    (void)state;
    stop();
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(config.data_directory, sizeof(config.data_directory), "%s/none/such", dir.path);
    start();
    put_all();
    stop();
    start();
    assert_int_equal(count(STORE_DESCRIPTOR), 0);
}

static void test_own(void **state)
{
    (void)state;
    struct document d = document_load("descriptors"), e = document_load("extra-infos");
    struct router_document r;
    size_t length;
    assert_int_equal(router_descriptor_parse(d.bytes, d.length, &r, &length), 0);
    struct blob *descriptor = blob_create(d.bytes, r.text_length);
    store_set_own(relay.store, descriptor, NULL);
    assert_non_null(store_get(relay.store, STORE_DESCRIPTOR, r.sha1));
    assert_non_null(store_get(relay.store, STORE_DESCRIPTOR_BY_IDENTITY, r.rsa_id));
    assert_int_equal(count(STORE_DESCRIPTOR), 1);
    store_set_own(relay.store, descriptor, NULL);
    assert_int_equal(count(STORE_DESCRIPTOR), 1);
    blob_drop(descriptor);
    // It stays while it is ours. After the next start it is one like others: a new one is made.
    put_certificates();
    put_consensus("consensus");
    now += 6 * DAY;
    store_expire(relay.store);
    assert_int_equal(count(STORE_DESCRIPTOR), 1);
    descriptor = blob_create("router no\n", 10);
    store_set_own(relay.store, descriptor, descriptor);
    assert_int_equal(count(STORE_DESCRIPTOR), 1);
    blob_drop(descriptor);
    stop();
    start();
    assert_int_equal(count(STORE_DESCRIPTOR), 1);
    document_drop(&d);
    document_drop(&e);
}

static int put_small(unsigned n)
{
    char text[64];
    struct microdescriptor m = {0};
    m.text_length = (size_t)snprintf(text, sizeof(text), "microdescriptor %u", n);
    memcpy(m.sha256, &n, sizeof(n));
    return store_put_microdescriptor(relay.store, &m, (const uint8_t *)text);
}

// What is listed keeps its place; what was listed before goes when there is no room.
static void test_bounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STORE_DOCUMENTS_MAX; i++) {
        now += i == 30000;
        assert_int_equal(put_small(i), 0);
    }
    assert_int_equal(put_small(STORE_DOCUMENTS_MAX), 0);
    assert_int_equal(count(STORE_MICRODESCRIPTOR), STORE_DOCUMENTS_MAX - 30000 + 1);
    for (unsigned i = 1; i < 30000; i++)
        assert_int_equal(put_small(STORE_DOCUMENTS_MAX + i), 0);
    assert_int_equal(put_small(2 * STORE_DOCUMENTS_MAX), -ENOSPC);
}

static void test_expiry(void **state)
{
    (void)state;
    put_all();
    // Without a consensus of the day nobody knows what is listed.
    now += 30 * DAY;
    unsigned all = count(STORE_DESCRIPTOR);
    store_expire(relay.store);
    assert_int_equal(count(STORE_DESCRIPTOR), all);
    now -= 30 * DAY;
    put_small(1);
    const uint8_t name[32] = {1};
    now += STORE_MICRODESCRIPTOR_KEPT_S;
    store_expire(relay.store);
    assert_non_null(store_get(relay.store, STORE_MICRODESCRIPTOR, name));
}

// ---- the table

static void test_table(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static uint8_t keys[KEYS][20];
    static bool in[KEYS];
    struct digest_table t;
    size_t n = 0;
    random_bytes(keys, sizeof(keys));
    memset(in, 0, sizeof(in));
    digest_table_init(&t, 20);
    assert_null(digest_table_get(&t, keys[0]));
    assert_null(digest_table_remove(&t, keys[0]));
    for (int i = 0; i < 100000; i++) {
        unsigned k = random_uniform(KEYS);
        if (random_uniform(2) == 0) {
            assert_int_equal(digest_table_put(&t, keys[k], keys[k]), 0);
            n += !in[k];
            in[k] = true;
        } else {
            assert_ptr_equal(digest_table_remove(&t, keys[k]), in[k] ? keys[k] : NULL);
            n -= in[k];
            in[k] = false;
        }
        unsigned other = random_uniform(KEYS);
        assert_ptr_equal(digest_table_get(&t, keys[other]), in[other] ? keys[other] : NULL);
    }
    assert_int_equal(t.n, n);
    const uint8_t *key;
    for (size_t i = 0; (key = digest_table_next(&t, &i)) != NULL; n--)
        assert_memory_equal(key, digest_table_key(&t, i), 20);
    assert_int_equal(n, 0);
    digest_table_release(&t);
}

// ---- parameters

static unsigned told;

static void changed(struct relay *r)
{
    (void)r;
    told++;
}

static struct parameters read_parameters(const char *line)
{
    struct document d = document_load("consensus"), e;
    struct consensus *c;
    struct parameters p;
    char with[256];
    snprintf(with, sizeof(with), "params %s\n", line);
    e = document_replace(&d,
                         "params AuthDirMaxServersPerAddr=0 CircuitPriorityHalflifeMsec=30000 "
                         "circwindow=900 wary=-5\n",
                         with, 0);
    assert_int_equal(consensus_parse(e.bytes, e.length, &c, NULL), 0);
    parameters_read(c, &p);
    consensus_free(c);
    document_drop(&d);
    document_drop(&e);
    return p;
}

static void test_parameters(void **state)
{
    (void)state;
    struct parameters p;
    parameters_read(NULL, &p);
    assert_int_equal(p.circuit_window_cells, 1000);
    assert_int_equal(p.cc_sendme_inc_cells, 31);
    assert_int_equal(parameters_of(&relay)->cc_sendme_inc_cells, 31);
    p = read_parameters("cc_sendme_inc=40 circwindow=100000 onion-key-rotation-days=-4");
    assert_int_equal(p.cc_sendme_inc_cells, 40);
    assert_int_equal(p.circuit_window_cells, 1000);
    assert_int_equal(p.onion_key_rotation_days, 1);
    assert_int_equal(p.onion_key_grace_days, 1); // at most as long as the key itself
    // One is the other's default or bound.
    p = read_parameters("cc_alg=1 circ_max_cell_queue_size=700 nf_ito_high=10 nf_ito_low=2000");
    assert_int_equal(p.queue_max_cells_out, 700);
    assert_int_equal(p.padding_high_ms, 2000);
    assert_int_equal(p.cc_algorithm, CC_ALGORITHM_VEGAS);
    p = read_parameters("cc_alg=0 circ_max_cell_queue_size_out=3");
    assert_int_equal(p.queue_max_cells, 2500);
    assert_int_equal(p.queue_max_cells_out, 50);
    assert_int_equal(p.cc_algorithm, CC_ALGORITHM_SENDME);
}

static void test_listeners(void **state)
{
    (void)state;
    relay.parameters = parameters_create(&relay);
    told = 0;
    parameters_listen(&relay, changed);
    assert_int_equal(told, 1);
    parameters_update(&relay, NULL);
    assert_int_equal(told, 1);
    put_all();
    parameters_update(&relay, store_consensus(relay.store, CONSENSUS_NS, 0)->parsed);
    assert_int_equal(told, 2);
    assert_int_equal(parameters_of(&relay)->circuit_window_cells, 900);
    parameters_update(&relay, store_consensus(relay.store, CONSENSUS_MICRODESC, 0)->parsed);
    assert_int_equal(told, 2); // says the same
    parameters_free(relay.parameters);
    relay.parameters = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    if (crypto_init() < 0)
        return 1;
    log_set_level(LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TEST(test_found_by_their_names),
        TEST(test_put_again),
        TEST(test_disk),
        TEST(test_no_disk),
        TEST(test_own),
        TEST(test_bounds),
        TEST(test_expiry),
        cmocka_unit_test(test_table),
        TEST(test_parameters),
        TEST(test_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
