/* SPDX-License-Identifier: BSD-3-Clause */
/* error_codes.c - which words errors begin with: INFO errorstats.
 *
 * The codes that the server gives often are counted by each worker for itself
 * (stats.c). Others, which scripts make up, are counted here under a lock, up
 * to a number: what clients may invent must not fill the memory. Any thread.
 */
#include "commands/internal.h"

#include <ctype.h>
#include <stdlib.h>

#define MAX_CODES 128

struct other_code {
    char name[ERROR_CODE_CHARS + 1];
    uint64_t count;
};

struct other_codes {
    pthread_mutex_t lock;            /* a leaf in the lock order */
    size_t n;                        /* [lock] */
    uint64_t missed;                 /* [lock] for which there was no room */
    struct other_code at[MAX_CODES]; /* [lock] in order of appearance */
};

struct other_codes *
other_codes_new(void)
{
    struct other_codes *o = xcalloc(1, sizeof(*o));

    ASSERT(pthread_mutex_init(&o->lock, NULL) == 0);
    return o;
}

void
other_codes_free(struct other_codes *o)
{
    ASSERT(pthread_mutex_destroy(&o->lock) == 0);
    free(o);
}

void
other_codes_reset(struct other_codes *o)
{
    pthread_mutex_lock(&o->lock);
    o->n = 0;
    o->missed = 0;
    pthread_mutex_unlock(&o->lock);
}

/* As it can stand in a line of INFO. */
static void
write_name(char *to, struct str code)
{
    size_t n = MIN(code.len, (size_t)ERROR_CODE_CHARS);

    for (size_t i = 0; i < n; i++) {
        char c = code.p[i];

        to[i] = isgraph((unsigned char)c) && c != ':' && c != '#' ? c : '_';
    }
    to[n] = '\0';
}

void
other_codes_count(struct other_codes *o, struct str code)
{
    char name[ERROR_CODE_CHARS + 1];
    size_t i = 0;

    write_name(name, code);
    pthread_mutex_lock(&o->lock);
    while (i < o->n && strcmp(o->at[i].name, name) != 0)
        i++;
    if (i == o->n && i < MAX_CODES) {
        memcpy(o->at[i].name, name, sizeof(name));
        o->at[i].count = 0;
        o->n++;
    }
    if (i < o->n)
        o->at[i].count++;
    else
        o->missed++;
    pthread_mutex_unlock(&o->lock);
}

void
other_codes_write(struct other_codes *o, struct buf *out)
{
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->n; i++)
        buf_printf(out, "errorstat_%s:count=%llu\r\n", o->at[i].name,
            (unsigned long long)o->at[i].count);
    if (o->missed > 0)
        buf_printf(out, "errorstat_OTHER:count=%llu\r\n",
            (unsigned long long)o->missed);
    pthread_mutex_unlock(&o->lock);
}
