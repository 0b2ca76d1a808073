// SPDX-License-Identifier: BSD-3-Clause
// Threads that search for a key, and what is told of them meanwhile.
#include "prefix_search.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/ed25519_search.h"

enum { THREADS_MAX = 1024, BITS_PER_CHARACTER = 5, LINE_EVERY_S = 10 };

struct hunt {
    uint64_t mask, value;
    atomic_uint_fast64_t tries; // of all threads
    atomic_bool over;           // somebody found one, or could not even begin
    pthread_mutex_t lock;       // over what follows
    pthread_cond_t changed;
    bool found;
    struct ed25519_key key;
    unsigned searching;
};

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static int value_of(char c)
{
    const char *at = strchr(alphabet, tolower((unsigned char)c));
    return c == '\0' || !at ? -1 : (int)(at - alphabet);
}

const char *prefix_fault(const char *prefix)
{
    size_t length = strlen(prefix);
    if (length == 0)
        return "nothing";
    for (size_t i = 0; i < length; i++)
        if (value_of(prefix[i]) < 0)
            return "a character that no address has";
    return length > ADDRESS_PREFIX_MAX ? "more characters than can be found" : NULL;
}

static void set_prefix(struct hunt *h, const char *prefix)
{
    unsigned shift = 64;
    for (; *prefix; prefix++) {
        shift -= BITS_PER_CHARACTER;
        h->value |= (uint64_t)value_of(*prefix) << shift;
        h->mask |= UINT64_C(31) << shift;
    }
}

// ---- threads

static void *search(void *argument)
{
    struct hunt *h = argument;
    struct ed25519_key key;
    struct ed25519_search *s = ed25519_search_create();
    bool found = false;
    while (s && !found && !atomic_load_explicit(&h->over, memory_order_relaxed)) {
        found = ed25519_search_step(s, h->mask, h->value, &key);
        atomic_fetch_add_explicit(&h->tries, ED25519_SEARCH_TRIES, memory_order_relaxed);
    }
    ed25519_search_free(s);
    pthread_mutex_lock(&h->lock);
    if (found && !h->found) {
        h->key = key;
        h->found = true;
        atomic_store(&h->over, true);
    }
    h->searching--;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    explicit_bzero(&key, sizeof(key));
    return NULL;
}

static unsigned n_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

// ---- progress

static void say_duration(char *out, size_t size, double seconds)
{
    if (seconds < 120)
        snprintf(out, size, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(out, size, "%.0f min", seconds / 60);
    else if (seconds < 2 * 86400)
        snprintf(out, size, "%.1f h", seconds / 3600);
    else if (seconds < 1000.0 * 86400)
        snprintf(out, size, "%.0f days", seconds / 86400);
    else
        snprintf(out, size, "%.0f years", seconds / (365.25 * 86400));
}

// To a terminal a line that changes each second; elsewhere a line now and then.
static void say_progress(const struct hunt *h, unsigned elapsed_s, bool terminal)
{
    char taken[32], expected[32];
    double rate = (double)atomic_load(&h->tries) / elapsed_s;
    if (elapsed_s == 0 || rate == 0 || (!terminal && elapsed_s % LINE_EVERY_S != 0))
        return;
    say_duration(taken, sizeof(taken), elapsed_s);
    say_duration(expected, sizeof(expected),
                 (double)(UINT64_C(1) << __builtin_popcountll(h->mask)) / rate);
    fprintf(stderr, "%sramson: %.2f million tries/s for %s; one in %s is to be expected%s",
            terminal ? "\r\033[K" : "", rate / 1e6, taken, expected, terminal ? "" : "\n");
    fflush(stderr);
}

static void wait_for_all(struct hunt *h)
{
    const bool terminal = isatty(STDERR_FILENO);
    struct timespec next;
    clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&h->lock);
    for (unsigned elapsed_s = 0; h->searching > 0 && !h->found;) {
        next.tv_sec++;
        elapsed_s++;
        while (h->searching > 0 && !h->found &&
               pthread_cond_timedwait(&h->changed, &h->lock, &next) != ETIMEDOUT)
            ;
        if (h->searching > 0 && !h->found)
            say_progress(h, elapsed_s, terminal);
    }
    pthread_mutex_unlock(&h->lock);
    if (terminal)
        fputs("\r\033[K", stderr);
}

int prefix_search(const char *prefix, struct ed25519_key *out)
{
    struct hunt h = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    unsigned n = n_cpus(), started = 0;
    pthread_t *threads = calloc(n, sizeof(*threads));
    if (!threads)
        return -ENOMEM;
    set_prefix(&h, prefix);
    h.searching = n;
    while (started < n && pthread_create(&threads[started], NULL, search, &h) == 0)
        started++;
    pthread_mutex_lock(&h.lock);
    h.searching -= n - started;
    pthread_mutex_unlock(&h.lock);
    wait_for_all(&h);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    *out = h.key;
    int error = h.found ? 0 : started > 0 ? -ENOMEM : -EAGAIN;
    explicit_bzero(&h, sizeof(h));
    return error;
}
