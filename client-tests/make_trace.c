/* SPDX-License-Identifier: BSD-3-Clause */
/* make_trace.c - makes a small trace (trace.h) for the tests, the same one at
 * every call: Zipf popularity, log-normal sizes with a tail beyond 16 KiB,
 * a time to live for some keys, a few SETs among the requests.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "client-tests/trace.h"

struct shape {
    uint32_t n_requests, n_keys;
    double alpha;          /* of the Zipf distribution */
    double median, spread; /* of value sizes, log-normal */
    double ttl_share, set_share;
};

static uint64_t random_state = 42;

static double
random_unit(void)
{
    return (double)(splitmix64(&random_state) >> 11) / (double)(1ull << 53);
}

static double
random_normal(void)
{
    return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit());
}

static struct trace_key
random_key(const struct shape *shape)
{
    double bytes = shape->median * exp(shape->spread * random_normal());
    struct trace_key key = {
        .value_bytes = (uint32_t)MIN(bytes, 300000.0),
        .key_bytes = (uint16_t)(12 + 50 * random_unit()),
    };

    if (random_unit() < shape->ttl_share)
        key.ttl_s = (uint32_t)(1 + 60 * random_unit());
    return key;
}

/* The rank of a request: the first whose share of all requests is reached. */
static uint32_t
random_rank(const double *cumulated, uint32_t n)
{
    double u = random_unit() * cumulated[n - 1];
    uint32_t lo = 0, hi = n - 1;

    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2;

        if (cumulated[middle] < u)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static void
make(struct trace *t, const struct shape *shape)
{
    double *cumulated = xcalloc(shape->n_keys, sizeof(*cumulated));
    uint32_t *number = xcalloc(shape->n_keys, sizeof(*number));
    double sum = 0;

    t->keys = xcalloc(shape->n_keys, sizeof(*t->keys));
    t->requests = xcalloc(shape->n_requests, sizeof(*t->requests));
    t->n_requests = shape->n_requests;
    t->rate = 10000;
    for (uint32_t i = 0; i < shape->n_keys; i++)
        cumulated[i] = sum += pow(i + 1, -shape->alpha);
    for (uint32_t i = 0; i < shape->n_requests; i++) {
        uint32_t rank = random_rank(cumulated, shape->n_keys);

        if (number[rank] == 0) { /* its first appearance; numbers from 1 */
            t->keys[t->n_keys] = random_key(shape);
            number[rank] = ++t->n_keys;
        }
        t->requests[i] = number[rank] - 1;
        if (random_unit() < shape->set_share)
            t->requests[i] |= TRACE_SET;
    }
    free(cumulated);
    free(number);
}

static int
usage(void)
{
    fputs(
        "usage: make_trace [-n REQUESTS] [-k KEYS] [-z ALPHA] FILE\n", stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    struct shape shape = {.n_requests = 200000,
        .n_keys = 40000,
        .alpha = 0.9,
        .median = 2000,
        .spread = 1.4,
        .ttl_share = 0.3,
        .set_share = 0.05};
    struct trace t = {0};
    int option;
    bool ok;

    while ((option = getopt(argc, argv, "n:k:z:")) != -1) {
        switch (option) {
        case 'n':
            shape.n_requests = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            shape.n_keys = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'z':
            shape.alpha = strtod(optarg, NULL);
            break;
        default:
            return usage();
        }
    }
    if (optind + 1 != argc || shape.n_requests == 0 || shape.n_keys == 0)
        return usage();
    make(&t, &shape);
    ok = trace_save(&t, argv[optind]);
    free(t.keys);
    free(t.requests);
    return ok ? 0 : 1;
}
