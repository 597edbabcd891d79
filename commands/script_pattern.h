/* SPDX-License-Identifier: BSD-3-Clause */
/* script_pattern.h - one match of a pattern of Lua at a place of a text. */
#pragma once

#include "commands/script_state.h"

#define CAPTURE_UNFINISHED (-1)
#define CAPTURE_POSITION (-2)

struct matching {
    struct script_engine *e;
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    int depth;
    int n_captures;
    struct {
        const char *start;
        ptrdiff_t len; /* or one of the two above */
    } captures[LUA_MAXCAPTURES];
};

/* One step of a loop over text or pattern: raises an error when the script's
 * time is over. */
static inline void
matching_step(struct matching *m)
{
    script_step(m->e, m->L);
}

/* Match the pattern at `p` with the text at `s`; returns where the match ends,
 * with the captures in `m`, or NULL. Raises an error for a bad pattern. */
const char *matching_at(struct matching *m, const char *s, const char *p);
