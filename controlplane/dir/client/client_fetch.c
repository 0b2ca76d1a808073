// SPDX-License-Identifier: BSD-3-Clause
// One request of the directory client: asked, answered, read by a helper thread, taken.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bootstrap.h"
#include "dir/client/client_internal.h"
#include "origin/guard/guard.h"

enum {
    TIMEOUT_CONSENSUS_S = 180,
    TIMEOUT_S = 90,
    IDLE_S = 30,
    TIMEOUT_TESTING_S = 20,
    IDLE_TESTING_S = 8,
};

bool client_source_is_busy(void *client, const uint8_t rsa_id[20])
{
    const struct directory_client *c = client;
    const struct fetch *f;
    LIST_FOREACH(f, &c->fetches, entry)
    if (f->kind > FETCH_CONSENSUS && memcmp(f->source.target.relay.rsa_id, rsa_id, 20) == 0)
        return true;
    return false;
}

// The guard did what was asked of it, or did not.
static void end_guard(struct source *source, bool failed)
{
    struct guard_use *guard = source->guard;
    source->guard = NULL;
    if (guard != NULL && failed)
        guard_use_failed(guard);
    else if (guard != NULL)
        guard_use_end(guard);
}

static void free_fetch(struct fetch *f)
{
    end_guard(&f->source, false);
    answer_release(&f->answer);
    blob_drop(f->answer.body);
    blob_drop(f->answer.base);
    uv_sem_destroy(&f->read);
    free(f->wanted);
    free(f);
}

static void leave_list(struct fetch *f)
{
    struct directory_client *c = f->client;
    LIST_REMOVE(f, entry);
    c->n_fetches--;
    if (f->kind != FETCH_CONSENSUS)
        return;
    struct consensus_download *d = &c->consensuses[f->flavour];
    d->n_fetching--;
    if (d->answering == f)
        d->answering = NULL;
}

// It is over, whatever came of it.
static void end(struct fetch *f)
{
    struct directory_client *c = f->client;
    leave_list(f);
    if (f->kind != FETCH_CONSENSUS)
        client_downloads_end(c, f->kind, f->wanted, f->n_wanted);
    c->missing_known = false;
    client_wake(c);
    free_fetch(f);
}

// What is not `by_source` is how things are: it has nothing new, or not what was asked for.
static void failed(struct fetch *f, const char *why, bool by_source)
{
    struct directory_client *c = f->client;
    c->relay->counters.drop_directory_request += by_source;
    if (by_source)
        source_note_failure(&c->failures, &f->source, relay_now(c->relay), client_is_testing(c));
    if (f->kind == FETCH_CONSENSUS)
        client_consensus_failed(c, f->flavour, &f->source, why);
    else
        log_info("directory: %s %s was asked for %zu documents: %s", source_kind_name(&f->source),
                 f->source.name, f->n_wanted, why);
    end(f);
}

static void take(struct fetch *f)
{
    struct directory_client *c = f->client;
    source_note_success(&c->failures, &f->source);
    switch (f->kind) {
    case FETCH_CONSENSUS:
        client_take_consensus(f);
        break;
    case FETCH_CERTIFICATES:
        client_take_certificates(f);
        break;
    default:
        client_take_documents(f);
        break;
    }
    end(f);
}

// ---- reading

static void read_answer(uv_work_t *work)
{
    struct fetch *f = work->data;
    answer_read(&f->answer);
    uv_sem_post(&f->read);
}

// An answer that is of no use: its directory is not asked so soon again.
static void useless(struct fetch *f)
{
    if (f->answer.was_diff)
        f->client->consensuses[f->flavour].without_diff = true;
    failed(f, f->answer.wrong != NULL ? f->answer.wrong : "it cannot be read", true);
}

static void was_read(uv_work_t *work, int status)
{
    struct fetch *f = work->data;
    f->reading = false;
    if (f->client == NULL)
        free_fetch(f);
    else if (status != 0)
        failed(f, "no helper thread", false);
    else if (f->answer.wrong != NULL || f->answer.text == NULL)
        useless(f);
    else
        take(f);
}

static void start_reading(struct fetch *f, const struct dir_answer *answer)
{
    struct directory_client *c = f->client;
    f->answer.kind = f->kind;
    f->answer.flavour = f->flavour;
    f->answer.body = blob_hold(answer->body);
    if (!dir_answer_header(answer, "Content-Encoding", f->answer.encoding,
                           sizeof(f->answer.encoding)))
        f->answer.encoding[0] = '\0';
    f->work.data = f;
    f->reading = uv_queue_work(c->relay->loop, &f->work, read_answer, was_read) == 0;
    if (!f->reading)
        failed(f, "no helper thread", false);
}

static void progress(void *user, enum dir_stage stage)
{
    struct fetch *f = user;
    struct directory_client *c = f->client;
    if (stage == DIR_CIRCUIT) {
        f->reached = true;
        if (f->source.guard != NULL)
            (void)guard_use_succeeded(f->source.guard); // a directory request needs no better one
        bootstrap_reached(c->relay, BOOTSTRAP_CIRCUIT_TO_DIRECTORY);
    } else if (stage == DIR_ANSWERING && f->kind == FETCH_CONSENSUS) {
        bootstrap_reached(c->relay, BOOTSTRAP_LOADING_CONSENSUS);
        if (f->attempt && c->consensuses[f->flavour].answering == NULL) {
            c->consensuses[f->flavour].answering = f;
            client_cancel_attempts(c, f->flavour, f);
        }
    }
}

static void answered(void *user, const struct dir_answer *answer)
{
    struct fetch *f = user;
    f->connection = NULL;
    end_guard(&f->source, answer->result != DIR_ANSWERED && !f->reached);
    if (answer->result != DIR_ANSWERED)
        failed(f, answer->why != NULL ? answer->why : "no answer", true);
    else if (answer->status == 200)
        start_reading(f, answer);
    else if (answer->status == 304 && f->kind == FETCH_CONSENSUS)
        failed(f, "it has no newer one yet", false);
    else // 404 says that it lacks the documents: a client had better ask another guard
        failed(f, answer->reason != NULL ? answer->reason : "it refused",
               answer->status != 404 || f->kind == FETCH_CONSENSUS || !f->client->cache);
}

// ---- asking

static struct dir_request make_request(struct fetch *f, const char *path, const char *headers)
{
    bool testing = client_is_testing(f->client);
    bool consensus = f->kind == FETCH_CONSENSUS;
    unsigned timeout_s = consensus ? TIMEOUT_CONSENSUS_S : TIMEOUT_S;
    return (struct dir_request){
        .target = f->source.target,
        .path = path,
        .headers = headers != NULL ? headers : ANSWER_ENCODINGS,
        .body_max = consensus ? ANSWER_CONSENSUS_MAX : ANSWER_DOCUMENTS_MAX,
        .timeout_s = testing ? TIMEOUT_TESTING_S : timeout_s,
        .idle_s = testing ? IDLE_TESTING_S : IDLE_S,
        .progress = progress,
        .done = answered,
        .user = f,
    };
}

static struct fetch *make_fetch(struct directory_client *c, enum fetch_kind kind,
                                enum consensus_flavour flavour, const struct source *source)
{
    struct fetch *f = calloc(1, sizeof(*f));
    if (f == NULL || uv_sem_init(&f->read, 0) != 0) {
        free(f);
        return NULL;
    }
    f->client = c;
    f->kind = kind;
    f->flavour = flavour;
    f->source = *source;
    const struct stored_consensus *held = store_consensus(c->relay->store, flavour, 0);
    if (kind == FETCH_CONSENSUS && held != NULL)
        f->answer.base = blob_hold(held->text);
    return f;
}

struct fetch *client_fetch(struct directory_client *c, enum fetch_kind kind,
                           enum consensus_flavour flavour, const struct source *source,
                           const char *path, const char *headers, struct wanted *wanted,
                           size_t n_wanted)
{
    struct fetch *f = make_fetch(c, kind, flavour, source);
    if (f == NULL) {
        struct source unused = *source;
        end_guard(&unused, false);
        free(wanted);
        return NULL;
    }
    f->wanted = wanted;
    f->n_wanted = n_wanted;
    struct dir_request request = make_request(f, path, headers);
    f->connection = dir_connection_start(c->relay, &request);
    if (f->connection == NULL) {
        free_fetch(f);
        return NULL;
    }
    LIST_INSERT_HEAD(&c->fetches, f, entry);
    c->n_fetches++;
    c->relay->counters.directory_requests++;
    bootstrap_reached(c->relay, BOOTSTRAP_CONNECTING);
    if (kind != FETCH_CONSENSUS)
        client_downloads_begin(c, kind, wanted, n_wanted);
    else
        c->consensuses[flavour].n_fetching++;
    return f;
}

void client_cancel_attempts(struct directory_client *c, enum consensus_flavour flavour,
                            const struct fetch *but)
{
    for (struct fetch *f = LIST_FIRST(&c->fetches), *next; f != NULL; f = next) {
        next = LIST_NEXT(f, entry);
        if (f == but || !f->attempt || f->flavour != flavour || f->connection == NULL)
            continue; // those that were answered go on
        leave_list(f);
        dir_connection_cancel(f->connection);
        free_fetch(f);
    }
}

// A helper that reads is waited for: the process may end right after. Its fetch goes with the
// loop's next turn.
void client_cancel_all(struct directory_client *c)
{
    struct fetch *f;
    while ((f = LIST_FIRST(&c->fetches)) != NULL) {
        LIST_REMOVE(f, entry);
        f->client = NULL;
        if (f->reading) {
            if (uv_cancel((uv_req_t *)&f->work) != 0)
                uv_sem_wait(&f->read);
            continue;
        }
        dir_connection_cancel(f->connection);
        free_fetch(f);
    }
    c->n_fetches = 0;
}
