// SPDX-License-Identifier: BSD-3-Clause
// What a directory's answer may make us keep.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dir/client/answer.h"

// An answer of `n` microdescriptors that differ.
static struct blob *microdescriptors(unsigned n)
{
    enum { TEXT_MAX = 128 };
    struct blob *body = blob_create(NULL, (size_t)n * TEXT_MAX);
    assert_non_null(body);
    size_t length = 0;
    for (unsigned i = 0; i < n; i++)
        length += (size_t)snprintf((char *)body->bytes + length, TEXT_MAX,
                                   "onion-key\nntor-onion-key "
                                   "%05uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
                                   i % 100000);
    body->length = length;
    return body;
}

static unsigned documents_of(unsigned n)
{
    struct answer a = {.kind = FETCH_MICRODESCRIPTORS, .body = microdescriptors(n)};
    answer_read(&a);
    unsigned read = (unsigned)a.n_documents;
    answer_release(&a);
    blob_drop(a.body);
    return read;
}

static void test_documents_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(documents_of(96), 96);
    assert_int_equal(documents_of(50000), ANSWER_DOCUMENT_COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_documents_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
