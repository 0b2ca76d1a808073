// SPDX-License-Identifier: BSD-3-Clause
// Applications' connections on real sockets: what they are answered, bytes in both directions,
// ends in every state, limits. The network behind is the test's.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "socks_desk.h"

// ---- bytes in both directions

static void test_connect_and_talk(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[64];
    bool ended;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    assert_string_equal(s->request.host, "example.com");
    assert_int_equal(s->request.port, 80);
    assert_int_equal(s->request.command, APP_CONNECT);
    assert_int_equal(s->request.isolation.group, 1);
    assert_int_equal(address_ipv4_host(&s->request.isolation.client), 0x7f000001);
    assert_int_equal(s->request.isolation.protocol, 0);
    unsigned wakes = s->wakes;
    DESK_SAY(&desk, fd, "GET /");
    assert_int_equal(s->wakes, wakes + 1);
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 5);
    assert_memory_equal(bytes, "GET /", 5);
    assert_false(ended);
    s->ops->data(s, (const uint8_t *)"hel", 3);
    s->ops->data(s, (const uint8_t *)"lo", 2);
    DESK_EXPECT(&desk, fd, "hello");
    assert_int_equal(s->held_bytes, 0);
    // The application ends: all that it said goes first.
    DESK_SAY(&desk, fd, "bye");
    shutdown(fd, SHUT_WR);
    desk_turn(&desk);
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 3);
    assert_true(ended);
    s->ops->data(s, (const uint8_t *)"last", 4);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    DESK_EXPECT(&desk, fd, "last");
    desk_expect_end(&desk, fd);
    assert_int_equal(socks_server_connections(desk.server), 0);
    close(fd);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_and_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
