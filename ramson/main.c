// SPDX-License-Identifier: BSD-3-Clause
// The command line.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "host.h"
#include "onion.h"
#include "petname.h"
#include "run.h"
#include "status.h"

static const char help_text[] =
    "ramson: an onion-routing relay on a dataplane of its own\n"
    "\n"
    "  ramson run   --config FILE   run in the foreground until SIGINT or SIGTERM\n"
    "  ramson check --config FILE   say what is wrong with a configuration\n"
    "  ramson status --config FILE [--json]\n"
    "                               how the one that runs is: bootstrap, guards, circuits, "
    "streams\n"
    "  ramson petname add NAME ADDRESS --config FILE\n"
    "  ramson petname remove NAME --config FILE\n"
    "  ramson petname list --config FILE\n"
    "                               names for onion services: NAME.pet stands for ADDRESS.onion\n"
    "  ramson onion new DIR [--prefix TEXT]\n"
    "                               make an onion service's keys, with an address that begins so\n"
    "  ramson onion show DIR        its address, who may visit it, how long its signing keys last\n"
    "  ramson onion client-key DIR|ADDRESS\n"
    "                               make a key for a visitor: a line for each side\n"
    "  ramson onion sign DIR --periods N --out FILE\n"
    "                               signing keys for N days ahead, so that the secret key can "
    "stay\n"
    "                               away from the network\n"
    "  ramson --version\n"
    "  ramson --help\n"
    "\n"
    "Mistakes are one line on standard error, FILE:LINE:COLUMN: KEY: found X, expected Y, and "
    "exit\n"
    "status 1. While a relay runs: SIGUSR1 prints its counters; SIGINT or SIGTERM ends it in\n"
    "order, a second one at once.\n";

static int complain(const char *found, const char *expected)
{
    fprintf(stderr, "ramson: found %s, expected %s (see ramson --help)\n", found, expected);
    return EXIT_FAILURE;
}

static int answer(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0)
        return complain("that nothing can be written", "a standard output");
    return EXIT_SUCCESS;
}

static int say(const struct config_error *error)
{
    char line[CONFIG_ERROR_TEXT_MAX];
    fprintf(stderr, "%s\n", config_error_format(error, line));
    return EXIT_FAILURE;
}

static int check(const struct config *config, bool json)
{
    struct config_error error;
    (void)json;
    if (!host_check_cpus(config, &error) || !host_check_data_directory(config, &error))
        return say(&error);
    return answer("ok\n");
}

static int run(const struct config *config, bool json)
{
    (void)json;
    log_set_level(config->log.level);
    return run_relay(config);
}

static const struct command {
    const char *name;
    int (*execute)(const struct config *config, bool json);
    bool may_be_json;
} commands[] = {{"run", run, false}, {"check", check, false}, {"status", show_status, true}};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

// "--config FILE" or "--config=FILE", once and nothing else. NULL after having said what is wrong.
static const char *config_argument(char **arguments)
{
    static const char option[] = "--config";
    const char *file = NULL;
    char found[160];
    for (; *arguments; arguments++) {
        const char *argument = *arguments;
        const char *value = NULL;
        if (strcmp(argument, option) == 0)
            value = arguments[1] ? *++arguments : "";
        else if (strncmp(argument, "--config=", sizeof(option)) == 0)
            value = argument + sizeof(option);
        if (!value || file) {
            snprintf(found, sizeof(found), file ? "\"%.100s\" after --config FILE" : "\"%.100s\"",
                     argument);
            complain(found, file ? "nothing more" : "--config FILE");
            return NULL;
        }
        if (!*value) {
            complain("--config without a file", "--config FILE");
            return NULL;
        }
        file = value;
    }
    if (!file)
        complain("no --config", "--config FILE");
    return file;
}

// Takes the first one out. False: there is none.
static bool take_json(char **arguments)
{
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "--json") != 0)
            continue;
        for (; *arguments; arguments++)
            arguments[0] = arguments[1];
        return true;
    }
    return false;
}

static int execute(const struct command *command, char **arguments)
{
    struct config *config;
    struct config_error error;
    bool json = command->may_be_json && take_json(arguments);
    const char *file = config_argument(arguments);
    if (!file)
        return EXIT_FAILURE;
    if (config_load(file, &config, &error) != 0)
        return say(&error);
    int status = command->execute(config, json);
    config_free(config);
    return status;
}

// Takes what comes before the first option, or between them, out. False: there is more than `max`.
static bool take_words(char **arguments, char **words, unsigned max)
{
    unsigned n = 0;
    char **kept = arguments;
    for (; *arguments; arguments++) {
        bool option = strncmp(*arguments, "--", 2) == 0;
        if (!option && n == max)
            return false;
        if (!option)
            words[n++] = *arguments;
        else
            *kept++ = *arguments;
        if (strcmp(*arguments, "--config") == 0 && arguments[1])
            *kept++ = *++arguments;
    }
    *kept = NULL;
    return true;
}

static int execute_petname(char **arguments)
{
    struct config *config;
    struct config_error error;
    char *words[PETNAME_WORDS_MAX + 1] = {0};
    if (!take_words(arguments, words, PETNAME_WORDS_MAX))
        return complain("too many words", "petname add NAME ADDRESS, remove NAME or list");
    const char *file = config_argument(arguments);
    if (!file)
        return EXIT_FAILURE;
    if (config_load(file, &config, &error) != 0)
        return say(&error);
    int status = petname_command(config, words);
    config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    static const char expected[] = "one of run, check, status, petname, onion, --version, --help";
    char found[160];
    if (argc < 2)
        return complain("no command", expected);
    const struct command *command = find_command(argv[1]);
    if (command)
        return execute(command, argv + 2);
    if (strcmp(argv[1], "petname") == 0)
        return execute_petname(argv + 2);
    if (strcmp(argv[1], "onion") == 0)
        return onion_command(argv + 2);
    bool version = strcmp(argv[1], "--version") == 0;
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                strcmp(argv[1], "help") == 0;
    if ((version || help) && argc > 2) {
        snprintf(found, sizeof(found), "\"%.100s\" after %s", argv[2], argv[1]);
        return complain(found, "nothing more");
    }
    if (version)
        return answer("ramson " RAMSON_VERSION "\n");
    if (help)
        return answer(help_text);
    snprintf(found, sizeof(found), "\"%.100s\"", argv[1]);
    return complain(found, expected);
}
