// SPDX-License-Identifier: BSD-3-Clause
// Two lists of subprotocol versions, with a newline between them.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/protocol_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char missing[PROTOCOL_NAME_MAX + 8];
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *second = strchr(text, '\n');
    if (second != NULL)
        *second++ = '\0';
    bool valid = protocol_list_is_valid((struct text){text, strlen(text)});
    // A valid list covers itself.
    if (!protocol_list_covers(text, text, missing, sizeof(missing)) && valid)
        abort();
    protocol_list_covers(text, second, missing, sizeof(missing));
    protocol_list_has(text, "HSDir", 2);
    free(text);
    return 0;
}
