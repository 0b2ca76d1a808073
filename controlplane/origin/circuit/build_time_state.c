// SPDX-License-Identifier: BSD-3-Clause
// Reads and writes the state file's lines on build times.
#include "origin/circuit/build_time_state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "crypto/random.h"
#include "origin/state/state_file.h"

// More than C tor keeps, so that all of a file of its own can be drawn from.
enum { LOADED_MAX = 65536 };

struct build_time_lines {
    struct state_file *file;
    struct build_times *times;
    // While the file is read.
    uint32_t *loaded_ms;
    unsigned n_loaded;
    unsigned long total, abandoned;
    bool broken;
};

static const char *const keywords[] = {"TotalBuildTimes", "CircuitBuildAbandonedCount",
                                       "CircuitBuildTimeBin", NULL};

// ---- reading

// A number of at most `most`, up to the end or a space.
static bool read_number(const char **text, unsigned long most, unsigned long *out)
{
    char *end;
    while (**text == ' ')
        ++*text;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtoul(*text, &end, 10);
    *text = end;
    return errno == 0 && *out <= most && (*end == '\0' || *end == ' ');
}

static bool load_bin(struct build_time_lines *lines, const char *value)
{
    unsigned long ms, count;
    if (!read_number(&value, INT32_MAX - 2, &ms) || !read_number(&value, LOADED_MAX, &count) ||
        ms == 0 || lines->n_loaded + count > LOADED_MAX)
        return false;
    while (count-- > 0)
        lines->loaded_ms[lines->n_loaded++] = (uint32_t)ms;
    return true;
}

static void load(void *user, const char *keyword, const char *value)
{
    struct build_time_lines *lines = user;
    bool good = true;
    if (strcmp(keyword, "TotalBuildTimes") == 0)
        good = read_number(&value, LOADED_MAX, &lines->total);
    else if (strcmp(keyword, "CircuitBuildAbandonedCount") == 0)
        good = read_number(&value, LOADED_MAX, &lines->abandoned);
    else
        good = load_bin(lines, value);
    lines->broken |= !good;
}

static bool fits_together(const struct build_time_lines *lines)
{
    return !lines->broken && lines->n_loaded + lines->abandoned <= LOADED_MAX &&
           lines->n_loaded + lines->abandoned == lines->total;
}

// A random thousand of them, in random order: the oldest are the first to be forgotten.
static void give(struct build_time_lines *lines)
{
    for (unsigned long i = 0; i < lines->abandoned; i++)
        lines->loaded_ms[lines->n_loaded++] = BUILD_TIME_ABANDONED_MS;
    unsigned n = lines->n_loaded;
    for (unsigned i = 0; i < n && i < BUILD_TIMES_MAX; i++) {
        unsigned other = i + random_uniform(n - i);
        uint32_t ms = lines->loaded_ms[other];
        lines->loaded_ms[other] = lines->loaded_ms[i];
        build_times_add(lines->times, ms);
    }
}

// ---- writing

static void save(void *user, struct state_writer *w)
{
    const struct build_time_lines *lines = user;
    struct build_time_bin bins[BUILD_TIMES_MAX];
    unsigned abandoned, n = build_times_histogram(lines->times, bins, &abandoned);
    unsigned total = build_times_count(lines->times);
    if (total == 0)
        return;
    state_write(w, "TotalBuildTimes", "%u", total);
    if (abandoned > 0)
        state_write(w, "CircuitBuildAbandonedCount", "%u", abandoned);
    for (unsigned i = 0; i < n; i++)
        state_write(w, "CircuitBuildTimeBin", "%u %u", bins[i].middle_ms, bins[i].count);
}

static const struct state_section section = {keywords, load, save};

struct build_time_lines *build_time_lines_load(struct state_file *file, struct build_times *b)
{
    struct build_time_lines *lines = calloc(1, sizeof(*lines));
    if (lines)
        lines->loaded_ms = malloc(LOADED_MAX * sizeof(lines->loaded_ms[0]));
    if (!lines || !lines->loaded_ms) {
        free(lines);
        return NULL;
    }
    lines->file = file;
    lines->times = b;
    state_file_register(file, &section, lines);
    if (fits_together(lines))
        give(lines);
    else
        log_warn("the state file's circuit build times don't fit together: they are learned anew");
    free(lines->loaded_ms);
    lines->loaded_ms = NULL;
    return lines;
}

void build_time_lines_free(struct build_time_lines *lines)
{
    if (!lines)
        return;
    state_file_unregister(lines->file, lines);
    free(lines);
}
