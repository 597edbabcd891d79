/* SPDX-License-Identifier: BSD-3-Clause */
/* model.h - what the files of the sequential store share; see history.h.
 *
 * Each function does something to the state of one configuration of the search
 * or to the text of the answer that the store gives; any thread that owns
 * these may call it.
 */
#pragma once

#include "client-tests/history.h"

/* ---- words (model_words.c) ----------------------------------------------- */

bool model_is_of_fields(enum verb verb);

/* The text of a script; NULL for a command. */
const char *model_script(enum verb verb);

/* The field after that of the step. */
unsigned model_second_field(const struct step *s);

/* ---- answers ------------------------------------------------------------- */

/* The text of an answer, as reply_text() writes it. */
struct text {
    char p[HISTORY_REPLY];
    size_t len;
};

/* Append to an answer. */
void model_say(struct text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Append the string of a key, or nil. */
void model_say_value(struct text *t, const struct model_key *k);

/* ---- keys ---------------------------------------------------------------- */

/* All who watch the key will not run their EXEC. */
void model_touch(struct model *m, unsigned key);

/* Take the key out; false if it is not there. */
bool model_drop(struct model *m, unsigned key);

/* A new value; the deadline stays. */
void model_put(struct model *m, unsigned key, const char *p, size_t len);

void model_clear_deadline(struct model_key *k);

/* ---- fields (model_hash.c) ----------------------------------------------- */

/* Do a step that model_is_of_fields(). */
void model_do_fields(struct model *m, const struct step *s, struct text *out);

/* Move the field of a step from its key to the other, and say what it is. */
void model_move_field(struct model *m, const struct step *s, struct text *out);

/* ---- scripts (model_script.c) -------------------------------------------- */

/* Do a step that has a model_script(). */
void model_do_script(struct model *m, const struct step *s, struct text *out);
