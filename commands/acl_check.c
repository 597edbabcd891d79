/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_check.c - may a user run a command with these keys and channels?
 *
 * A selector must allow all of it; selectors do not add up. Reads immutable
 * users only; any thread.
 */
#include "commands/acl.h"

/* ---- one selector -------------------------------------------------------- */

static bool
allows_command(const struct acl_selector *s, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    size_t id = command_id(row);

    if (s->all_commands || row->flags & CMD_NO_AUTH || acl_selector_has(s, id))
        return true;
    for (size_t i = 0; i < s->first_args.n && argc > 1; i++) {
        const struct acl_word *w = &s->first_args.at[i];

        if (w->tag == id &&
            str_ieq(acl_word_str(w), (struct str){argv[1].p, argv[1].len}))
            return true;
    }
    return false;
}

static bool
allows_key(const struct acl_selector *s, struct str key, unsigned flags)
{
    unsigned needs = (flags & KEY_READS ? ACL_MAY_READ : 0) |
        (flags & KEY_WRITES ? ACL_MAY_WRITE : 0);

    for (size_t i = 0; i < s->keys.n; i++) {
        const struct acl_word *w = &s->keys.at[i];

        if ((w->tag & needs) == needs &&
            glob_match(acl_word_str(w), key, false))
            return true;
    }
    return false;
}

/* The first key that is not allowed; 0 if all are. */
static int
find_denied_key(const struct acl_selector *s, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    struct command_keys keys = command_keys_of(row, argv, argc);

    if (s->all_keys)
        return 0;
    for (int i = keys.first; i <= keys.last; i += keys.step) {
        if (!allows_key(s, (struct str){argv[i].p, argv[i].len},
                command_key_flags(row, argv, argc, i)))
            return i;
    }
    return 0;
}

/* A pattern to subscribe to must be one of the user's own, letter by letter. */
static bool
allows_channel(const struct acl_selector *s, struct str name, bool is_pattern)
{
    if (s->all_channels)
        return true;
    for (size_t i = 0; i < s->channels.n; i++) {
        struct str pattern = acl_word_str(&s->channels.at[i]);

        if (is_pattern ? str_eq(pattern, name)
                       : glob_match(pattern, name, false))
            return true;
    }
    return false;
}

static int
find_denied_channel(const struct acl_selector *s, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    struct command_channels channels = command_channels_of(row, argc);

    for (int i = channels.first; i <= channels.last; i++) {
        if (!allows_channel(
                s, (struct str){argv[i].p, argv[i].len}, channels.patterns))
            return i;
    }
    return 0;
}

static enum acl_denial
check_selector(const struct acl_selector *s, const struct command *row,
    const struct resp_arg *argv, int argc, int *at)
{
    if (!allows_command(s, row, argv, argc))
        return ACL_DENIED_COMMAND;
    *at = find_denied_key(s, row, argv, argc);
    if (*at > 0)
        return ACL_DENIED_KEY;
    *at = find_denied_channel(s, row, argv, argc);
    return *at > 0 ? ACL_DENIED_CHANNEL : ACL_ALLOWED;
}

/* ---- a user -------------------------------------------------------------- */

/* Of several refusals the one that came furthest is told. */
enum acl_denial
acl_check(const struct acl_user *u, const struct command *row,
    const struct resp_arg *argv, int argc, int *at)
{
    enum acl_denial worst = ACL_DENIED_COMMAND;

    *at = 0;
    for (size_t i = 0; i < u->n_selectors; i++) {
        int here = 0;
        enum acl_denial denial =
            check_selector(&u->selectors[i], row, argv, argc, &here);

        if (denial == ACL_ALLOWED)
            return ACL_ALLOWED;
        if (denial > worst || (denial == worst && here > *at)) {
            worst = denial;
            *at = here;
        }
    }
    return worst;
}

static bool
reads_all_keys(const struct acl_selector *s)
{
    if (s->all_keys)
        return true;
    for (size_t i = 0; i < s->keys.n; i++) {
        if (s->keys.at[i].tag & ACL_MAY_READ &&
            str_eq(acl_word_str(&s->keys.at[i]), STR("*")))
            return true;
    }
    return false;
}

bool
acl_check_reads_all(const struct acl_user *u, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    int at = 0;

    for (size_t i = 0; i < u->n_selectors; i++) {
        const struct acl_selector *s = &u->selectors[i];

        if (reads_all_keys(s) &&
            check_selector(s, row, argv, argc, &at) == ACL_ALLOWED)
            return true;
    }
    return false;
}

bool
acl_may_listen(
    const struct acl_user *u, enum channel_kind kind, struct str name)
{
    for (size_t i = 0; i < u->n_selectors; i++) {
        if (allows_channel(&u->selectors[i], name, kind == CHANNEL_PATTERN))
            return true;
    }
    return false;
}
