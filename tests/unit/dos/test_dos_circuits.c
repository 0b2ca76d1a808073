// SPDX-License-Identifier: BSD-3-Clause
// CREATE cells of a client's address beyond its share are refused; a relay's never (protocol 5.09).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../circuit/desk.h"
#include "dos/dos.h"

static void test_create_refused(void **state)
{
    (void)state;
    static const uint8_t x[20] = {1};
    struct desk *desk = desk_open();
    desk->relay.uptime_s = 1;
    desk->config.dos.circuits = CONFIG_DOS_ON;
    desk->config.dos.circuits_burst = 3;
    desk->config.dos.circuits_min_connections = 1;
    desk->relay.dos = dos_create(&desk->relay);
    for (unsigned i = CLIENT; i <= PREVIOUS; i++)
        assert_true(dos_link_opened(&desk->relay, &desk->links[i].connection.remote, i != CLIENT));
    for (unsigned i = 0; i < 3; i++)
        desk_circuit(desk, CLIENT);
    for (unsigned i = 0; i < 10; i++) {
        struct handle end = desk_new_end(desk);
        desk_tell_create(desk, CLIENT, end, CELL_CREATE_FAST, x, sizeof(x));
        desk_expect_close(desk, 0, end, DESTROY_RESOURCELIMIT);
        desk_expect_nothing(desk);
        desk_circuit(desk, PREVIOUS);
    }
    assert_int_equal(desk->relay.counters.drop_dos_circuit, 10);
    assert_int_equal(desk->relay.counters.dos_marked_circuits, 1);
    dos_free(desk->relay.dos);
    desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_create_refused)};
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
