/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics.c - sums of per-thread counters.
 *
 * Each counter has one writer and any number of readers. A sum taken while
 * others count is of some moment between call and return, per counter.
 */
#include "base/base.h"

void
metrics_sum(uint64_t *sum, const void *from, size_t n)
{
    const _Atomic uint64_t *counters = from;

    for (size_t i = 0; i < n; i++)
        sum[i] += atomic_load_explicit(&counters[i], memory_order_relaxed);
}
