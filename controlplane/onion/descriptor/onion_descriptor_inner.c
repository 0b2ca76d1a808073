// SPDX-License-Identifier: BSD-3-Clause
// The inner text of a descriptor: how to talk to the service, and where it is introduced.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cell.h"
#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "netdoc/protocol_list.h"
#include "onion/descriptor/onion_descriptor_text.h"

enum {
    AROUND = 512,
    POINT_MAX = 1536,        // bytes
    FLOW_CONTROL = 2,        // the version that is congestion control
    VERSIONS_TEXT_MAX = 128, // of the flow-control line
};

static const char point_begins[] = "\nintroduction-point ";

// ---- writing

size_t descriptor_inner_size(unsigned n_intro_points)
{
    return AROUND + (size_t)n_intro_points * POINT_MAX;
}

static void write_pow(struct writer *w, const struct onion_pow_params *pow)
{
    char seed[BASE64_TEXT_SIZE(sizeof(pow->seed))], expires[32];
    time_t expires_s = (time_t)pow->expires_s;
    struct tm utc;
    if (base64_encode(pow->seed, sizeof(pow->seed), true, seed, sizeof(seed)) < 0 ||
        gmtime_r(&expires_s, &utc) == NULL ||
        strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        w->failed = true;
        return;
    }
    document_add(w, "pow-params v1 %s %u %s\n", seed, pow->effort, expires);
}

void descriptor_inner_write(struct writer *w, const struct onion_descriptor *d,
                            const struct ed25519_key *signing, uint64_t now_s)
{
    // Full hours, so that certificates do not tell when a point was established.
    uint32_t expires_hours = ed_cert_hours(now_s - now_s % 3600 + DESCRIPTOR_CERT_LIFETIME_S);
    document_add(w, "create2-formats %d\n", HANDSHAKE_NTOR);
    if (d->single_onion)
        document_add(w, "single-onion-service\n");
    if (d->congestion_control)
        document_add(w, "flow-control 1-2 %u\n", d->sendme_inc_cells);
    if (d->pow.present)
        write_pow(w, &d->pow);
    for (unsigned i = 0; i < d->n_intro_points; i++)
        descriptor_intro_point_write(w, &d->intro_points[i], signing, expires_hours);
}

// ---- reading

enum item {
    ITEM_FORMATS = 1,
    ITEM_AUTH = 2,
    ITEM_SINGLE = 4,
    ITEM_FLOW_CONTROL = 8,
    ITEM_POW = 16, // of a scheme that is ours
};

static int read_formats(const struct token *t)
{
    struct text rest = t->arguments, format;
    bool ntor = false;
    while (token_argument(&rest, &format)) {
        uint64_t number;
        ntor |= text_number(format, UINT16_MAX, &number) == 0 && number == HANDSHAKE_NTOR;
    }
    return ntor ? 0 : -EINVAL;
}

// The only kind of authorisation at introduction that anybody has defined.
static int read_auth(const struct token *t)
{
    struct text rest = t->arguments, kind;
    while (token_argument(&rest, &kind))
        if (text_begins(kind, "ed25519"))
            return 0;
    return -EINVAL;
}

static int read_flow_control(const struct token *t, struct onion_descriptor *out)
{
    struct text argument[2];
    char list[VERSIONS_TEXT_MAX];
    uint64_t increment;
    if (token_arguments(t, argument, 2) != 2 ||
        text_number(argument[1], UINT8_MAX, &increment) < 0 || increment == 0)
        return -EINVAL;
    int n = snprintf(list, sizeof(list), "FlowCtrl=%.*s", (int)argument[0].length, argument[0].at);
    if (n < 0 || (size_t)n >= sizeof(list))
        return -EINVAL;
    out->congestion_control = protocol_list_has(list, "FlowCtrl", FLOW_CONTROL);
    out->sendme_inc_cells = (uint8_t)increment;
    return 0;
}

// "2026-01-31T12:00:00"
static int read_time(struct text t, uint64_t *out)
{
    time_t time;
    struct text date = text_take_until(&t, "T");
    if (text_time(date, t, &time) < 0)
        return -EINVAL;
    *out = (uint64_t)time;
    return 0;
}

static int read_pow(const struct token *t, unsigned *seen, struct onion_pow_params *out)
{
    struct text argument[4];
    uint64_t effort;
    unsigned n = token_arguments(t, argument, 4);
    if (n < 1)
        return -EINVAL;
    if (!text_is(argument[0], "v1"))
        return 0;
    if (n < 4 || *seen & ITEM_POW || text_base64(argument[1], out->seed, sizeof(out->seed)) < 0 ||
        text_number(argument[2], UINT32_MAX, &effort) < 0 ||
        read_time(argument[3], &out->expires_s) < 0)
        return -EINVAL;
    *seen |= ITEM_POW;
    out->effort = (uint32_t)effort;
    out->present = true;
    return 0;
}

static enum item item_of(const struct token *t)
{
    static const struct {
        const char *keyword;
        enum item item;
    } items[] = {{"create2-formats", ITEM_FORMATS},
                 {"intro-auth-required", ITEM_AUTH},
                 {"single-onion-service", ITEM_SINGLE},
                 {"flow-control", ITEM_FLOW_CONTROL},
                 {"pow-params", ITEM_POW}};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        if (text_is(t->keyword, items[i].keyword))
            return items[i].item;
    return 0;
}

static int read_item(const struct token *t, unsigned *seen, struct onion_descriptor *out)
{
    enum item item = item_of(t);
    if ((*seen == 0 && item != ITEM_FORMATS) || (item != 0 && t->label.length > 0) ||
        (item != ITEM_POW && *seen & item))
        return -EINVAL;
    if (item != ITEM_POW)
        *seen |= item;
    switch (item) {
    case ITEM_FORMATS:
        return read_formats(t);
    case ITEM_AUTH:
        return read_auth(t);
    case ITEM_SINGLE:
        out->single_onion = true;
        return 0;
    case ITEM_FLOW_CONTROL:
        return read_flow_control(t, out);
    case ITEM_POW:
        return read_pow(t, seen, &out->pow);
    default:
        return 0;
    }
}

static int read_head(struct text head, struct onion_descriptor *out)
{
    struct reader r = reader_of(head.at, head.length);
    struct token t;
    unsigned seen = 0;
    int more;
    while ((more = token_next(&r, &t)) > 0)
        if (read_item(&t, &seen, out) < 0)
            return -EINVAL;
    return more == 0 && seen & ITEM_FORMATS ? 0 : -EINVAL;
}

// Takes off what is before the next point, with its last newline.
static struct text take_section(struct text *rest)
{
    const char *next = memmem(rest->at, rest->length, point_begins, sizeof(point_begins) - 1);
    size_t length = next ? (size_t)(next - rest->at) + 1 : rest->length;
    struct text section = {rest->at, length};
    *rest = (struct text){rest->at + length, rest->length - length};
    return section;
}

int descriptor_inner_read(struct text text, const uint8_t signing[32], uint64_t now_s,
                          struct onion_descriptor *out)
{
    if (read_head(take_section(&text), out) < 0)
        return -EINVAL;
    while (text.length > 0) {
        struct onion_intro_point point;
        if (descriptor_intro_point_read(take_section(&text), signing, now_s, &point) < 0)
            continue; // of no use, or newer than we are
        if (out->n_intro_points == INTRO_POINTS_MAX)
            return -EINVAL;
        out->intro_points[out->n_intro_points++] = point;
    }
    return 0;
}
