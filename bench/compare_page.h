// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench page`: the page of compare-tor.sh.
#pragma once

// Reads compare-tor.sh's JSON object from standard input and writes compare-tor.html, and its chart
// as a file of its own, into the folder. Exit status of the program.
int bench_page(const char *folder);
