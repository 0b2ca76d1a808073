// SPDX-License-Identifier: BSD-3-Clause
// The state file: read at the start, written by helper threads from a text made on the control
// thread.
#include "origin/state/state_file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"
#include "origin/state/state_lines.h"
#include "relay.h"
#include "whole_file.h"

enum { RETRY_S = 3600, ASIDE_MAX = 100 };

struct state_writer {
    char *text;
    size_t length, capacity;
    bool failed; // no memory
};

struct registered {
    const struct state_section *section;
    void *user;
};

struct state_job {
    uv_work_t work;
    uv_sem_t done;
    struct state_file *file; // NULL once it is gone; control thread only
    char *path, *text;
    size_t length;
    int error; // of the helper
};

struct state_file {
    struct relay *relay;
    char *path;               // NULL: it is in memory only
    struct state_lines lines; // those of no section
    struct registered sections[STATE_SECTIONS_MAX];
    unsigned n_sections;
    struct state_job *running;
    bool changed;
    uint32_t due_s; // relay->uptime_s, when `changed`
    bool failed;
};

// ---- making the text

static bool make_room(struct state_writer *w, size_t more)
{
    size_t needed = w->length + more;
    if (w->failed || needed <= w->capacity)
        return !w->failed;
    size_t capacity = 2 * needed + 4096;
    char *grown = realloc(w->text, capacity);
    if (grown == NULL) {
        w->failed = true;
        return false;
    }
    w->text = grown;
    w->capacity = capacity;
    return true;
}

static void append(struct state_writer *w, const char *text, size_t length)
{
    if (!make_room(w, length + 1))
        return;
    memcpy(w->text + w->length, text, length);
    w->length += length;
    w->text[w->length] = '\0';
}

void state_write(struct state_writer *w, const char *keyword, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    append(w, keyword, strlen(keyword));
    append(w, " ", 1);
    if (n >= 0 && make_room(w, (size_t)n + 2)) {
        char *value = w->text + w->length;
        vsnprintf(value, (size_t)n + 1, format, again);
        value[strcspn(value, "\r\n")] = '\0';
        w->length += strlen(value);
        append(w, "\n", 1);
    }
    va_end(again);
    va_end(args);
}

static void write_unknown(const struct state_file *file, struct state_writer *w)
{
    size_t length = 0;
    for (size_t i = 0; i < file->lines.n; i++)
        length += strlen(file->lines.lines[i].text) + 1;
    if (w->length + length > STATE_FILE_MAX) {
        log_warn("%s: too long; lines of other programs are left out",
                 file->path != NULL ? file->path : "state");
        return;
    }
    for (size_t i = 0; i < file->lines.n; i++) {
        const char *text = file->lines.lines[i].text;
        append(w, text, strlen(text));
        append(w, "\n", 1);
    }
}

char *state_file_text(struct state_file *file, size_t *length)
{
    static const char head[] = "# ramson state file, in the format of C tor; times are in UTC.\n"
                               "# There is no need to edit it.\n\n";
    char written[STATE_TIME_SIZE];
    struct state_writer w = {0};
    append(&w, head, strlen(head));
    state_write(&w, "TorVersion", "ramson %s", RAMSON_VERSION);
    state_write(&w, "LastWritten", "%s", state_time_write(relay_now(file->relay), ' ', written));
    for (unsigned i = 0; i < file->n_sections; i++)
        file->sections[i].section->save(file->sections[i].user, &w);
    write_unknown(file, &w);
    if (w.failed) {
        free(w.text);
        return NULL;
    }
    *length = w.length;
    return w.text;
}

// ---- writing

static void run_job(uv_work_t *work)
{
    struct state_job *job = work->data;
    job->error = whole_file_write(job->path, job->text, job->length, 0);
    uv_sem_post(&job->done);
}

static void note_result(struct state_file *file, int error)
{
    if (error < 0) {
        // Once an hour at most: it is tried again with each change.
        log_write(file->failed ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
                  "%s: cannot be written: %s; it will be tried again", file->path,
                  strerror(-error));
        state_file_changed(file, RETRY_S);
    }
    file->failed = error < 0;
}

static void free_job(struct state_job *job)
{
    uv_sem_destroy(&job->done);
    free(job->path);
    free(job->text);
    free(job);
}

static void job_done(uv_work_t *work, int status)
{
    struct state_job *job = work->data;
    (void)status;
    if (job->file != NULL) {
        job->file->running = NULL;
        note_result(job->file, job->error);
    }
    free_job(job);
}

static struct state_job *make_job(struct state_file *file)
{
    struct state_job *job = calloc(1, sizeof(*job));
    if (job == NULL || uv_sem_init(&job->done, 0) != 0) {
        free(job);
        return NULL;
    }
    job->work.data = job;
    job->path = strdup(file->path);
    job->text = state_file_text(file, &job->length);
    if (job->path == NULL || job->text == NULL) {
        free_job(job);
        return NULL;
    }
    return job;
}

static int write_here(struct state_file *file)
{
    size_t length;
    char *text = state_file_text(file, &length);
    int error = text != NULL ? whole_file_write(file->path, text, length, 0) : -ENOMEM;
    free(text);
    return error;
}

static void write_file(struct state_file *file)
{
    file->changed = false;
    struct state_job *job = make_job(file);
    if (job != NULL && uv_queue_work(file->relay->loop, &job->work, run_job, job_done) == 0) {
        job->file = file;
        file->running = job;
        return;
    }
    if (job != NULL)
        free_job(job);
    note_result(file, write_here(file)); // for want of a helper
}

void state_file_changed(struct state_file *file, unsigned soon_s)
{
    uint32_t due_s = file->relay->uptime_s + soon_s;
    if (!file->changed || due_s < file->due_s)
        file->due_s = due_s;
    file->changed = true;
}

void state_file_tick(struct state_file *file)
{
    if (file->path != NULL && file->changed && file->running == NULL &&
        file->relay->uptime_s >= file->due_s)
        write_file(file);
}

bool state_file_failed(const struct state_file *file)
{
    return file->failed;
}

// ---- sections

static const char *keyword_of(const struct state_section *section, const struct state_line *line)
{
    const char *const *keyword = section->keywords;
    while (*keyword != NULL && !state_line_is(line, *keyword))
        keyword++;
    return *keyword;
}

void state_file_register(struct state_file *file, const struct state_section *section, void *user)
{
    if (file->n_sections == STATE_SECTIONS_MAX)
        return;
    file->sections[file->n_sections++] = (struct registered){section, user};
    size_t kept = 0;
    for (size_t i = 0; i < file->lines.n; i++) {
        struct state_line line = file->lines.lines[i];
        const char *keyword = keyword_of(section, &line);
        if (keyword == NULL) {
            file->lines.lines[kept++] = line;
            continue;
        }
        section->load(user, keyword, line.value);
        free(line.text);
    }
    file->lines.n = kept;
}

static void keep_lines(struct state_file *file, const struct state_writer *w)
{
    const char *wrong;
    struct state_lines more;
    if (w->failed || state_lines_read(w->text, w->length, &more, &wrong) < 0)
        return;
    size_t n = file->lines.n + more.n;
    struct state_line *all = reallocarray(file->lines.lines, n > 0 ? n : 1, sizeof(*all));
    if (all == NULL) {
        state_lines_free(&more);
        return;
    }
    if (more.n > 0)
        memcpy(all + file->lines.n, more.lines, more.n * sizeof(*all));
    free(more.lines);
    file->lines = (struct state_lines){all, n};
}

void state_file_unregister(struct state_file *file, void *user)
{
    for (unsigned i = 0; i < file->n_sections; i++) {
        if (file->sections[i].user != user)
            continue;
        struct state_writer w = {0};
        file->sections[i].section->save(user, &w);
        keep_lines(file, &w);
        free(w.text);
        file->n_sections--;
        memmove(file->sections + i, file->sections + i + 1,
                (file->n_sections - i) * sizeof(file->sections[0]));
        return;
    }
}

// ---- reading

// These are written anew each time.
static void drop_own_lines(struct state_file *file)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->lines.n; i++) {
        struct state_line line = file->lines.lines[i];
        bool is_date = state_line_is(&line, "LastWritten");
        time_t written;
        if (is_date &&
            state_time_read((struct text){line.value, strlen(line.value)}, &written) == 0 &&
            written > relay_now(file->relay))
            log_warn("%s: written %lld s from now; has the clock been set back?",
                     file->path != NULL ? file->path : "state",
                     (long long)(written - relay_now(file->relay)));
        if (is_date || state_line_is(&line, "TorVersion"))
            free(line.text);
        else
            file->lines.lines[kept++] = line;
    }
    file->lines.n = kept;
}

static void move_aside(const struct state_file *file, const char *why)
{
    char aside[PATH_MAX];
    struct stat st;
    for (unsigned i = 0; i < ASIDE_MAX; i++) {
        int n = snprintf(aside, sizeof(aside), "%s.%u", file->path, i);
        if (n < 0 || (size_t)n >= sizeof(aside))
            break;
        if (lstat(aside, &st) == 0)
            continue;
        if (errno != ENOENT || rename(file->path, aside) < 0)
            break;
        log_warn("%s: %s; it was moved to %s, and the state is begun anew", file->path, why, aside);
        return;
    }
    log_warn("%s: %s, and it cannot be moved aside; the state is begun anew", file->path, why);
}

static const char *why_unreadable(int error)
{
    switch (error) {
    case -ELOOP:
        return "found a symbolic link, expected a file";
    case -EISDIR:
        return "found a directory, expected a file";
    case -EINVAL:
        return "found something that is no file";
    case -EFBIG:
        return "longer than a state file can be";
    default:
        return strerror(-error);
    }
}

// False: no memory.
static bool read_file(struct state_file *file)
{
    char *text;
    size_t length;
    const char *wrong = NULL;
    int error = whole_file_read(file->path, STATE_FILE_MAX, &text, &length);
    if (error == -ENOENT)
        return true;
    if (error == -ENOMEM)
        return false;
    if (error < 0) {
        move_aside(file, why_unreadable(error));
        return true;
    }
    error = state_lines_read(text, length, &file->lines, &wrong);
    free(text);
    if (error == -EINVAL)
        move_aside(file, wrong);
    return error != -ENOMEM;
}

// ---- life

struct state_file *state_file_create(struct relay *relay)
{
    struct state_file *file = calloc(1, sizeof(*file));
    const char *directory = relay->config->data_directory;
    size_t size = strlen(directory) + sizeof("/state");
    if (file == NULL)
        return NULL;
    file->relay = relay;
    file->path = malloc(size);
    if (file->path == NULL) {
        free(file);
        return NULL;
    }
    snprintf(file->path, size, "%s/state", directory);
    if (!read_file(file)) {
        free(file->path);
        free(file);
        return NULL;
    }
    drop_own_lines(file);
    return file;
}

struct state_file *state_file_create_of(struct relay *relay, const char *text, size_t length)
{
    struct state_file *file = calloc(1, sizeof(*file));
    const char *wrong;
    if (file == NULL)
        return NULL;
    file->relay = relay;
    if (state_lines_read(text, length, &file->lines, &wrong) == -ENOMEM) {
        free(file);
        return NULL;
    }
    drop_own_lines(file);
    return file;
}

// A helper that has begun is waited for; one that has not is done without.
static void finish_job(struct state_file *file)
{
    struct state_job *job = file->running;
    if (job == NULL)
        return;
    job->file = NULL;
    file->running = NULL;
    if (uv_cancel((uv_req_t *)&job->work) == 0) {
        file->changed = true;
        return;
    }
    uv_sem_wait(&job->done);
    note_result(file, job->error);
}

void state_file_free(struct state_file *file)
{
    if (file == NULL)
        return;
    finish_job(file);
    if (file->path != NULL && file->changed)
        note_result(file, write_here(file));
    state_lines_free(&file->lines);
    free(file->path);
    free(file);
}
