/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_describe.c - a user as the rules that make it: ACL LIST, GETUSER, SAVE.
 *
 * The commands of a selector are a set of bits. The text for it begins with all
 * or none, takes categories as long as one brings more right than wrong, and
 * then single commands; a second selector is changed by the same rules on the
 * way and shows what is still different. Any thread.
 */
#include "commands/acl.h"

/* ---- categories ---------------------------------------------------------- */

struct share {
    size_t on, off;
};

static void
count_bit(const struct acl_selector *s, size_t bit, struct share *share)
{
    if (acl_selector_has(s, bit))
        share->on++;
    else
        share->off++;
}

/* How many of a category's commands does the selector allow? Of one that is
 * hollow, whether a rule was about it. */
static struct share
count_category(const struct acl_selector *s, enum category category)
{
    struct share share = {0, 0};

    if (category_is_hollow(category)) {
        count_bit(s, ACL_CATEGORY_BIT(category), &share);
        return share;
    }
    for (size_t i = 0; i < command_table_rows; i++) {
        if (command_in_category(&command_table[i], category))
            count_bit(s, i, &share);
    }
    return share;
}

/* The category, not in `used`, that brings the fewest wrong commands, and the
 * most right ones among equals; CATEGORIES_N if none brings more right. */
static enum category
best_category(const struct acl_selector *rest, bool add, uint32_t used)
{
    size_t least_wrong = SIZE_MAX, most_right = 0;
    int best = CATEGORIES_N;

    for (int i = 0; i < CATEGORIES_N; i++) {
        struct share share = count_category(rest, (enum category)i);
        size_t right = add ? share.on : share.off;
        size_t wrong = add ? share.off : share.on;

        if (used >> i & 1 || right <= wrong || wrong > least_wrong ||
            (wrong == least_wrong && right <= most_right))
            continue;
        best = i;
        least_wrong = wrong;
        most_right = right;
    }
    return (enum category)best;
}

static void
describe_categories(
    const struct acl_selector *s, struct acl_selector *made, struct buf *out)
{
    struct acl_selector rest = {0};
    bool add = !s->from_all;
    enum category category;
    uint32_t used = 0;

    memcpy(rest.commands, s->commands, sizeof(rest.commands));
    while ((category = best_category(&rest, add, used)) != CATEGORIES_N) {
        acl_selector_category(made, category, add);
        acl_selector_category(&rest, category, !add);
        buf_printf(out, " %c@%s", add ? '+' : '-', category_names[category]);
        used |= (uint32_t)1 << category;
    }
}

/* ---- commands ------------------------------------------------------------ */

static void
describe_command(const struct acl_selector *s, struct acl_selector *made,
    size_t id, struct buf *out)
{
    const char *name = command_table[id].name;
    bool allow = acl_selector_has(s, id);

    if (allow != acl_selector_has(made, id)) {
        buf_printf(out, " %c%s", allow ? '+' : '-', name);
        acl_selector_command(made, &command_table[id], allow);
    }
    for (size_t i = 0; i < s->first_args.n && !allow; i++) {
        const struct acl_word *arg = &s->first_args.at[i];

        if (arg->tag != id)
            continue;
        buf_printf(out, " +%s|", name);
        buf_append(out, arg->p, arg->len);
    }
}

void
acl_describe_commands(const struct acl_selector *s, struct buf *out)
{
    struct acl_selector made = {0};

    acl_selector_all(&made, s->from_all);
    buf_printf(out, "%s", s->from_all ? "+@all" : "-@all");
    describe_categories(s, &made, out);
    for (size_t i = 0; i < command_table_rows; i++)
        describe_command(s, &made, i, out);
}

/* ---- keys and channels --------------------------------------------------- */

void
acl_describe_keys(const struct acl_selector *s, struct buf *out)
{
    if (s->all_keys)
        buf_printf(out, "~*");
    for (size_t i = 0; i < s->keys.n; i++) {
        const struct acl_word *w = &s->keys.at[i];

        buf_printf(out, "%s%s~", i > 0 ? " " : "",
            w->tag == ACL_MAY_READ        ? "%R"
                : w->tag == ACL_MAY_WRITE ? "%W"
                                          : "");
        buf_append(out, w->p, w->len);
    }
}

void
acl_describe_channels(const struct acl_selector *s, struct buf *out)
{
    if (s->all_channels)
        buf_printf(out, "&*");
    for (size_t i = 0; i < s->channels.n; i++) {
        buf_printf(out, "%s&", i > 0 ? " " : "");
        buf_append(out, s->channels.at[i].p, s->channels.at[i].len);
    }
}

/* ---- the whole ----------------------------------------------------------- */

void
acl_describe_password(const struct acl_digest *d, struct buf *out)
{
    for (size_t i = 0; i < sizeof(d->bytes); i++)
        buf_printf(out, "%02x", d->bytes[i]);
}

const char *
acl_user_flag_name(const struct acl_user *u, unsigned i)
{
    static const struct {
        unsigned flag;
        const char *name;
    } more[] = {
        {ACL_NOPASS, "nopass"},
        {ACL_SKIP_SANITIZE, "skip-sanitize-payload"},
        {ACL_SANITIZE, "sanitize-payload"},
    };

    if (i == 0)
        return u->flags & ACL_ON ? "on" : "off";
    for (size_t k = 0; k < ARRAY_LEN(more); k++)
        if (u->flags & more[k].flag && --i == 0)
            return more[k].name;
    return NULL;
}

static void
describe_selector(const struct acl_selector *s, struct buf *out)
{
    if (s->all_keys || s->keys.n > 0) {
        acl_describe_keys(s, out);
        buf_append(out, " ", 1);
    }
    if (!s->all_channels)
        buf_printf(out, "resetchannels ");
    if (s->all_channels || s->channels.n > 0) {
        acl_describe_channels(s, out);
        buf_append(out, " ", 1);
    }
    acl_describe_commands(s, out);
}

void
acl_describe_user(const struct acl_user *u, struct buf *out)
{
    const char *flag;

    buf_printf(out, "user ");
    buf_append(out, u->name.p, u->name.len);
    buf_append(out, " ", 1);
    for (unsigned i = 0; (flag = acl_user_flag_name(u, i)) != NULL; i++)
        buf_printf(out, "%s ", flag);
    for (size_t i = 0; i < u->n_passwords; i++) {
        buf_append(out, "#", 1);
        acl_describe_password(&u->passwords[i], out);
        buf_append(out, " ", 1);
    }
    describe_selector(&u->selectors[0], out);
    for (size_t i = 1; i < u->n_selectors; i++) {
        buf_printf(out, " (");
        describe_selector(&u->selectors[i], out);
        buf_append(out, ")", 1);
    }
}
