/* SPDX-License-Identifier: BSD-3-Clause */
/* message.c - what travels between workers, whatever it says. Any thread. */
#include "commands/pubsub.h"

#include <stdlib.h>

struct pubsub_message *
pubsub_message_new(struct slab *slab, size_t size, pubsub_deliver_fn deliver)
{
    struct pubsub_message *m = malloc(size);

    if (m == NULL)
        return NULL;
    *m = (struct pubsub_message){
        .holders = 1, .slab = slab, .bytes = size, .deliver = deliver};
    slab_charge_force(slab, size);
    return m;
}

void
pubsub_message_take(struct pubsub_message *m)
{
    atomic_fetch_add_explicit(&m->holders, 1, memory_order_relaxed);
}

/* The last holder sees what the others did: release, then acquire. */
void
pubsub_message_drop(struct pubsub_message *m)
{
    if (atomic_fetch_sub_explicit(&m->holders, 1, memory_order_acq_rel) > 1)
        return;
    slab_uncharge(m->slab, m->bytes);
    free(m);
}

size_t
pubsub_message_bytes(const struct pubsub_message *m)
{
    return m->bytes;
}

void
pubsub_deliver(struct command_thread *t, const struct pubsub_message *m)
{
    m->deliver(t, m);
}
