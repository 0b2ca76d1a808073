// SPDX-License-Identifier: BSD-3-Clause
// What exits answer: the first byte says to what, the rest is the body of CONNECTED, RESOLVED or
// END.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "origin/stream/exit_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_address(const struct address *a)
{
    for (size_t i = address_length(a); i < sizeof(a->bytes); i++)
        if (a->bytes[i] != 0)
            __builtin_trap();
}

static void check_answers(const struct exit_answers *answers)
{
    if (answers->n > APP_ANSWERS_MAX || (answers->n > 0) != (answers->error == EXIT_ANSWER_FOUND))
        __builtin_trap();
    for (unsigned i = 0; i < answers->n; i++) {
        const struct app_answer *a = &answers->list[i];
        if (a->kind == APP_ANSWER_NAME && (a->name[0] == 0 || strlen(a->name) > APP_HOST_MAX))
            __builtin_trap();
        if (a->kind == APP_ANSWER_ADDRESS && address_length(&a->address) == 0)
            __builtin_trap();
        check_address(&a->address);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct exit_answers answers;
    struct address a = {0};
    if (length == 0)
        return 0;
    switch (bytes[0] % 3) {
    case 0:
        exit_answer_connected(bytes + 1, length - 1, &a);
        break;
    case 1:
        if (exit_answer_resolved(bytes + 1, length - 1, &answers))
            check_answers(&answers);
        break;
    default:
        a = exit_answer_refused(bytes + 1, length - 1);
        break;
    }
    check_address(&a);
    return 0;
}
