// SPDX-License-Identifier: BSD-3-Clause
// Log lines on standard error.
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "notice", "info", "debug"};
static _Atomic int log_threshold = LOG_LEVEL_NOTICE;

void log_set_level(enum log_level level)
{
    log_threshold = level;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > log_threshold)
        return;
    char line[1024];
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    size_t used = strftime(line, sizeof(line), "%b %d %H:%M:%S", &local);
    used += (size_t)snprintf(line + used, sizeof(line) - used, ".%03ld [%s] ",
                             now.tv_nsec / 1000000, level_names[level]);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - used, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s\n", line); // one call, so that lines of several threads do not mix
}
