// SPDX-License-Identifier: BSD-3-Clause
// The next link key, made on a helper thread since it takes up to 200 ms (protocol 1.08).
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "crypto/rsa.h"
#include "link/link_internal.h"

struct link_key_job {
    uv_work_t work;
    struct link_table *table; // NULL once it is gone; control thread only
    struct rsa_key *key;      // the helper's until it is done
    uv_sem_t done;
};

static void make_key(uv_work_t *work)
{
    struct link_key_job *job = work->data;
    job->key = rsa_generate(LINK_KEY_BITS);
    uv_sem_post(&job->done);
}

static void use_key(uv_work_t *work, int status)
{
    struct link_key_job *job = work->data;
    struct link_table *table = job->table;
    if (table) {
        table->key_job = NULL;
        struct tls_context *next =
            status == 0 && job->key
                ? tls_context_create(table->relay->identity, job->key, relay_now(table->relay))
                : NULL;
        if (next) {
            tls_context_release(table->context);
            table->context = next;
            table->context_made_ms = link_now_ms(table);
            log_debug("link: a new link key is in use");
        } else {
            table->rotation_not_before_ms = link_now_ms(table) + LINK_KEY_RETRY_MS;
            log_warn("link: no new link key could be made; the old one stays in use");
        }
    }
    rsa_free(job->key);
    uv_sem_destroy(&job->done);
    free(job);
}

void link_rotation_start(struct link_table *table)
{
    if (table->key_job)
        return;
    struct link_key_job *job = calloc(1, sizeof *job);
    if (!job || uv_sem_init(&job->done, 0) != 0) {
        free(job);
        return;
    }
    job->work.data = job;
    job->table = table;
    if (uv_queue_work(table->relay->loop, &job->work, make_key, use_key) == 0) {
        table->key_job = job;
        return;
    }
    uv_sem_destroy(&job->done);
    free(job);
}

// Waits for a helper that has begun, since the process may end right after and take the library
// from under it. The job itself goes when the loop runs next.
void link_rotation_forget(struct link_table *table)
{
    struct link_key_job *job = table->key_job;
    if (!job)
        return;
    job->table = NULL;
    table->key_job = NULL;
    if (uv_cancel((uv_req_t *)&job->work) != 0)
        uv_sem_wait(&job->done);
}
