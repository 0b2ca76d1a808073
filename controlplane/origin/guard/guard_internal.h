// SPDX-License-Identifier: BSD-3-Clause
// What the files of guard/ share: the sampled guards of a selection, and the uses of one. Control
// thread only.
#pragma once

#include "dir/parameters.h"
#include "netdoc/tokens.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

struct state_writer;

enum {
    GUARD_SAMPLE_MAX = 1024, // whatever the consensus or the state file says
    GUARD_LINE_MAX = 4096,
    GUARD_FOREIGN_MAX = 256, // lines of selections that we don't have
    GUARD_SAVE_S = 30,       // how long a change may stay unsaved
};

enum guard_reach { REACH_MAYBE, REACH_YES, REACH_NO };

// What became of circuits through it; C tor's pb_… in this order.
enum guard_bias_count {
    BIAS_USE_ATTEMPTS,
    BIAS_USE_SUCCESSES,
    BIAS_CIRCUIT_ATTEMPTS,
    BIAS_CIRCUIT_SUCCESSES,
    BIAS_CLOSED,
    BIAS_COLLAPSED,
    BIAS_UNUSABLE,
    BIAS_TIMEOUTS,
    BIAS_COUNTS,
};

struct guard_bias {
    double counts[BIAS_COUNTS];
    // Said once each.
    bool said_notice, said_warn, said_extreme, said_use_notice, said_use_extreme;
    bool disabled;
};

struct guard {
    // Kept on disk.
    uint8_t rsa_id[20];
    char nickname[20]; // "": not known
    time_t sampled_on;
    char *sampled_by;      // which program, NULL: not known
    bool listed;           // in the last live consensus, with all that a guard needs
    time_t unlisted_since; // 0: it is listed
    int confirmed_idx;     // in order of confirmation; -1: it is not
    time_t confirmed_on;
    char *extra; // what others keep in its line, NULL: nothing
    struct guard_bias bias;
    // Not kept.
    struct guard_selection *selection;
    enum guard_reach reach;
    time_t tried_on;      // chosen the last time; 0: not since the start
    time_t failing_since; // 0: it is not known to fail
    bool filtered;        // the config lets us use it
    bool primary;
    const struct guard_use *pending; // tried by one that is not known to go well; never if primary
    unsigned n_uses;
    uint32_t loaded_idx; // of sampling, as its line says; UINT32_MAX: it doesn't
    bool gone;           // no longer sampled; lives as long as its uses
};

// The guards that were sampled by one rule, in the order of sampling, which is the order of
// preference among confirmed and among primary ones, too.
struct guard_selection {
    const char *name; // "in=…"
    bool restricted;  // sampled from those that the config lets us use
    struct guard **sampled;
    size_t n, capacity;
    bool primary_stale; // to be found again before `primary` is looked at
    int next_confirmed_idx;
};

enum { SELECTION_DEFAULT, SELECTION_RESTRICTED, SELECTIONS };

struct guards {
    struct origin *origin;
    struct relay *relay;
    struct guard_selection selections[SELECTIONS];
    struct guard_selection *current;
    bool has_chosen; // `current`, by a consensus
    struct guard_use *uses;
    time_t last_answer; // some relay answered then; 0: not since the start
    char **foreign;     // lines of others' selections
    size_t n_foreign;
    unsigned n_left_out; // lines of the state file, and why the last one was
    const char *left_out_why;
    bool said_extreme; // that the config leaves hardly any guards
};

enum use_state {
    USE_ON_COMPLETION, // its guard is primary
    USE_IF_NO_BETTER,  // being built
    USE_WAITING,       // built
    USE_COMPLETE,
};

struct guard_rule {
    bool has_exit;
    uint8_t exit[20];
};

struct guard_use {
    struct guards *guards;
    struct guard *guard;
    enum use_state state;
    time_t since; // in this state
    struct guard_rule rule;
    bool built, tried; // path bias: stands; somebody tries to use it
    struct guard_use *previous, *next;
};

static inline const struct parameters *guard_parameters(const struct guards *g)
{
    return parameters_of(g->relay);
}

static inline time_t guards_now(const struct guards *g)
{
    return relay_now(g->relay);
}

// More than `s` seconds lie between. A clock that was set back makes everything long ago: what is
// waited for must not wait until the old time comes again.
static inline bool guard_is_over(time_t since, time_t now, long long s)
{
    return now < since || now - since > s;
}

static inline bool guard_is_confirmed(const struct guard *guard)
{
    return guard->confirmed_idx >= 0;
}

static inline bool guard_is_usable(const struct guard *guard)
{
    return guard->filtered && guard->reach != REACH_NO;
}

// ---- guard_sample.c

const struct node *guard_node(const struct guards *g, const struct guard *guard); // or NULL
bool guard_has_descriptor(const struct guards *g, const struct guard *guard);
struct guard *guard_find(const struct guard_selection *s, const uint8_t rsa_id[20]);
bool guard_sample_append(struct guard_selection *s, struct guard *guard); // false: no memory
void guard_free(struct guard *guard);
void guard_drop(struct guard_selection *s, size_t index);
// By the consensus, if it is live: who is listed, who has been here for too long.
void guard_sample_update(struct guards *g, struct guard_selection *s);
void guard_sample_filter(struct guards *g, struct guard_selection *s);
// More are sampled until enough can be used.
void guard_sample_expand(struct guards *g, struct guard_selection *s);
// Which rule to sample by; true: another one than before.
bool guards_choose_selection(struct guards *g);
void guards_changed(struct guards *g); // to be saved
// A time between that long ago and now, so that the disk doesn't tell when it was.
time_t guards_random_time(time_t now, time_t most_s);

// ---- guard_primary.c

bool guard_obeys(const struct guards *g, const struct guard *guard, const struct guard_rule *rule);
enum {
    GUARD_NOT_CONFIRMED = 1,
    GUARD_NOT_PRIMARY = 2,
    GUARD_NOT_PENDING = 4,
    GUARD_WITH_DESCRIPTOR = 8,
    GUARD_KEEP_PRIMARY = 16, // primary ones are not found again, though more were sampled
};
// The first that can be used. Samples more if there are few. NULL: none.
struct guard *guard_first_usable(struct guards *g, struct guard_selection *s,
                                 const struct guard_rule *rule, unsigned flags);
void guards_update_primary(struct guards *g, struct guard_selection *s); // if it is stale
void guards_renumber_confirmed(struct guards *g, struct guard_selection *s);
void guard_confirm(struct guards *g, struct guard *guard);
bool guard_retry_is_due(const struct guard *guard, time_t now);
void guard_consider_retry(const struct guards *g, struct guard *guard);
void guards_mark_maybe(struct guard_selection *s, bool primary_only);

// ---- guard_line.c

struct guard_line {
    struct text in;      // of which selection
    struct guard *guard; // the caller's
};
// 0, -EINVAL (`wrong` is set to a constant text), -ENOMEM.
int guard_line_read(const char *value, time_t now, struct guard_line *out, const char **wrong);
void guard_line_write(struct state_writer *w, const struct guards *g, const struct guard *guard,
                      size_t index);

// ---- guard_bias.c

void guard_bias_check(const struct guards *g, struct guard *guard);
double guard_bias_successes(const struct guards *g, const struct guard *guard,
                            enum guard_bias_count what); // with those that may still be
