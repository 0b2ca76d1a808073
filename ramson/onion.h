// SPDX-License-Identifier: BSD-3-Clause
// `ramson onion new|show|client-key|sign`: the keys of onion services, without a configuration.
#pragma once

// `words` are those after "onion". The process's exit status; mistakes are one line on standard
// error.
int onion_command(char **words);
