// SPDX-License-Identifier: BSD-3-Clause
// Reads what the system says of itself.
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/message.h"
#include "crypto/cell_cipher.h"
#include "crypto/record_aead.h"

static void cpu_model(char *out, size_t size)
{
    char line[256];
    snprintf(out, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, size, "%.100s", value);
        break;
    }
    fclose(f);
}

void machine_describe(struct machine *m)
{
    struct utsname name;
    double load = 0;
    memset(m, 0, sizeof(*m));
    cpu_model(m->cpu, sizeof(m->cpu));
    if (uname(&name) == 0)
        snprintf(m->kernel, sizeof(m->kernel), "%s %s", name.sysname, name.release);
    if (getloadavg(&load, 1) == 1)
        snprintf(m->load, sizeof(m->load), "%.1f", load);
    m->cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct cell_cipher *cc = cell_cipher_create();
    struct record_aead *ra = record_aead_create();
    snprintf(m->cell_cipher, sizeof(m->cell_cipher), "%s",
             cc ? cell_cipher_implementation(cc) : "none");
    snprintf(m->record_aead, sizeof(m->record_aead), "%s",
             ra ? record_aead_implementation(ra) : "none");
    cell_cipher_destroy(cc);
    record_aead_destroy(ra);
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
