/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of protocol/ share. */
#pragma once

#include "protocol/resp.h"

/* Where the next word of the line begins; `end` if there is none. */
char *inline_skip_spaces(char *s, const char *end);

/* Read the word at `s` in place: what it resolves to is never longer than what
 * it was. A closing quote ends the word. Returns where the line goes on, and
 * the length of what it resolves to; NULL if quotes are unbalanced. */
char *inline_read_word(char *s, const char *end, size_t *len);
