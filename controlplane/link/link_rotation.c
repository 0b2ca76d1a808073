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
};

static void make_key(uv_work_t *work)
{
    struct link_key_job *job = work->data;
    job->key = rsa_generate(LINK_KEY_BITS);
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
            log_warn("link: no new link key could be made; the old one stays in use");
        }
    }
    rsa_free(job->key);
    free(job);
}

void link_rotation_start(struct link_table *table)
{
    if (table->key_job)
        return;
    struct link_key_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    job->work.data = job;
    job->table = table;
    if (uv_queue_work(table->relay->loop, &job->work, make_key, use_key) == 0)
        table->key_job = job;
    else
        free(job);
}

void link_rotation_forget(struct link_table *table)
{
    if (table->key_job)
        table->key_job->table = NULL;
    table->key_job = NULL;
}
