// SPDX-License-Identifier: BSD-3-Clause
// How a client begins: fallback directories and authorities, several at once while none answers
// (9.01); and whom it asks after that.
#include <string.h>

#include "dir/client/client_internal.h"
#include "origin/origin.h"

enum {
    AUTHORITIES_AFTER_S = 6, // fallback directories are there to spare them
    ATTEMPT_DELAY_MAX_S = 60,
};

bool client_is_beginning(const struct directory_client *c)
{
    const struct stored_consensus *held = store_consensus(c->relay->store, CONSENSUS_MICRODESC, 0);
    return held == NULL || !consensus_is_reasonably_live(held->parsed, relay_now(c->relay));
}

// ---- the first consensus

static bool choose_untried(const struct directory_client *c, struct consensus_download *d,
                           bool authority, struct source *out)
{
    return authority ? source_choose_authority(c->relay, &c->failures, client_was_tried, d, out)
                     : source_choose_fallback(c->relay, &c->failures, client_was_tried, d, out);
}

// Each once before any of them twice. After a while every second one is an authority.
static bool choose(const struct directory_client *c, struct consensus_download *d, time_t now,
                   struct source *out)
{
    time_t patience = client_is_testing(c) ? 0 : (time_t)AUTHORITIES_AFTER_S;
    bool authority = d->n_tried % 2 == 1 && now - d->attempts_began >= patience;
    if (d->n_tried == CONFIG_AUTHORITIES_MAX)
        d->n_tried = 0;
    for (unsigned round = 0; round < 2; round++) {
        if (choose_untried(c, d, authority, out) || choose_untried(c, d, !authority, out)) {
            memcpy(d->tried[d->n_tried++], out->target.relay.rsa_id, 20);
            return true;
        }
        d->n_tried = 0;
    }
    return false;
}

// The first failures are answered at once by asking another one, and so is every second one after
// that; else they are spread.
static bool may_attempt(const struct consensus_download *d, time_t now)
{
    if (d->waiting != NULL || d->answering != NULL || d->n_fetching >= ATTEMPTS_MAX)
        return false;
    bool at_once = d->download.failures < CLIENT_AT_ONCE_FAILURES || d->download.failures % 2 == 0;
    if (!at_once && !download_is_ready(&d->download, now))
        return false;
    return (at_once && d->n_fetching == 0) || download_is_ready(&d->attempt, now);
}

void client_attempt_consensus(struct directory_client *c, time_t now)
{
    struct consensus_download *d = &c->consensuses[CONSENSUS_MICRODESC];
    struct source source;
    if (!may_attempt(d, now))
        return;
    if (d->n_fetching == 0 && d->download.failures == 0)
        d->attempts_began = now;
    if (!choose(c, d, now, &source))
        return;
    download_failed(&d->attempt, now, ATTEMPT_DELAY_MAX_S);
    if (client_ask_for_consensus(c, CONSENSUS_MICRODESC, &source, true))
        client_ask_for_certificates(c, &source);
    else
        download_failed(&d->download, now, client_delay_max_s(c));
}

// ---- after that

bool client_choose_source(const struct directory_client *c, unsigned failures, struct source *out)
{
    const struct relay *relay = c->relay;
    bool with_guards = relay->origin != NULL && !client_is_beginning(c);
    // Without any, as in a consensus that knows none yet: like C tor, who bootstrapped us must help
    // on.
    if (with_guards && failures % 4 != 3 && source_choose_guard(relay, &c->failures, out))
        return true;
    if (failures % 8 != 7 && source_choose_fallback(relay, &c->failures, NULL, NULL, out))
        return true;
    return source_choose_authority(relay, &c->failures, NULL, NULL, out);
}
