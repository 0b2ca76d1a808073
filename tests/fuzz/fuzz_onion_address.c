// SPDX-License-Identifier: BSD-3-Clause
// Onion addresses, as applications give them.
#include "onion/key/onion_address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t key[ONION_KEY_LEN], again[ONION_KEY_LEN];
    char text[ONION_ADDRESS_LEN + 1];
    char *name = malloc(length + 1);
    if (!name)
        return 0;
    if (length > 0)
        memcpy(name, bytes, length);
    name[length] = '\0';
    if (onion_address_parse(name, key) == ONION_ADDRESS_GOOD) {
        onion_address_format(key, text);
        if (onion_address_parse(text, again) != ONION_ADDRESS_GOOD || memcmp(key, again, 32) != 0)
            __builtin_trap();
    }
    free(name);
    return 0;
}
