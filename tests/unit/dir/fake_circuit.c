// SPDX-License-Identifier: BSD-3-Clause
// Circuits of ours and their streams, as the test wants them.
#include "fake_circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct own_circuit_request {
    own_circuit_ready_fn ready;
    void *user;
};

struct fake_circuits fake_circuits;

void fake_circuits_clear(void)
{
    memset(&fake_circuits, 0, sizeof(fake_circuits));
}

struct own_circuit_request *own_circuit_get(struct relay *relay,
                                            const struct own_circuit_path *path,
                                            own_circuit_ready_fn ready, void *user)
{
    (void)relay;
    struct fake_circuits *f = &fake_circuits;
    assert_int_equal(path->n_hops, 1);
    if (f->refuse)
        return NULL;
    assert_null(f->request);
    f->asked++;
    f->path = *path;
    f->request = calloc(1, sizeof(*f->request));
    *f->request = (struct own_circuit_request){ready, user};
    return f->request;
}

void own_circuit_cancel(struct own_circuit_request *request)
{
    assert_ptr_equal(request, fake_circuits.request);
    free(request);
    fake_circuits.request = NULL;
}

void fake_circuit_answer(enum destroy_reason reason)
{
    struct own_circuit_request *request = fake_circuits.request;
    assert_non_null(request);
    struct own_circuit_request answered = *request;
    fake_circuits.request = NULL;
    free(request);
    answered.ready(answered.user, reason ? NULL : (struct circuit *)&fake_circuits, reason);
}

struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user)
{
    struct fake_circuits *f = &fake_circuits;
    (void)body;
    assert_ptr_equal(c, f);
    assert_int_equal(command, RELAY_BEGIN_DIR);
    assert_int_equal(length, 0);
    if (f->no_stream)
        return NULL;
    assert_false(f->stream.used);
    f->stream = (struct stream){.ops = ops, .user = user, .used = true};
    return &f->stream;
}

void stream_set_user(struct stream *s, const struct stream_ops *ops, void *user)
{
    s->ops = ops;
    s->user = user;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

void stream_close(struct stream *s, enum end_reason reason)
{
    (void)reason;
    assert_true(s->used);
    s->close_asked = true;
}

size_t fake_stream_pull(char *out, size_t capacity)
{
    struct stream *s = &fake_circuits.stream;
    size_t length = 0;
    int n;
    while ((n = s->ops->produce(s, (uint8_t *)out + length,
                                capacity - length < 498 ? capacity - length : 498)) > 0)
        length += (size_t)n;
    assert_int_equal(n, 0);
    return length;
}

void fake_stream_push(const char *text, size_t length, size_t piece)
{
    struct stream *s = &fake_circuits.stream;
    for (size_t at = 0; at < length && !s->close_asked; at += piece) {
        size_t n = piece < length - at ? piece : length - at;
        s->ops->data(s, (const uint8_t *)text + at, n);
    }
}

void fake_stream_end(enum end_reason reason)
{
    struct stream *s = &fake_circuits.stream;
    assert_true(s->used);
    if (s->ops)
        s->ops->closed(s, reason);
    s->used = false;
}
