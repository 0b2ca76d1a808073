// SPDX-License-Identifier: BSD-3-Clause
// What is compressed once and sent often.
#include "dir/serve/packed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "netdoc/diff.h"

enum {
    TURN_BYTES = 128 << 10,     // of input in a turn
    TURN_LZMA_BYTES = 48 << 10, // it takes several times as long
    ROOM_BYTES = 64 << 10,      // by which the output grows, and more
};

struct packed_text {
    struct packed_text *next;
    struct blob *base; // NULL: all of `text`
    struct blob *text;
    enum compression compression;
    enum packed_state state; // LATER: made now, or waits for its turn
    struct blob *packed;     // READY
};

// The thing under way. Between `uv_queue_work` and its end it belongs to the helper thread.
struct job {
    uv_work_t work;
    struct packed_texts *all; // NULL: nobody waits for it
    struct packed_text *of;   // NULL: forgotten meanwhile
    struct blob *base, *text; // a difference is to be made; or `text` to be compressed
    enum compression compression;
    struct compressor *compressor;
    size_t taken;
    uint8_t *out;
    size_t length, capacity;
    struct blob *result;
    bool over;
};

struct packed_texts {
    struct uv_loop_s *loop;
    void (*ready)(void *user);
    void *user;
    struct packed_text *texts;
    unsigned n_texts;
    struct job *job; // NULL: none is under way
};

// ---- on a helper thread

static bool have_room(struct job *j)
{
    if (j->length < j->capacity)
        return true;
    size_t wanted = j->capacity + j->capacity / 2 + ROOM_BYTES;
    uint8_t *larger = realloc(j->out, wanted);
    if (larger == NULL)
        return false;
    j->out = larger;
    j->capacity = wanted;
    return true;
}

// A turn of compressing. False: it is over, well or not.
static bool compress_some(struct job *j)
{
    size_t left = j->text->length - j->taken;
    size_t turn = j->compression == COMPRESSION_LZMA ? TURN_LZMA_BYTES : TURN_BYTES;
    bool last = left <= turn;
    struct compress_step step = {.in = j->text->bytes + j->taken, .in_left = last ? left : turn};
    int state = COMPRESS_MORE;
    if (j->compressor == NULL)
        j->compressor = compressor_create(j->compression, COMPRESSOR_SMALL);
    if (j->compressor == NULL)
        return false;
    do {
        if (!have_room(j))
            return false;
        step.out = j->out + j->length;
        step.out_left = j->capacity - j->length;
        state = compressor_run(j->compressor, &step, last);
        j->length = (size_t)(step.out - j->out);
    } while (state == COMPRESS_MORE && (last || step.in_left > 0));
    j->taken = (size_t)(step.in - j->text->bytes);
    if (state == COMPRESS_END)
        j->result = blob_create(j->out, j->length);
    return state == COMPRESS_MORE;
}

static void work(uv_work_t *w)
{
    struct job *j = w->data;
    if (j->base != NULL) {
        j->result =
            consensus_diff_make(j->base->bytes, j->base->length, j->text->bytes, j->text->length);
        j->over = true;
    } else {
        j->over = !compress_some(j);
    }
}

// ---- on the control thread

static void job_free(struct job *j)
{
    blob_drop(j->base);
    blob_drop(j->text);
    blob_drop(j->result);
    compressor_free(j->compressor);
    free(j->out);
    free(j);
}

static void begin_next(struct packed_texts *p);

static void worked(uv_work_t *w, int status)
{
    struct job *j = w->data;
    struct packed_texts *p = j->all;
    bool wanted = p != NULL && j->of != NULL;
    if (wanted && !j->over && status == 0 && uv_queue_work(p->loop, &j->work, work, worked) == 0)
        return;
    if (wanted) {
        j->of->state = j->result ? PACKED_READY : PACKED_NONE;
        j->of->packed = j->result;
        j->result = NULL;
    }
    job_free(j);
    if (p == NULL)
        return;
    p->job = NULL;
    begin_next(p);
    p->ready(p->user);
}

static struct packed_text *find(const struct packed_texts *p, const struct blob *base,
                                const struct blob *text, enum compression compression)
{
    for (struct packed_text *t = p->texts; t != NULL; t = t->next)
        if (t->base == base && t->text == text && t->compression == compression)
            return t;
    return NULL;
}

static bool begin(struct packed_texts *p, struct packed_text *t)
{
    const struct packed_text *plain = find(p, t->base, t->text, COMPRESSION_IDENTITY);
    bool of_diff = t->base != NULL && t->compression != COMPRESSION_IDENTITY;
    if (of_diff && (plain == NULL || plain->state == PACKED_NONE)) {
        t->state = PACKED_NONE;
        return false;
    }
    if (of_diff && plain->state == PACKED_LATER)
        return false; // its turn comes
    struct job *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return false;
    j->all = p;
    j->of = t;
    j->work.data = j;
    j->compression = t->compression;
    j->text = blob_hold(of_diff ? plain->packed : t->text);
    j->base = t->base != NULL && !of_diff ? blob_hold(t->base) : NULL;
    if (uv_queue_work(p->loop, &j->work, work, worked) != 0) {
        job_free(j);
        return false;
    }
    p->job = j;
    return true;
}

static void begin_next(struct packed_texts *p)
{
    for (struct packed_text *t = p->texts; t != NULL && p->job == NULL; t = t->next)
        if (t->state == PACKED_LATER)
            begin(p, t);
}

// At the end of the list: first come, first served.
static struct packed_text *add(struct packed_texts *p, struct blob *base, struct blob *text,
                               enum compression compression)
{
    struct packed_text **end = &p->texts;
    struct packed_text *t = p->n_texts < PACKED_TEXTS_MAX ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL)
        return NULL;
    while (*end != NULL)
        end = &(*end)->next;
    *end = t;
    p->n_texts++;
    t->base = base ? blob_hold(base) : NULL;
    t->text = blob_hold(text);
    t->compression = compression;
    t->state = PACKED_LATER;
    return t;
}

enum packed_state packed_get(struct packed_texts *p, struct blob *base, struct blob *text,
                             enum compression compression, struct blob **out)
{
    if (base == NULL && compression == COMPRESSION_IDENTITY) {
        *out = blob_hold(text);
        return PACKED_READY;
    }
    if (base != NULL && compression != COMPRESSION_IDENTITY &&
        find(p, base, text, COMPRESSION_IDENTITY) == NULL &&
        add(p, base, text, COMPRESSION_IDENTITY) == NULL)
        return PACKED_NONE;
    struct packed_text *t = find(p, base, text, compression);
    if (t == NULL)
        t = add(p, base, text, compression);
    if (t == NULL)
        return PACKED_NONE;
    if (t->state == PACKED_LATER && p->job == NULL)
        begin_next(p);
    if (t->state == PACKED_LATER && p->job == NULL)
        return PACKED_NONE; // no memory to begin it
    if (t->state == PACKED_READY)
        *out = blob_hold(t->packed);
    return t->state;
}

static void text_free(struct packed_texts *p, struct packed_text *t)
{
    if (p->job != NULL && p->job->of == t)
        p->job->of = NULL;
    blob_drop(t->base);
    blob_drop(t->text);
    blob_drop(t->packed);
    free(t);
    p->n_texts--;
}

void packed_keep(struct packed_texts *p, struct blob *const *texts, size_t n)
{
    struct packed_text **at = &p->texts;
    while (*at != NULL) {
        struct packed_text *t = *at;
        bool keep = false;
        for (size_t i = 0; i < n; i++)
            keep = keep || t->text == texts[i];
        if (keep) {
            at = &t->next;
        } else {
            *at = t->next;
            text_free(p, t);
        }
    }
}

struct packed_texts *packed_texts_create(struct uv_loop_s *loop, void (*ready)(void *user),
                                         void *user)
{
    struct packed_texts *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    *p = (struct packed_texts){.loop = loop, .ready = ready, .user = user};
    return p;
}

void packed_texts_free(struct packed_texts *p)
{
    if (p == NULL)
        return;
    packed_keep(p, NULL, 0);
    if (p->job != NULL) {
        p->job->all = NULL;
        uv_cancel((uv_req_t *)&p->job->work);
    }
    free(p);
}
