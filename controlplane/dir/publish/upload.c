// SPDX-License-Identifier: BSD-3-Clause
// One authority's upload (6.13): HTTP POST to its directory port, or over a circuit to its OR port.
#include "dir/publish/upload.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "dir/client/dir_connection.h"
#include "relay.h"

enum {
    TIMEOUT_S = 60,
    RETRY_FIRST_S = 60,
    RETRY_MAX_S = 3600,
    RETRY_REFUSED_S = 3600, // the same document: it may be the authority's view that changes
    // A private network starts all at once, its authorities perhaps last.
    TESTING_RETRY_FIRST_S = 2,
    TESTING_RETRY_MAX_S = 10,
    TESTING_RETRY_REFUSED_S = 30,
    WARN_AFTER_FAILURES = 4,
};

// Between three and five quarters, so that relays that failed together do not come back together.
static time_t with_jitter(time_t seconds)
{
    return seconds * 3 / 4 + (time_t)random_uniform((uint32_t)seconds / 2 + 1);
}

static time_t retry_delay(const struct upload *u)
{
    bool testing = u->relay->config->testing_network;
    time_t delay = testing ? TESTING_RETRY_FIRST_S : RETRY_FIRST_S;
    time_t max = testing ? TESTING_RETRY_MAX_S : RETRY_MAX_S;
    for (unsigned i = 1; i < u->failures && delay < max; i++)
        delay *= 2;
    return with_jitter(delay < max ? delay : max);
}

static void failed(struct upload *u, const char *why)
{
    u->relay->counters.drop_publish++;
    u->failures++;
    u->next_try = relay_now(u->relay) + retry_delay(u);
    // One that does not answer at once is no news; one that does not answer for long is, once.
    enum log_level level = u->failures == WARN_AFTER_FAILURES ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
    log_write(level, "descriptor not uploaded to authority %s: %s; trying again",
              u->authority->nickname, why);
}

static void refused(struct upload *u, const char *reason)
{
    bool testing = u->relay->config->testing_network;
    u->relay->counters.drop_publish++;
    u->failures = 0;
    u->next_try =
        relay_now(u->relay) + with_jitter(testing ? TESTING_RETRY_REFUSED_S : RETRY_REFUSED_S);
    enum log_level level = strcmp(reason, u->refusal) == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    log_write(level, "authority %s refuses our descriptor: %s", u->authority->nickname, reason);
    snprintf(u->refusal, sizeof(u->refusal), "%s", reason);
}

static void accepted(struct upload *u, bool not_new)
{
    u->answered = u->uploading;
    u->failures = 0;
    u->refusal[0] = '\0';
    if (not_new) {
        log_notice("authority %s did not take our descriptor: it is not new to it",
                   u->authority->nickname);
    } else {
        u->relay->counters.descriptors_published++;
        log_notice("authority %s accepted our descriptor", u->authority->nickname);
    }
}

static void done(void *user, const struct dir_answer *answer)
{
    struct upload *u = user;
    bool taken = answer->result == DIR_ANSWERED && answer->status == 200;
    char why[HTTP_REASON_MAX + 64];
    u->connection = NULL;
    if (answer->result != DIR_ANSWERED) {
        failed(u, answer->why);
    } else if (taken) {
        accepted(u, answer->descriptor_not_new);
    } else if (answer->status == 400) {
        refused(u, answer->reason);
    } else {
        snprintf(why, sizeof(why), "HTTP status %u (%s)", answer->status, answer->reason);
        failed(u, why);
    }
    u->ended(u, taken && answer->descriptor_not_new);
}

// The directory port if the configuration names one, else the OR port.
static struct dir_target target_of(const struct config_authority *authority)
{
    struct dir_target target = {0};
    struct address address = authority->address;
    if (authority->dir_port != 0) {
        address.port = authority->dir_port;
        target.dir_port = address;
        return target;
    }
    address.port = authority->or_port;
    memcpy(target.relay.rsa_id, authority->identity, sizeof(target.relay.rsa_id));
    target.relay.addresses[0] = address;
    target.relay.n_addresses = 1;
    return target;
}

static void begin(struct upload *u, time_t now)
{
    const struct dir_request request = {
        .target = target_of(u->authority),
        .path = "/tor/",
        .body = u->document->bytes,
        .body_length = u->document->length,
        .timeout_s = TIMEOUT_S,
        .done = done,
        .user = u,
    };
    u->begun = now;
    u->uploading = u->document->serial;
    u->connection = dir_connection_start(u->relay, &request);
    if (u->connection == NULL)
        failed(u, "no memory for a connection");
}

void upload_renew(struct upload *u, time_t when)
{
    upload_cancel(u);
    u->failures = 0;
    u->next_try = when;
}

time_t upload_tick(struct upload *u, time_t now)
{
    if (u->document->serial == 0)
        return 0;
    if (u->connection != NULL && now - u->begun >= TIMEOUT_S) {
        upload_cancel(u);
        failed(u, "timed out");
    }
    if (u->connection != NULL)
        return u->begun + TIMEOUT_S;
    if (u->answered == u->document->serial)
        return 0;
    if (now < u->next_try)
        return u->next_try;
    begin(u, now);
    return u->connection != NULL ? u->begun + TIMEOUT_S : u->next_try;
}

void upload_cancel(struct upload *u)
{
    dir_connection_cancel(u->connection);
    u->connection = NULL;
}
