/* SPDX-License-Identifier: BSD-3-Clause */
/* hotkeys.h - which keys are used most: HOTKEYS. */
#pragma once

#include "commands/internal.h"

/* Off until hotkeys_configure(). */
struct hotkeys *hotkeys_new(struct slab *slab);
void hotkeys_free(struct hotkeys *h);

/* Take over the directives; what was counted with others is forgotten. One
 * thread at a time. */
void hotkeys_configure(struct commands *c);

/* A command is about to run: count its keys, if it is the turn of a sample.
 * Called only with ACTIVE_HOTKEYS. Owner thread. */
void hotkeys_note(struct request *rq);
