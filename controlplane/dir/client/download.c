// SPDX-License-Identifier: BSD-3-Clause
// Exponential back-off with jitter.
#include "dir/client/download.h"

#include "crypto/random.h"

enum { BASE_S = 1 };

bool download_is_ready(const struct download *d, time_t now)
{
    // A try that lies further off than any delay was set by a clock that has been set back since.
    return now >= d->next_try || d->next_try - now > DOWNLOAD_DELAY_MAX_S;
}

void download_failed(struct download *d, time_t now, uint32_t delay_max_s)
{
    uint32_t most = 3 * d->delay_s > BASE_S ? 3 * d->delay_s : BASE_S + 1;
    d->delay_s = BASE_S + random_uniform(most - BASE_S);
    if (d->delay_s > delay_max_s)
        d->delay_s = delay_max_s;
    d->next_try = now + (time_t)d->delay_s;
    d->failures++;
}
