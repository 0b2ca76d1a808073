// SPDX-License-Identifier: BSD-3-Clause
// One authority's upload (6.13): HTTP POST to its directory port over a raw connection.
#include "dir/upload.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "connection.h"
#include "crypto/random.h"
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

struct address upload_address(const struct config_authority *authority)
{
    struct address address = authority->address;
    address.port = authority->dir_port;
    if (authority->dir_port == 0)
        address.family = ADDRESS_NONE;
    return address;
}

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

// The connection may live on for a while, but we do not hear of it.
static void leave_connection(struct upload *u, enum conn_close_reason reason)
{
    struct connection *c = u->connection;
    u->connection = NULL;
    if (c != NULL) {
        c->user = NULL;
        connection_close(c, reason, 0);
    }
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

static void refused(struct upload *u)
{
    const char *reason = u->answer.reason;
    bool testing = u->relay->config->testing_network;
    u->relay->counters.drop_publish++;
    u->failures = 0;
    u->next_try =
        relay_now(u->relay) + with_jitter(testing ? TESTING_RETRY_REFUSED_S : RETRY_REFUSED_S);
    enum log_level level = strcmp(reason, u->refusal) == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    log_write(level, "authority %s refuses our descriptor: %s", u->authority->nickname, reason);
    memcpy(u->refusal, reason, sizeof(u->refusal));
}

static void accepted(struct upload *u)
{
    u->answered = u->uploading;
    u->failures = 0;
    u->refusal[0] = '\0';
    if (u->answer.descriptor_not_new) {
        log_notice("authority %s did not take our descriptor: it is not new to it",
                   u->authority->nickname);
    } else {
        u->relay->counters.descriptors_published++;
        log_notice("authority %s accepted our descriptor", u->authority->nickname);
    }
}

static void finish(struct upload *u)
{
    char why[HTTP_REASON_MAX + 64];
    leave_connection(u, CONN_CLOSE_DONE);
    if (u->answer.state == HTTP_BAD) {
        failed(u, "its answer is no HTTP");
    } else if (u->answer.status == 200) {
        accepted(u);
    } else if (u->answer.status == 400) {
        refused(u);
    } else {
        snprintf(why, sizeof(why), "HTTP status %u (%s)", u->answer.status, u->answer.reason);
        failed(u, why);
    }
    u->ended(u, u->answer.status == 200 && u->answer.descriptor_not_new);
}

static void on_connected(struct connection *c)
{
    struct upload *u = c->user;
    char head[256];
    if (u == NULL)
        return;
    struct address host = upload_address(u->authority);
    int n = http_post_head("/tor/", &host, u->document->length, head, sizeof(head));
    if (n < 0)
        return; // does not happen: the head is short
    connection_send(c, head, (size_t)n);
    connection_send(c, u->document->bytes, u->document->length);
}

static void on_data(struct connection *c, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct upload *u = c->user;
    connection_consumed(c, offset + length);
    if (u != NULL && http_answer_read(&u->answer, bytes, length) != HTTP_MORE)
        finish(u);
}

static const char *describe(enum conn_close_reason reason)
{
    switch (reason) {
    case CONN_CLOSE_DONE:
        return "it closed the connection without an answer";
    case CONN_CLOSE_REFUSED:
        return "connection refused";
    case CONN_CLOSE_RESET:
        return "connection reset";
    case CONN_CLOSE_TIMEOUT:
        return "timed out";
    case CONN_CLOSE_UNREACHABLE:
        return "no route to it";
    case CONN_CLOSE_LIMIT:
        return "too many connections";
    default:
        return "connection lost";
    }
}

static void on_closed(struct connection *c, enum conn_close_reason reason)
{
    struct upload *u = c->user;
    if (u == NULL)
        return;
    u->connection = NULL;
    failed(u, describe(reason));
    u->ended(u, false);
}

static const struct connection_ops upload_ops = {
    .connected = on_connected,
    .data = on_data,
    .closed = on_closed,
};

static void begin(struct upload *u, time_t now)
{
    struct address remote = upload_address(u->authority);
    http_answer_begin(&u->answer);
    u->begun = now;
    u->uploading = u->document->serial;
    u->connection = connection_dial(u->relay, &remote, &upload_ops, u);
    if (u->connection == NULL)
        failed(u, "no memory for a connection");
}

void upload_renew(struct upload *u, time_t when)
{
    leave_connection(u, CONN_CLOSE_DONE);
    u->failures = 0;
    u->next_try = when;
}

time_t upload_tick(struct upload *u, time_t now)
{
    if (u->document->serial == 0 || u->authority->dir_port == 0)
        return 0;
    if (u->connection != NULL && now - u->begun >= TIMEOUT_S) {
        leave_connection(u, CONN_CLOSE_TIMEOUT);
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
    leave_connection(u, CONN_CLOSE_DONE);
}
