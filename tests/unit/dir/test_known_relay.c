// SPDX-License-Identifier: BSD-3-Clause
// Who counts as a relay of the network (protocol 5.13). The store is the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dir/known_relay.h"
#include "dir/store/store.h"
#include "relay.h"

struct directory_store {
    struct stored_consensus consensuses[CONSENSUS_FLAVOURS];
    bool has[CONSENSUS_FLAVOURS];
};

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    assert_int_equal(index, 0);
    return store->has[flavour] ? &store->consensuses[flavour] : NULL;
}

static void test_known(void **state)
{
    (void)state;
    struct router_status old = {.rsa_id = {1}}, young[] = {{.rsa_id = {1}}, {.rsa_id = {2}}};
    struct consensus full = {.routers = &old, .n_routers = 1};
    struct consensus micro = {.routers = young, .n_routers = 2};
    struct directory_store store = {0};
    struct relay relay = {0};
    static const uint8_t first[20] = {1}, second[20] = {2}, stranger[20] = {3};
    assert_true(known_relay(&relay, stranger)); // there is nobody to ask
    relay.store = &store;
    assert_true(known_relay(&relay, stranger));
    store.has[CONSENSUS_NS] = true;
    store.consensuses[CONSENSUS_NS].parsed = &full;
    assert_true(known_relay(&relay, first));
    assert_false(known_relay(&relay, second));
    store.has[CONSENSUS_MICRODESC] = true;
    store.consensuses[CONSENSUS_MICRODESC].parsed = &micro;
    assert_true(known_relay(&relay, first));
    assert_true(known_relay(&relay, second)); // in one of them
    assert_false(known_relay(&relay, stranger));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
