/* SPDX-License-Identifier: BSD-3-Clause */
/* table.c - shows samples as a table: reads on standard input what the
 * benchmark programs write with --tsv.
 *
 *   bench/table < bench/results.tsv
 */
#include "bench/bench.h"

#include <unistd.h>

int
main(int argc, char **argv)
{
    bench_begin("table", &argc, argv);
    if (!bench_read(STDIN_FILENO))
        return 1;
    return bench_end();
}
