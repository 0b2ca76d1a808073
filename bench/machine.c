// SPDX-License-Identifier: BSD-3-Clause
// Reads what the system says of itself.
#include "machine.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/message.h"
#include "chart.h"
#include "crypto/cell_cipher.h"
#include "crypto/record_aead.h"

// ---- reading

// The value behind `name` in a file of "name : value" lines.
static bool find_value(const char *path, const char *name, char *out, size_t size)
{
    char line[4096];
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        char *value = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, size, "%s", value);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

static void read_flags(struct machine *m)
{
    static const char *const known[] = {"aes",        "pclmulqdq", "avx2",    "vaes",
                                        "vpclmulqdq", "sha_ni",    "avx512f", "avx512ifma",
                                        "avx512bw",   "gfni"};
    char all[4096] = " ", *end = all + 1;
    if (!find_value("/proc/cpuinfo", "flags", end, sizeof(all) - 2))
        return;
    strcat(all, " ");
    size_t used = 0;
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char word[32];
        snprintf(word, sizeof(word), " %s ", known[i]);
        if (strstr(all, word) && used + strlen(word) < sizeof(m->flags))
            used += (size_t)snprintf(m->flags + used, sizeof(m->flags) - used, "%s%s",
                                     used ? " " : "", known[i]);
    }
}

static void read_governor(struct machine *m)
{
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "re");
    if (!f || !fgets(m->governor, sizeof(m->governor), f))
        snprintf(m->governor, sizeof(m->governor), "not visible");
    m->governor[strcspn(m->governor, "\n")] = '\0';
    if (f)
        fclose(f);
}

static void read_huge_pages(struct machine *m)
{
    char total[24] = "0", size[24] = "";
    find_value("/proc/meminfo", "HugePages_Total", total, sizeof(total));
    find_value("/proc/meminfo", "Hugepagesize", size, sizeof(size));
    snprintf(m->huge_pages, sizeof(m->huge_pages), "%s of %s", total, size);
}

static struct machine_ticks read_ticks(void)
{
    // user, nice, system, idle, iowait, irq, softirq, steal
    uint64_t t[8] = {0};
    struct machine_ticks ticks = {0};
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return ticks;
    if (fscanf(f,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) == 8) {
        for (unsigned i = 0; i < 8; i++)
            ticks.all += t[i];
        ticks.stolen = t[7];
        ticks.busy = ticks.all - t[3] - t[4] - t[7];
    }
    fclose(f);
    struct tms own;
    if (times(&own) != (clock_t)-1)
        ticks.own = (uint64_t)(own.tms_utime + own.tms_stime + own.tms_cutime + own.tms_cstime);
    return ticks;
}

// The time-stamp counter against the clock; DPDK's own figure is there only once it has started.
static double tsc_hz(void)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    struct timespec a, z;
    clock_gettime(CLOCK_MONOTONIC_RAW, &a);
    uint64_t from = rte_rdtsc();
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_MONOTONIC_RAW, &z);
    uint64_t to = rte_rdtsc();
    double seconds = (double)(z.tv_sec - a.tv_sec) + (double)(z.tv_nsec - a.tv_nsec) * 1e-9;
    return (double)(to - from) / seconds;
}

void machine_describe(struct machine *m)
{
    struct utsname name;
    double load = 0;
    memset(m, 0, sizeof(*m));
    m->before = read_ticks();
    if (!find_value("/proc/cpuinfo", "model name", m->cpu, sizeof(m->cpu)))
        snprintf(m->cpu, sizeof(m->cpu), "unknown");
    if (uname(&name) == 0)
        snprintf(m->kernel, sizeof(m->kernel), "%s %s", name.sysname, name.release);
    if (getloadavg(&load, 1) == 1)
        snprintf(m->load, sizeof(m->load), "%.1f", load);
    m->cpus = sysconf(_SC_NPROCESSORS_ONLN);
    m->tsc_hz = tsc_hz();
    read_flags(m);
    read_governor(m);
    read_huge_pages(m);
    struct cell_cipher *cc = cell_cipher_create();
    struct record_aead *ra = record_aead_create();
    snprintf(m->cell_cipher, sizeof(m->cell_cipher), "%s",
             cc ? cell_cipher_implementation(cc) : "none");
    snprintf(m->record_aead, sizeof(m->record_aead), "%s",
             ra ? record_aead_implementation(ra) : "none");
    cell_cipher_destroy(cc);
    record_aead_destroy(ra);
}

void machine_end(struct machine *m)
{
    struct machine_ticks after = read_ticks();
    double all = (double)(after.all - m->before.all);
    double own = (double)(after.own - m->before.own);
    double busy = (double)(after.busy - m->before.busy);
    if (all <= 0)
        return;
    m->others = busy > own ? (busy - own) / all : 0;
    m->stolen = (double)(after.stolen - m->before.stolen) / all;
}

// ---- telling

void machine_print(FILE *f, const struct machine *m)
{
    fprintf(f,
            "CPU: %s, %ld of them, %s; TSC %.2f GHz\n%s; governor %s; huge pages %s; load %s "
            "before, others had %.0f %% of the CPUs during the run, the hypervisor kept %.1f %%\n"
            "cells by %s, records by ipsec-mb %s\n",
            m->cpu, m->cpus, m->flags, m->tsc_hz / 1e9, m->kernel, m->governor, m->huge_pages,
            m->load, m->others * 100, m->stolen * 100, m->cell_cipher, m->record_aead);
}

void machine_print_html(FILE *f, const struct machine *m)
{
    fputs("<p class=\"note\">", f);
    text_escaped(f, m->cpu);
    fprintf(f,
            ", %ld CPUs with %s, TSC %.2f GHz; %s; governor %s; huge pages %s; load %s before; "
            "others had %.0f %% of the CPUs during the run, and the hypervisor kept %.1f %%. Cells "
            "by %s, records by ipsec-mb %s.</p>\n",
            m->cpus, m->flags, m->tsc_hz / 1e9, m->kernel, m->governor, m->huge_pages, m->load,
            m->others * 100, m->stolen * 100, m->cell_cipher, m->record_aead);
}

json_t *machine_json(const struct machine *m)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:s, s:s}", "cpu", m->cpu,
                     "cpus", (int)m->cpus, "flags", m->flags, "kernel", m->kernel, "governor",
                     m->governor, "huge_pages", m->huge_pages, "load", m->load, "others_share",
                     m->others, "stolen_share", m->stolen, "tsc_hz", m->tsc_hz, "cell_cipher",
                     m->cell_cipher, "ipsec_mb", m->record_aead);
}

int bench_machine(bool json)
{
    struct machine m;
    machine_describe(&m);
    machine_end(&m);
    if (!json) {
        machine_print(stdout, &m);
        return 0;
    }
    json_t *root = machine_json(&m);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

const char *cipher_suite_name(uint16_t suite)
{
    switch (suite) {
    case TLS_AES_128_GCM_SHA256_ID:
        return "AES-128-GCM";
    case TLS_AES_256_GCM_SHA384_ID:
        return "AES-256-GCM";
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        return "ChaCha20-Poly1305";
    default:
        return "?";
    }
}
