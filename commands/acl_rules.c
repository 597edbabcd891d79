/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_rules.c - how rules change a user, before it is published.
 *
 * A rule is a word ("on", "+get", "~key*"), or several in parentheses for a
 * selector. Any thread, each its own user.
 */
#include "commands/acl.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- commands ------------------------------------------------------------ */

static void
set_bit(struct acl_selector *s, size_t bit, bool allow)
{
    uint64_t mask = (uint64_t)1 << bit % 64;

    if (allow) {
        s->commands[bit / 64] |= mask;
    } else {
        s->commands[bit / 64] &= ~mask;
        s->all_commands = false;
    }
}

static void
forget_first_args(struct acl_selector *s, unsigned row)
{
    size_t n = 0;

    for (size_t i = 0; i < s->first_args.n; i++) {
        if (s->first_args.at[i].tag == row)
            free(s->first_args.at[i].p);
        else
            s->first_args.at[n++] = s->first_args.at[i];
    }
    s->first_args.n = n;
}

void
acl_selector_command(
    struct acl_selector *s, const struct command *row, bool allow)
{
    set_bit(s, command_id(row), allow);
    forget_first_args(s, (unsigned)command_id(row));
    if (!(row->flags & CMD_CONTAINER))
        return;
    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub))
        set_bit(s, command_id(sub), allow);
}

void
acl_selector_category(
    struct acl_selector *s, enum category category, bool allow)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        if (command_in_category(&command_table[i], category))
            acl_selector_command(s, &command_table[i], allow);
    }
    if (category_is_hollow(category))
        set_bit(s, ACL_CATEGORY_BIT(category), allow);
}

void
acl_selector_all(struct acl_selector *s, bool allow)
{
    memset(s->commands, allow ? 0xff : 0, sizeof(s->commands));
    s->all_commands = s->from_all = allow;
    acl_words_clear(&s->first_args);
}

/* A word of a rule: without blanks and NUL bytes. */
static bool
is_word(struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.p[i] == '\0' || isspace((unsigned char)word.p[i]))
            return false;
    }
    return true;
}

/* "+select|0": the argument of a command that has no subcommands. */
static enum acl_status
allow_first_arg(
    struct acl_selector *s, const struct command *row, struct str arg)
{
    unsigned id = (unsigned)command_id(row);

    if (!is_word(arg))
        return ACL_SYNTAX;
    for (size_t i = 0; i < s->first_args.n; i++) {
        if (s->first_args.at[i].tag == id &&
            str_ieq(acl_word_str(&s->first_args.at[i]), arg))
            return ACL_OK;
    }
    acl_words_add(&s->first_args, id, arg);
    return ACL_OK;
}

static enum acl_status
allow_command(
    struct acl_selector *s, const struct acl_context *x, struct str name)
{
    const struct command *row = command_find_full(x->index, name);
    const char *bar = memrchr(name.p, '|', name.len);

    if (bar != NULL) {
        struct str head = {name.p, (size_t)(bar - name.p)};
        struct str rest = {bar + 1, name.len - head.len - 1};
        const struct command *first = command_find_full(x->index, head);

        if (first == NULL)
            return ACL_UNKNOWN;
        if (strchr(first->name, '|') != NULL)
            return ACL_ARG_OF_SUBCOMMAND;
        if (rest.len == 0)
            return ACL_SYNTAX;
        if (!(first->flags & CMD_CONTAINER))
            return allow_first_arg(s, first, rest);
    }
    if (row == NULL)
        return ACL_UNKNOWN;
    acl_selector_command(s, row, true);
    return ACL_OK;
}

/* `rule` begins with + or -. */
static enum acl_status
apply_command(
    struct acl_selector *s, const struct acl_context *x, struct str rule)
{
    bool allow = rule.p[0] == '+';
    struct str name = {rule.p + 1, rule.len - 1};
    const struct command *row;

    if (name.len > 0 && name.p[0] == '@') {
        enum category category =
            category_find((struct str){name.p + 1, name.len - 1});

        if (category == CATEGORIES_N)
            return ACL_UNKNOWN;
        acl_selector_category(s, category, allow);
        return ACL_OK;
    }
    if (name.len == 0)
        return ACL_UNKNOWN;
    if (allow)
        return allow_command(s, x, name);
    row = command_find_full(x->index, name);
    if (row == NULL)
        return ACL_UNKNOWN;
    acl_selector_command(s, row, false);
    return ACL_OK;
}

/* ---- keys and channels --------------------------------------------------- */

bool
acl_name_valid(struct str name)
{
    return name.len > 0 && is_word(name);
}

/* Cut the "~", "%R~", "%W~" or "%RW~" off; 0 if it is none of these. */
static unsigned
cut_key_rights(struct str *rule)
{
    unsigned may = 0;
    size_t i = 1;

    if (rule->p[0] == '~')
        may = ACL_MAY_READ | ACL_MAY_WRITE;
    for (; rule->p[0] == '%' && i < rule->len && rule->p[i] != '~'; i++) {
        char c = (char)toupper((unsigned char)rule->p[i]);
        unsigned bit = c == 'R' ? ACL_MAY_READ : c == 'W' ? ACL_MAY_WRITE : 0;

        if (bit == 0 || may & bit)
            return 0;
        may |= bit;
    }
    if (rule->p[0] == '%' && i++ == rule->len)
        return 0;
    *rule = (struct str){rule->p + i, rule->len - i};
    return may;
}

static enum acl_status
apply_key(struct acl_selector *s, struct str rule)
{
    unsigned may;
    struct acl_word *same;

    if (s->all_keys)
        return ACL_KEYS_AFTER_ALL;
    may = cut_key_rights(&rule);
    if (may == 0 || !is_word(rule))
        return ACL_SYNTAX;
    same = acl_words_find(&s->keys, rule);
    if (same != NULL)
        same->tag |= may;
    else
        acl_words_add(&s->keys, may, rule);
    return ACL_OK;
}

static enum acl_status
apply_channel(struct acl_selector *s, struct str rule)
{
    struct str pattern = {rule.p + 1, rule.len - 1};

    if (s->all_channels)
        return ACL_CHANNELS_AFTER_ALL;
    if (!is_word(pattern))
        return ACL_SYNTAX;
    if (acl_words_find(&s->channels, pattern) == NULL)
        acl_words_add(&s->channels, 0, pattern);
    return ACL_OK;
}

static void
set_keys(struct acl_selector *s, bool all)
{
    acl_words_clear(&s->keys);
    s->all_keys = all;
}

static void
set_channels(struct acl_selector *s, bool all)
{
    acl_words_clear(&s->channels);
    s->all_channels = all;
}

/* ---- rules of a selector ------------------------------------------------- */

static bool
is_rule(struct str rule, const char *word, const char *same)
{
    return str_ieq(rule, str_of(word)) ||
        (same != NULL && str_ieq(rule, str_of(same)));
}

static enum acl_status
apply_to_selector(
    struct acl_selector *s, const struct acl_context *x, struct str rule)
{
    if (is_rule(rule, "allkeys", "~*"))
        set_keys(s, true);
    else if (is_rule(rule, "resetkeys", NULL))
        set_keys(s, false);
    else if (is_rule(rule, "allchannels", "&*"))
        set_channels(s, true);
    else if (is_rule(rule, "resetchannels", NULL))
        set_channels(s, false);
    else if (is_rule(rule, "allcommands", "+@all"))
        acl_selector_all(s, true);
    else if (is_rule(rule, "nocommands", "-@all"))
        acl_selector_all(s, false);
    else if (rule.p[0] == '~' || rule.p[0] == '%')
        return apply_key(s, rule);
    else if (rule.p[0] == '&')
        return apply_channel(s, rule);
    else if (rule.p[0] == '+' || rule.p[0] == '-')
        return apply_command(s, x, rule);
    else
        return ACL_SYNTAX;
    return ACL_OK;
}

/* "( ... )" */
static enum acl_status
apply_new_selector(
    struct acl_user *u, const struct acl_context *x, struct str rule)
{
    struct acl_selector *s = acl_user_add_selector(u, x);
    const char *p = rule.p + 1, *end = rule.p + rule.len - 1;
    enum acl_status status = ACL_OK;

    while (p < end && status == ACL_OK) {
        const char *from = p;

        while (p < end && !isspace((unsigned char)*p))
            p++;
        if (p > from)
            status =
                apply_to_selector(s, x, (struct str){from, (size_t)(p - from)});
        else
            p++;
    }
    return status;
}

static void
clear_selectors(struct acl_user *u)
{
    while (u->n_selectors > 1)
        acl_selector_clear(&u->selectors[--u->n_selectors]);
}

/* ---- passwords ----------------------------------------------------------- */

static bool
read_hex(struct str hex, struct acl_digest *out)
{
    static const char digits[] = "0123456789abcdef";

    if (hex.len != 2 * SHA256_BYTES)
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        const char *at = memchr(digits, hex.p[i], 16);

        if (at == NULL)
            return false;
        out->bytes[i / 2] =
            (uint8_t)(out->bytes[i / 2] << 4 | (uint8_t)(at - digits));
    }
    return true;
}

static size_t
find_password(const struct acl_user *u, const struct acl_digest *d)
{
    size_t i = 0;

    while (i < u->n_passwords && memcmp(&u->passwords[i], d, sizeof(*d)) != 0)
        i++;
    return i;
}

static void
clear_passwords(struct acl_user *u, bool nopass)
{
    u->n_passwords = 0;
    u->flags &= ~(unsigned)ACL_NOPASS;
    if (nopass)
        u->flags |= ACL_NOPASS;
}

/* >password #hash <password !hash */
static enum acl_status
apply_password(struct acl_user *u, struct str rule)
{
    struct acl_digest d = {{0}};
    struct str rest = {rule.p + 1, rule.len - 1};
    bool add = rule.p[0] == '>' || rule.p[0] == '#';
    size_t i;

    if (rule.p[0] == '>' || rule.p[0] == '<')
        sha256(rest.p, rest.len, d.bytes);
    else if (!read_hex(rest, &d))
        return ACL_BAD_HASH;
    i = find_password(u, &d);
    if (!add && i == u->n_passwords)
        return ACL_NO_SUCH_PASSWORD;
    if (!add) {
        u->n_passwords--;
        memmove(&u->passwords[i], &u->passwords[i + 1],
            (u->n_passwords - i) * sizeof(d));
        return ACL_OK;
    }
    if (i == u->n_passwords) {
        u->passwords = xrealloc(u->passwords, (i + 1) * sizeof(d));
        u->passwords[u->n_passwords++] = d;
    }
    u->flags &= ~(unsigned)ACL_NOPASS;
    return ACL_OK;
}

/* ---- rules of a user ----------------------------------------------------- */

static void
reset_user(struct acl_user *u, const struct acl_context *x)
{
    clear_selectors(u);
    clear_passwords(u, false);
    set_keys(&u->selectors[0], false);
    set_channels(&u->selectors[0], x->all_channels);
    acl_selector_all(&u->selectors[0], false);
    u->flags = ACL_SANITIZE;
}

static void
set_sanitize(struct acl_user *u, unsigned flag)
{
    u->flags &= ~(unsigned)(ACL_SANITIZE | ACL_SKIP_SANITIZE);
    u->flags |= flag;
}

static enum acl_status
apply(struct acl_user *u, const struct acl_context *x, struct str rule)
{
    if (is_rule(rule, "on", NULL))
        u->flags |= ACL_ON;
    else if (is_rule(rule, "off", NULL))
        u->flags &= ~(unsigned)ACL_ON;
    else if (is_rule(rule, "skip-sanitize-payload", NULL))
        set_sanitize(u, ACL_SKIP_SANITIZE);
    else if (is_rule(rule, "sanitize-payload", NULL))
        set_sanitize(u, ACL_SANITIZE);
    else if (is_rule(rule, "nopass", NULL))
        clear_passwords(u, true);
    else if (is_rule(rule, "resetpass", NULL))
        clear_passwords(u, false);
    else if (is_rule(rule, "clearselectors", NULL))
        clear_selectors(u);
    else if (is_rule(rule, "reset", NULL))
        reset_user(u, x);
    else if (strchr("><#!", rule.p[0]) != NULL)
        return apply_password(u, rule);
    else if (rule.p[0] == '(' && rule.p[rule.len - 1] == ')')
        return apply_new_selector(u, x, rule);
    else
        return apply_to_selector(&u->selectors[0], x, rule);
    return ACL_OK;
}

static bool
allows_everything(const struct acl_user *u)
{
    for (size_t i = 0; i < u->n_selectors; i++) {
        const struct acl_selector *s = &u->selectors[i];

        if (s->all_commands && s->all_keys && s->all_channels)
            return true;
    }
    return false;
}

enum acl_status
acl_user_apply(struct acl_user *u, const struct acl_context *x, struct str rule)
{
    enum acl_status status;

    if (rule.len == 0)
        return ACL_OK;
    if (rule.p[0] == '\0')
        return ACL_SYNTAX;
    status = apply(u, x, rule);
    u->unrestricted = allows_everything(u);
    return status;
}

const char *
acl_status_text(enum acl_status status)
{
    switch (status) {
    case ACL_OK:
        return "";
    case ACL_SYNTAX:
        return "Syntax error";
    case ACL_UNKNOWN:
        return "Unknown command or category name in ACL";
    case ACL_KEYS_AFTER_ALL:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) "
               "is not valid and does not have any effect. Try 'resetkeys' to "
               "start with an empty list of patterns";
    case ACL_CHANNELS_AFTER_ALL:
        return "Adding a pattern after the * pattern (or the 'allchannels' "
               "flag) is not valid and does not have any effect. Try "
               "'resetchannels' to start with an empty list of channels";
    case ACL_NO_SUCH_PASSWORD:
        return "The password you are trying to remove from the user does not "
               "exist";
    case ACL_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain "
               "only lowercase hexadecimal characters";
    case ACL_ARG_OF_SUBCOMMAND:
        return "Allowing first-arg of a subcommand is not supported";
    }
    UNREACHABLE();
}

/* ---- several rules ------------------------------------------------------- */

static bool
opens(struct str word)
{
    return word.len > 0 && word.p[0] == '(' && word.p[word.len - 1] != ')';
}

static bool
closes(struct str word)
{
    return word.len > 0 && word.p[word.len - 1] == ')';
}

static bool
is_matched(const struct str *words, size_t n, size_t *unmatched)
{
    bool open = false;

    for (size_t i = 0; i < n; i++) {
        if (opens(words[i])) {
            open = true;
            *unmatched = i;
        } else if (open && closes(words[i])) {
            open = false;
        }
    }
    return !open;
}

bool
acl_each_rule(const struct str *words, size_t n, size_t *unmatched,
    bool (*fn)(void *arg, struct str rule), void *arg)
{
    struct buf joined = {0};
    bool open = false, more = true;

    if (!is_matched(words, n, unmatched))
        return false;
    for (size_t i = 0; i < n && more; i++) {
        if (opens(words[i])) {
            open = true;
            joined.len = 0;
        } else if (!open) {
            more = fn(arg, words[i]);
            continue;
        } else {
            buf_append(&joined, " ", 1);
        }
        buf_append(&joined, words[i].p, words[i].len);
        if (open && closes(words[i])) {
            open = false;
            more = fn(arg, (struct str){joined.p, joined.len});
        }
    }
    if (joined.p != NULL)
        explicit_bzero(joined.p, joined.cap);
    buf_free(&joined);
    return true;
}
