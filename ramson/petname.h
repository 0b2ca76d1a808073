// SPDX-License-Identifier: BSD-3-Clause
// `ramson petname`: keeps petnames.json.
#pragma once

#include "config/config.h"

enum { PETNAME_WORDS_MAX = 3 };

// `words` are what follows "petname" on the command line, without --config: "add NAME ADDRESS",
// "remove NAME" or "list"; NULL ends them. The process's exit status; what is wrong is one line on
// standard error.
int petname_command(const struct config *config, char *const words[PETNAME_WORDS_MAX + 1]);
