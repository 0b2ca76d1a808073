// SPDX-License-Identifier: BSD-3-Clause
// petnames.json: what is read is sound, and is the same when it was written and read again.
#include <stdlib.h>
#include <string.h>

#include "onion/petname/petname.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_one(const struct petnames *p, size_t i)
{
    uint8_t key[ONION_KEY_LEN];
    const struct petname *one = petnames_at(p, i), *like;
    size_t n = strlen(one->name);
    if (n == 0 || n > PETNAME_MAX ||
        strspn(one->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n ||
        petnames_find(p, one->name) != one->address ||
        onion_address_parse(one->address, key) != ONION_ADDRESS_GOOD ||
        (i > 0 && strcmp(petnames_at(p, i - 1)->name, one->name) >= 0))
        __builtin_trap();
    if (petnames_lookalike(p, one, &like) != PETNAME_UNLIKE && (!like || like == one))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char error[PETNAME_ERROR_MAX] = "";
    char *text = malloc(length); // of exactly this size
    if (!text && length)
        abort();
    if (length)
        memcpy(text, bytes, length);
    struct petnames *p = petnames_parse("petnames.json", text, length, error);
    free(text);
    if (!p) {
        if (strncmp(error, "petnames.json:", 14) != 0 || strchr(error, '\n'))
            __builtin_trap();
        return 0;
    }
    for (size_t i = 0; i < petnames_count(p); i++)
        check_one(p, i);
    petnames_free(p);
    return 0;
}
