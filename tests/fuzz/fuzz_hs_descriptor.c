// SPDX-License-Identifier: BSD-3-Clause
// An onion service's descriptor as a directory takes it: its outer layer, then the cache. The
// seeds' certificates are valid at the time that it is here.
#include "config/config.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/relay/hsdir.h"
#include "relay.h"

enum { NOW_S = 1795387488 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static time_t fixed_clock(void)
{
    return NOW_S;
}

static void check(const struct hs_descriptor *d, size_t length)
{
    if (d->lifetime_min < 1 || d->lifetime_min > HS_DESCRIPTOR_LIFETIME_MAX_MIN ||
        d->signed_length >= length || d->cert_length > sizeof(d->cert_bytes))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct config config = {.hsdir_cache_mb = 1};
    static struct relay relay = {.config = &config, .wall_clock = fixed_clock, .uptime_s = 1};
    struct hs_descriptor d;
    if (!relay.hsdir)
        relay.hsdir = hsdir_create(&relay);
    bool parsed = hs_descriptor_parse(bytes, length, &d) == 0;
    if (parsed)
        check(&d, length);
    bool stored = hsdir_publish(relay.hsdir, bytes, length) == HSDIR_STORED;
    if (stored && !parsed)
        __builtin_trap();
    if (parsed)
        blob_drop(hsdir_fetch(relay.hsdir, d.blinded_key));
    relay.uptime_s += 600;
    hsdir_tick(relay.hsdir);
    return 0;
}
