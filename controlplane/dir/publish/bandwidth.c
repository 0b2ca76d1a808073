// SPDX-License-Identifier: BSD-3-Clause
// The observed bandwidth and the traffic history.
#include "dir/publish/bandwidth.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DAY_S = 86400 };

void bandwidth_begin(struct bandwidth *b, time_t now, uint64_t read_bytes, uint64_t written_bytes)
{
    memset(b, 0, sizeof(*b));
    b->begun = now;
    b->second = now;
    b->last[0] = read_bytes;
    b->last[1] = written_bytes;
}

static void end_day(struct bandwidth *b)
{
    for (int way = 0; way < 2; way++) {
        memmove(&b->days[way][1], &b->days[way][0], (BANDWIDTH_DAYS - 1) * sizeof(b->days[way][0]));
        b->days[way][0] = b->today[way];
        memset(&b->today[way], 0, sizeof(b->today[way]));
    }
    if (b->whole_days < BANDWIDTH_DAYS)
        b->whole_days++;
    b->begun += DAY_S;
}

static void note_best(struct bandwidth *b)
{
    for (int way = 0; way < 2; way++) {
        uint64_t sum = 0;
        for (int i = 0; i < BANDWIDTH_SECONDS; i++)
            sum += b->ring[way][i];
        if (sum > b->today[way].best)
            b->today[way].best = sum;
    }
}

static void next_second(struct bandwidth *b)
{
    note_best(b);
    b->second++;
    for (int way = 0; way < 2; way++)
        b->ring[way][b->second % BANDWIDTH_SECONDS] = 0;
    if (b->second - b->begun >= DAY_S)
        end_day(b);
}

// What was seen stays; the day goes on by the new clock. Of these bytes nobody knows how long they
// took.
static void follow_clock(struct bandwidth *b, time_t now, const uint64_t totals[2])
{
    b->begun += now - b->second;
    b->second = now;
    memcpy(b->last, totals, sizeof(b->last));
    memset(b->ring, 0, sizeof(b->ring));
}

void bandwidth_sample(struct bandwidth *b, time_t now, uint64_t read_bytes, uint64_t written_bytes)
{
    const uint64_t totals[2] = {read_bytes, written_bytes};
    time_t pause = now - b->second;
    if (pause < 0 || pause > DAY_S) { // the clock was set
        follow_clock(b, now, totals);
        return;
    }
    uint64_t share[2], rest[2];
    time_t seconds = pause > 0 ? pause : 1;
    for (int way = 0; way < 2; way++) {
        uint64_t bytes = totals[way] > b->last[way] ? totals[way] - b->last[way] : 0;
        share[way] = bytes / (uint64_t)seconds;
        rest[way] = bytes % (uint64_t)seconds;
        b->last[way] = totals[way];
    }
    for (time_t i = 0; i < seconds; i++) {
        if (pause > 0)
            next_second(b);
        for (int way = 0; way < 2; way++) {
            uint64_t bytes = share[way] + (i == 0 ? rest[way] : 0);
            b->ring[way][b->second % BANDWIDTH_SECONDS] += bytes;
            b->today[way].total += bytes;
        }
    }
    note_best(b);
}

uint32_t bandwidth_observed(const struct bandwidth *b)
{
    uint64_t best[2];
    for (int way = 0; way < 2; way++) {
        best[way] = b->today[way].best;
        for (unsigned day = 0; day < b->whole_days; day++)
            if (b->days[way][day].best > best[way])
                best[way] = b->days[way][day].best;
    }
    uint64_t per_second = (best[0] < best[1] ? best[0] : best[1]) / BANDWIDTH_SECONDS;
    return per_second > UINT32_MAX ? UINT32_MAX : (uint32_t)per_second;
}

static int history_line(const struct bandwidth *b, int way, const char *keyword, const char *end,
                        char *out, size_t capacity)
{
    int used = snprintf(out, capacity, "%s %s (%d s) ", keyword, end, DAY_S);
    for (unsigned day = b->whole_days; day-- > 0 && used > 0 && (size_t)used < capacity;) {
        // Rounded down, as C tor does: exact counts help to correlate traffic.
        uint64_t total = b->days[way][day].total & ~UINT64_C(1023);
        used += snprintf(out + used, capacity - (size_t)used, "%" PRIu64 "%s", total,
                         day > 0 ? "," : "\n");
    }
    return used;
}

int bandwidth_history(const struct bandwidth *b, char *out, size_t capacity)
{
    char end[32];
    struct tm utc;
    if (capacity > 0)
        out[0] = '\0';
    if (b->whole_days == 0 || gmtime_r(&b->begun, &utc) == NULL ||
        strftime(end, sizeof(end), "%Y-%m-%d %H:%M:%S", &utc) == 0)
        return 0;
    int used = history_line(b, 1, "write-history", end, out, capacity);
    if (used > 0 && (size_t)used < capacity)
        used += history_line(b, 0, "read-history", end, out + used, capacity - (size_t)used);
    if (used < 0 || (size_t)used >= capacity) {
        out[0] = '\0';
        return 0;
    }
    return used;
}
