// SPDX-License-Identifier: BSD-3-Clause
// The steps of bootstrapping, and who hears of them.
#include "bootstrap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay.h"

enum {
    LOADING_SPAN = BOOTSTRAP_ENOUGH - 1 - BOOTSTRAP_LOADING_MICRODESCRIPTORS,
    PATHS_ENOUGH_PERCENT = 60,
    TELL_STEP = 5,
};

struct bootstrap {
    unsigned percent, told;
    char text[96];
};

static const struct {
    enum bootstrap_step step;
    const char *text;
} steps[] = {
    {BOOTSTRAP_STARTING, "starting"},
    {BOOTSTRAP_CONNECTING, "connecting to a directory"},
    {BOOTSTRAP_CONNECTED, "connected to a directory"},
    {BOOTSTRAP_CIRCUIT_TO_DIRECTORY, "asking for the consensus"},
    {BOOTSTRAP_LOADING_CONSENSUS, "loading the consensus"},
    {BOOTSTRAP_LOADING_CERTIFICATES, "loading the authorities' certificates"},
    {BOOTSTRAP_ASKING_MICRODESCRIPTORS, "asking for microdescriptors"},
    {BOOTSTRAP_LOADING_MICRODESCRIPTORS, "loading microdescriptors"},
    {BOOTSTRAP_ENOUGH, "enough relays are known to build circuits"},
    {BOOTSTRAP_CONNECTING_TO_GUARD, "connecting to a guard"},
    {BOOTSTRAP_CONNECTED_TO_GUARD, "connected to a guard"},
    {BOOTSTRAP_BUILDING, "building a circuit"},
    {BOOTSTRAP_DONE, "done"},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static const char *text_of(enum bootstrap_step step)
{
    for (unsigned i = 0; i < STEPS; i++)
        if (steps[i].step == step)
            return steps[i].text;
    return "";
}

static void tell(struct bootstrap *b)
{
    b->told = b->percent;
    log_notice("bootstrap %u %%: %s", b->percent, b->text);
}

struct bootstrap *bootstrap_create(void)
{
    struct bootstrap *b = calloc(1, sizeof(*b));
    if (b)
        snprintf(b->text, sizeof(b->text), "%s", text_of(BOOTSTRAP_STARTING));
    return b;
}

void bootstrap_free(struct bootstrap *b)
{
    free(b);
}

void bootstrap_reached(struct relay *relay, enum bootstrap_step step)
{
    struct bootstrap *b = relay->bootstrap;
    if (!b || b->percent >= (unsigned)step)
        return;
    b->percent = (unsigned)step;
    snprintf(b->text, sizeof(b->text), "%s", text_of(step));
    tell(b);
}

void bootstrap_microdescriptors(struct relay *relay, size_t here, size_t total,
                                unsigned paths_percent)
{
    struct bootstrap *b = relay->bootstrap;
    if (!b || b->percent >= BOOTSTRAP_ENOUGH || here == 0)
        return;
    unsigned part = paths_percent < PATHS_ENOUGH_PERCENT ? paths_percent : PATHS_ENOUGH_PERCENT;
    unsigned percent =
        BOOTSTRAP_LOADING_MICRODESCRIPTORS + part * LOADING_SPAN / PATHS_ENOUGH_PERCENT;
    if (percent < b->percent)
        percent = b->percent;
    b->percent = percent;
    snprintf(b->text, sizeof(b->text), "loading microdescriptors (%zu of %zu)", here, total);
    if (percent >= b->told + TELL_STEP)
        tell(b);
}

void bootstrap_link_dialled(struct relay *relay)
{
    const struct bootstrap *b = relay->bootstrap;
    if (b && b->percent >= BOOTSTRAP_ENOUGH)
        bootstrap_reached(relay, BOOTSTRAP_CONNECTING_TO_GUARD);
}

void bootstrap_link_opened(struct relay *relay)
{
    const struct bootstrap *b = relay->bootstrap;
    if (b && b->percent >= BOOTSTRAP_CONNECTING_TO_GUARD)
        bootstrap_reached(relay, BOOTSTRAP_CONNECTED_TO_GUARD);
    else if (b && b->percent >= BOOTSTRAP_CONNECTING)
        bootstrap_reached(relay, BOOTSTRAP_CONNECTED);
}

void bootstrap_progress(const struct relay *relay, unsigned *percent, const char **text)
{
    const struct bootstrap *b = relay->bootstrap;
    *percent = b ? b->percent : BOOTSTRAP_DONE;
    *text = b ? b->text : text_of(BOOTSTRAP_DONE);
}
