// SPDX-License-Identifier: BSD-3-Clause
// Checks of cpus, memory and directories. What is wrong here would otherwise come out of DPDK as a
// panic, or as a puzzle.
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELPERS_DEFAULT_MAX = 4 };

static bool wrong(const struct config *config, const char *key_path, const char *found,
                  const char *expected, struct config_error *error)
{
    config_error_at(config, key_path, found, expected, error);
    return false;
}

// ---- cpus

// Asks the kernel itself, since what exists may still be outside our control group.
static bool may_run_on(unsigned cpu)
{
    cpu_set_t before, one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_getaffinity(0, sizeof(before), &before) != 0)
        return false;
    bool may = sched_setaffinity(0, sizeof(one), &one) == 0;
    sched_setaffinity(0, sizeof(before), &before);
    return may;
}

static bool check_cpu(const struct config *config, unsigned cpu, const char *key_path,
                      struct config_error *error)
{
    char found[32], expected[96];
    if (may_run_on(cpu))
        return true;
    unsigned last = 0;
    for (unsigned i = 0; i <= CONFIG_CPU_MAX; i++)
        if (may_run_on(i))
            last = i;
    snprintf(found, sizeof(found), "%u", cpu);
    snprintf(expected, sizeof(expected), "a cpu that this process may use, of 0 to %u", last);
    return wrong(config, key_path, found, expected, error);
}

bool host_check_cpus(const struct config *config, struct config_error *error)
{
    char key_path[64];
    for (unsigned i = 0; i < config->dataplane.worker_count; i++) {
        snprintf(key_path, sizeof(key_path), "dataplane.workers[%u]", i);
        if (!check_cpu(config, config->dataplane.workers[i], key_path, error))
            return false;
    }
    for (unsigned i = 0; i < config->dataplane.helper_count; i++) {
        snprintf(key_path, sizeof(key_path), "dataplane.helpers[%u]", i);
        if (!check_cpu(config, config->dataplane.helpers[i], key_path, error))
            return false;
    }
    return check_cpu(config, config->dataplane.control, "dataplane.control", error);
}

static bool is_worker(const struct config_dataplane *d, unsigned cpu)
{
    for (unsigned i = 0; i < d->worker_count; i++)
        if (d->workers[i] == cpu)
            return true;
    return false;
}

unsigned host_helper_cpus(const struct config *config, cpu_set_t *cpus)
{
    const struct config_dataplane *d = &config->dataplane;
    CPU_ZERO(cpus);
    for (unsigned i = 0; i < d->helper_count; i++)
        CPU_SET(d->helpers[i], cpus);
    if (d->helper_count)
        return (unsigned)CPU_COUNT(cpus);
    for (unsigned cpu = 0; cpu <= CONFIG_CPU_MAX; cpu++)
        if (cpu != d->control && !is_worker(d, cpu) && may_run_on(cpu))
            CPU_SET(cpu, cpus);
    unsigned n = (unsigned)CPU_COUNT(cpus);
    if (n < HELPERS_DEFAULT_MAX) // the control thread leaves time, too
        CPU_SET(d->control, cpus);
    return n == 0 ? 1 : n < HELPERS_DEFAULT_MAX ? n : HELPERS_DEFAULT_MAX;
}

// ---- data_directory

static bool wrong_directory(const struct config *config, const char *what,
                            struct config_error *error)
{
    char found[192];
    snprintf(found, sizeof(found), "\"%.120s\" (%s)", config->data_directory, what);
    return wrong(config, "data_directory", found,
                 "a directory that can be read and written, or made", error);
}

bool host_check_data_directory(const struct config *config, struct config_error *error)
{
    const char *path = config->data_directory;
    char copy[CONFIG_PATH_MAX + 1];
    struct stat status;
    if (stat(path, &status) != 0) {
        snprintf(copy, sizeof(copy), "%s", path);
        if (errno != ENOENT || access(dirname(copy), W_OK | X_OK) != 0)
            return wrong_directory(config, strerror(errno), error);
        return true;
    }
    if (!S_ISDIR(status.st_mode))
        return wrong_directory(config, "no directory", error);
    return access(path, R_OK | W_OK | X_OK) == 0 || wrong_directory(config, strerror(errno), error);
}

bool host_prepare_data_directory(const struct config *config, struct config_error *error)
{
    char lock[CONFIG_PATH_MAX + sizeof("/lock")];
    if (mkdir(config->data_directory, 0700) != 0 && errno != EEXIST)
        return wrong_directory(config, strerror(errno), error);
    if (!host_check_data_directory(config, error))
        return false;
    snprintf(lock, sizeof(lock), "%s/lock", config->data_directory);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return wrong_directory(config, strerror(errno), error);
    bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd); // lets go of the lock
    return is_free || wrong_directory(config, "another relay is using it", error);
}

// ---- memory

static bool read_number(const char *path, uint64_t *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fscanf(file, "%" SCNu64, out) == 1;
    fclose(file);
    return ok;
}

static uint64_t free_hugepages_kb(void)
{
    static const char directory[] = "/sys/kernel/mm/hugepages";
    uint64_t total = 0;
    DIR *sizes = opendir(directory);
    if (!sizes)
        return 0;
    for (struct dirent *entry; (entry = readdir(sizes));) {
        char path[512];
        uint64_t size_kb, pages;
        if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &size_kb) != 1)
            continue;
        snprintf(path, sizeof(path), "%s/%s/free_hugepages", directory, entry->d_name);
        if (read_number(path, &pages))
            total += size_kb * pages;
    }
    closedir(sizes);
    return total;
}

static uint64_t available_kb(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    uint64_t kb = UINT64_MAX; // where the kernel doesn't say, it isn't held against the relay
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

bool host_check_memory(const struct config *config, struct config_error *error)
{
    const struct config_dataplane *d = &config->dataplane;
    uint64_t free_mb = (d->hugepages ? free_hugepages_kb() : available_kb()) >> 10;
    char found[128], expected[160];
    if (free_mb >= d->memory_mb)
        return true;
    snprintf(found, sizeof(found), "%u, but %" PRIu64 " MB of %s are free", d->memory_mb, free_mb,
             d->hugepages ? "huge pages" : "memory");
    snprintf(expected, sizeof(expected),
             d->hugepages ? "free huge pages (sysctl vm.nr_hugepages=%u), or \"hugepages\": false"
                          : "less memory than is free",
             (d->memory_mb + 1) / 2);
    return wrong(config, "dataplane.memory_mb", found, expected, error);
}
