// SPDX-License-Identifier: BSD-3-Clause
// `ramson status`: asks the process that runs with a configuration how it is.
#pragma once

#include <stdbool.h>

#include "config/config.h"

// Prints it on standard output, as tables or (`json`) as the JSON document that came. Returns the
// process's exit status; when nothing runs, or does not answer, that is said in one line on
// standard error.
int show_status(const struct config *config, bool json);
