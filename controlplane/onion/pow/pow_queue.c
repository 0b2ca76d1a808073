// SPDX-License-Identifier: BSD-3-Clause
// A heap.
#include "onion/pow/pow_queue.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

// Below zero: a goes before b.
static int compare(const void *left, const void *right)
{
    const struct pow_queued *a = left, *b = right;
    if (a->effort != b->effort)
        return a->effort > b->effort ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void swap(struct pow_queue *q, unsigned i, unsigned j)
{
    struct pow_queued saved = q->heap[i];
    q->heap[i] = q->heap[j];
    q->heap[j] = saved;
}

static void sift_up(struct pow_queue *q, unsigned i)
{
    for (; i > 0 && compare(&q->heap[i], &q->heap[(i - 1) / 2]) < 0; i = (i - 1) / 2)
        swap(q, i, (i - 1) / 2);
}

static void sift_down(struct pow_queue *q, unsigned i)
{
    for (;;) {
        unsigned best = i;
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < q->n; child++)
            if (compare(&q->heap[child], &q->heap[best]) < 0)
                best = child;
        if (best == i)
            return;
        swap(q, i, best);
        i = best;
    }
}

static bool grow(struct pow_queue *q)
{
    unsigned capacity = q->capacity ? 2 * q->capacity : CAPACITY_MIN;
    struct pow_queued *heap = realloc(q->heap, capacity * sizeof(*heap));
    if (!heap)
        return false;
    q->heap = heap;
    q->capacity = capacity;
    return true;
}

bool pow_queue_add(struct pow_queue *q, void *item, uint32_t effort, uint32_t now_s)
{
    if (q->n == q->capacity && !grow(q))
        return false;
    q->heap[q->n] = (struct pow_queued){
        .item = item, .number = q->next_number++, .effort = effort, .since_s = now_s};
    sift_up(q, q->n++);
    return true;
}

bool pow_queue_take(struct pow_queue *q, struct pow_queued *out)
{
    if (q->n == 0)
        return false;
    *out = q->heap[0];
    q->heap[0] = q->heap[--q->n];
    sift_down(q, 0);
    return true;
}

struct pow_queued *pow_queue_sorted(struct pow_queue *q)
{
    if (q->n > 0)
        qsort(q->heap, q->n, sizeof(*q->heap), compare);
    return q->heap;
}

void pow_queue_release(struct pow_queue *q)
{
    free(q->heap);
    *q = (struct pow_queue){0};
}
