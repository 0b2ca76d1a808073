// SPDX-License-Identifier: BSD-3-Clause
// The configuration's JSON.
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct config *config = NULL;
    struct config_error error;
    if (config_parse("fuzz.json", (const char *)bytes, length, &config, &error) == 0)
        config_free(config);
    return 0;
}
