// SPDX-License-Identifier: BSD-3-Clause
// Applications' streams without circuits.
#include "fake_app_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stream/stream.h"

struct app_stream *fake_streams[FAKE_STREAMS_MAX];
unsigned fake_streams_count;
bool fake_streams_refuse;

struct app_stream *app_stream_open(struct origin *origin, const struct app_request *request,
                                   const struct app_stream_ops *ops, void *user)
{
    assert_non_null(origin);
    if (fake_streams_refuse)
        return NULL;
    assert_true(fake_streams_count < FAKE_STREAMS_MAX);
    struct app_stream *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->ops = ops;
    s->user = user;
    s->request = *request;
    fake_streams[fake_streams_count++] = s;
    return s;
}

void *app_stream_user(const struct app_stream *s)
{
    return s->user;
}

unsigned app_stream_onion_failure(const struct app_stream *s)
{
    return s->onion_failure;
}

void app_stream_wake(struct app_stream *s)
{
    assert_false(s->closed);
    s->wakes++;
}

void app_stream_set_held(struct app_stream *s, size_t bytes)
{
    assert_false(s->closed);
    s->held_bytes = bytes;
    s->held_calls++;
}

void app_stream_close(struct app_stream *s)
{
    assert_false(s->closed || s->close_asked);
    s->close_asked = true;
}

struct app_stream *fake_stream_last(void)
{
    assert_true(fake_streams_count > 0);
    return fake_streams[fake_streams_count - 1];
}

void fake_streams_settle(void)
{
    for (unsigned i = 0; i < fake_streams_count; i++)
        if (fake_streams[i]->close_asked && !fake_streams[i]->closed)
            fake_stream_close(fake_streams[i], END_DONE, APP_FAILED_END);
}

void fake_stream_close(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    assert_false(s->closed);
    s->ops->closed(s, reason, failure);
    s->closed = true;
}

size_t fake_stream_pull(struct app_stream *s, uint8_t *out, size_t capacity, bool *ended)
{
    size_t length = 0;
    *ended = false;
    while (length < capacity) {
        size_t room = capacity - length;
        int n = s->ops->produce(s, out + length, room < 498 ? room : 498);
        *ended = n == STREAM_END;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    return length;
}

void fake_streams_forget(void)
{
    for (unsigned i = 0; i < fake_streams_count; i++)
        free(fake_streams[i]);
    fake_streams_count = 0;
    fake_streams_refuse = false;
}
