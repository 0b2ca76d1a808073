// SPDX-License-Identifier: BSD-3-Clause
// HTTP heads: what authorities answer, cut and spread in every way, and what nobody should.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "dir/client/http.h"

static enum http_state feed(struct http_answer *answer, const char *text)
{
    http_answer_begin(answer);
    return http_answer_read(answer, text, strlen(text));
}

static void test_answers(void **state)
{
    (void)state;
    struct http_answer a;
    assert_int_equal(feed(&a, "HTTP/1.0 200 Descriptor accepted\r\nDate: x\r\n\r\n"), HTTP_DONE);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.reason, "Descriptor accepted");
    assert_false(a.descriptor_not_new);
    assert_int_equal(feed(&a, "HTTP/1.0 200 OK\r\nx-descriptor-not-new: yes\r\n\r\n"), HTTP_DONE);
    assert_true(a.descriptor_not_new);
    // What comes after the head says nothing.
    assert_int_equal(feed(&a, "HTTP/1.0 200 OK\r\n\r\nX-Descriptor-Not-New: Yes\r\n\r\n"),
                     HTTP_DONE);
    assert_false(a.descriptor_not_new);
    assert_int_equal(feed(&a, "HTTP/1.1 400 Malformed platform string.\n\n"), HTTP_DONE);
    assert_int_equal(a.status, 400);
    assert_string_equal(a.reason, "Malformed platform string.");
    assert_int_equal(feed(&a, "HTTP/1.0 503\r\n\r\n"), HTTP_DONE);
    assert_string_equal(a.reason, "");
    // A reason goes to the log: nothing in it may steer a terminal, nor fill it.
    assert_int_equal(feed(&a, "HTTP/1.0 400 a\x1b[31m\tb\xc3\xa4\r\n\r\n"), HTTP_DONE);
    assert_string_equal(a.reason, "a?[31m?b??");
    char text[1024] = "HTTP/1.0 400 ";
    memset(text + 13, 'r', 600);
    strcpy(text + 613, "\r\n\r\n");
    assert_int_equal(feed(&a, text), HTTP_DONE);
    assert_int_equal(strlen(a.reason), HTTP_REASON_MAX);
}

static void test_no_http(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.0  200 OK\r\n\r\n",
        "HTTP/1.0 2000 OK\r\n\r\n",
        "HTTP/1.0 20 OK\r\n\r\n",
        "HTTP/1.0 099 OK\r\n\r\n",
        "HTTP/1.0 600 OK\r\n\r\n",
        "HTTP/1.0 -20 OK\r\n\r\n",
        "HTTP/1.0\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.0 200OK\r\n\r\n",
    };
    struct http_answer a;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(feed(&a, texts[i]), HTTP_BAD);
}

static void test_every_cut(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.0 200 OK\r\nDate: Thu\r\nX-Descriptor-Not-New: Yes\r\n\r\n";
    size_t whole = sizeof(text) - 1;
    for (size_t cut = 0; cut <= whole; cut++) {
        struct http_answer a;
        http_answer_begin(&a);
        enum http_state first = http_answer_read(&a, text, cut);
        assert_int_equal(first, cut == whole ? HTTP_DONE : HTTP_MORE);
        assert_int_equal(http_answer_read(&a, text + cut, whole - cut), HTTP_DONE);
        assert_int_equal(a.status, 200);
        assert_true(a.descriptor_not_new);
    }
    struct http_answer a;
    http_answer_begin(&a);
    for (size_t i = 0; i + 1 < whole; i++)
        assert_int_equal(http_answer_read(&a, text + i, 1), HTTP_MORE);
    assert_int_equal(http_answer_read(&a, text + whole - 1, 1), HTTP_DONE);
}

static void test_endless_head(void **state)
{
    (void)state;
    struct http_answer a;
    http_answer_begin(&a);
    http_answer_read(&a, "HTTP/1.0 200 OK\r\n", 17);
    int lines = 0;
    while (http_answer_read(&a, "X-More: and more\r\n", 18) == HTTP_MORE)
        lines++;
    assert_int_equal(a.state, HTTP_BAD);
    assert_true(lines < HTTP_HEAD_MAX / 18);
    assert_int_equal(http_answer_read(&a, "\r\n\r\n", 4), HTTP_BAD); // it stays
}

// Whatever comes, the state is one of three, texts end, and nothing is touched that is not ours.
static void test_random(void **state)
{
    (void)state;
    static const char seed[] = "HTTP/1.0 400 Rejected: no\r\nA: b\r\n\r\n";
    for (int round = 0; round < 3000; round++) {
        struct http_answer *a = malloc(sizeof(*a));
        uint8_t bytes[600];
        uint16_t choice[3];
        random_bytes(bytes, sizeof(bytes));
        random_bytes(choice, sizeof(choice));
        size_t length = choice[0] % sizeof(bytes);
        if (round % 3 != 0) { // a good answer with a few bytes changed
            memcpy(bytes, seed, sizeof(seed));
            for (int i = 0; i < round % 4; i++)
                bytes[choice[1] % sizeof(seed)] = (uint8_t)(choice[2] >> i);
        }
        if (round % 5 == 0)
            memset(bytes, '\n', length);
        http_answer_begin(a);
        for (size_t at = 0; at < length;) {
            size_t piece = 1 + (choice[1] + at) % 97;
            piece = piece < length - at ? piece : length - at;
            http_answer_read(a, bytes + at, piece);
            at += piece;
        }
        assert_true(a->state == HTTP_MORE || a->state == HTTP_DONE || a->state == HTTP_BAD);
        assert_true(strlen(a->reason) <= HTTP_REASON_MAX);
        if (a->state == HTTP_DONE)
            assert_true(a->status >= 100 && a->status <= 599);
        free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),   cmocka_unit_test(test_no_http),
        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_endless_head),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
