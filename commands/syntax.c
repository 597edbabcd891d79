/* SPDX-License-Identifier: BSD-3-Clause */
/* syntax.c - from an argument syntax string to the tree of COMMAND DOCS.
 *
 *     key value [NX|XX] [EX seconds|PX milliseconds] [key value ...]
 *
 * A word in capitals is a token, any other a value. A token takes the values
 * after it, or, when a further token follows, the whole choice after it
 * ([TYPE NORMAL|PUBSUB]). A choice binds weaker than a sequence. Brackets mean
 * optional, unless they end in "...": then they say that the arguments before
 * them repeat, with their token if that stands there again. The strings come from table.h alone, so a bad one is a bug and
 * ends in an assertion. Any thread.
 */
#include "commands/internal.h"

#include <ctype.h>

#define MAX_NODES 64

enum node_type {
    NODE_VALUE,
    NODE_TOKEN,
    NODE_ONEOF,
    NODE_BLOCK
};

struct node {
    enum node_type type;
    struct str name;  /* of a value */
    struct str token; /* "" if none */
    bool optional, multiple;
    bool multiple_token; /* it stands before each */
    struct node *child, *next;
};

struct parser {
    const char *at;
    struct node nodes[MAX_NODES];
    size_t n_nodes;
};

/* A list of siblings under construction. */
struct list {
    struct node *first, *last;
    size_t n;
};

/* ---- words --------------------------------------------------------------- */

static void
skip_spaces(struct parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool
is_word_char(char c)
{
    return c != '\0' && strchr(" []|", c) == NULL;
}

static bool
at_word(struct parser *p)
{
    skip_spaces(p);
    return is_word_char(*p->at);
}

static bool
at_token(struct parser *p)
{
    return at_word(p) && isupper((unsigned char)*p->at);
}

static struct str
take_word(struct parser *p)
{
    struct str word = {p->at, 0};

    while (is_word_char(*p->at))
        p->at++;
    word.len = (size_t)(p->at - word.p);
    return word;
}

static bool
take_char(struct parser *p, char c)
{
    skip_spaces(p);
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

/* ---- the tree ------------------------------------------------------------ */

static struct node *
new_node(struct parser *p, enum node_type type)
{
    struct node *node;

    ASSERT(p->n_nodes < MAX_NODES);
    node = &p->nodes[p->n_nodes++];
    memset(node, 0, sizeof(*node));
    node->type = type;
    node->name = STR("");
    node->token = STR("");
    return node;
}

static void
append(struct list *list, struct node *node)
{
    if (list->last == NULL)
        list->first = node;
    else
        list->last->next = node;
    list->last = node;
    list->n++;
}

/* One node for a list: itself if it has one element. */
static struct node *
as_one(struct parser *p, enum node_type type, struct list list)
{
    struct node *node;

    ASSERT(list.n > 0);
    if (list.n == 1)
        return list.first;
    node = new_node(p, type);
    node->child = list.first;
    return node;
}

/* How many words stand in "[a b ...]" at the cursor; 0 when the brackets there
 * do not end so. */
static size_t
words_repeated(const char *at)
{
    size_t n = 0;

    ASSERT(*at == '[');
    for (at++; *at != ']' && *at != '['; n++) {
        if (strncmp(at, "...]", 4) == 0)
            return n;
        while (is_word_char(*at))
            at++;
        if (*at != ' ')
            return 0;
        at++;
    }
    return 0;
}

/* The last n of the list repeat. */
static void
mark_repeated(struct parser *p, struct list *list, size_t n)
{
    struct list head = {0}, tail = {0};
    struct node *next;

    ASSERT(n <= list->n);
    for (struct node *node = list->first; node != NULL; node = next) {
        next = node->next;
        node->next = NULL;
        append(head.n < list->n - n ? &head : &tail, node);
    }
    append(&head, as_one(p, NODE_BLOCK, tail));
    head.last->multiple = true;
    *list = head;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as the brackets of our own table */

static struct node *parse_choice(struct parser *p);

/* The last values of a token, but not all, repeat: "FIELDS numfields field
 * [field ...]". */
static void
take_repetition(struct parser *p, struct list *values)
{
    size_t repeated = *p->at == '[' ? words_repeated(p->at) : 0;

    if (repeated == 0 || repeated >= values->n)
        return;
    p->at = strchr(p->at, ']') + 1;
    skip_spaces(p);
    mark_repeated(p, values, repeated);
}

/* A token and what it takes. */
static struct node *
parse_token(struct parser *p)
{
    struct str token = take_word(p);
    struct list values = {0};
    struct node *node;

    if (at_token(p)) {
        node = parse_choice(p);
        ASSERT(node->type == NODE_ONEOF);
    } else {
        while (at_word(p)) {
            append(&values, new_node(p, NODE_VALUE));
            values.last->name = take_word(p);
        }
        take_repetition(p, &values);
        node = values.n == 0 ? new_node(p, NODE_TOKEN)
                             : as_one(p, NODE_BLOCK, values);
    }
    ASSERT(node->token.len == 0);
    node->token = token;
    return node;
}

static void
parse_brackets(struct parser *p, struct list *list)
{
    size_t repeated = words_repeated(p->at);

    if (repeated > 0) {
        bool with_token = isupper((unsigned char)p->at[1]);

        p->at = strchr(p->at, ']') + 1;
        mark_repeated(p, list, with_token ? 1 : repeated);
        list->last->multiple_token = with_token;
        return;
    }
    p->at++;
    append(list, parse_choice(p));
    list->last->optional = true;
    ASSERT(take_char(p, ']'));
}

static struct list
parse_sequence(struct parser *p)
{
    struct list list = {0};

    for (;;) {
        if (at_token(p)) {
            append(&list, parse_token(p));
        } else if (at_word(p)) {
            append(&list, new_node(p, NODE_VALUE));
            list.last->name = take_word(p);
        } else if (*p->at == '[') {
            parse_brackets(p, &list);
        } else {
            return list;
        }
    }
}

static struct node *
parse_choice(struct parser *p)
{
    struct list choices = {0};

    do
        append(&choices, as_one(p, NODE_BLOCK, parse_sequence(p)));
    while (take_char(p, '|'));
    return as_one(p, NODE_ONEOF, choices);
}

/* NOLINTEND(misc-no-recursion) */

/* The first argument of the whole string; NULL if it has none. */
static const struct node *
parse(struct parser *p)
{
    const struct node *all;

    if (*p->at == '\0')
        return NULL;
    all = parse_choice(p);
    ASSERT(*p->at == '\0');
    if (all->type == NODE_BLOCK && all->token.len == 0 && !all->multiple &&
        !all->optional)
        return all->child;
    return all;
}

/* ---- the reply ----------------------------------------------------------- */

/* Types of values by name; what is not here is a string. */
static const struct {
    const char *name, *type;
} value_types[] = {
    {"key", "key"},
    {"pattern", "pattern"},
    {"float-increment", "double"},
    {"unix-time-seconds", "unix-time"},
    {"unix-time-milliseconds", "unix-time"},
    {"client-id", "integer"},
    {"count", "integer"},
    {"cursor", "integer"},
    {"decrement", "integer"},
    {"end", "integer"},
    {"increment", "integer"},
    {"index", "integer"},
    {"maxage", "integer"},
    {"milliseconds", "integer"},
    {"numfields", "integer"},
    {"offset", "integer"},
    {"protover", "integer"},
    {"seconds", "integer"},
    {"start", "integer"},
};

static const char *
type_name(const struct node *node)
{
    switch (node->type) {
    case NODE_TOKEN:
        return "pure-token";
    case NODE_ONEOF:
        return "oneof";
    case NODE_BLOCK:
        return "block";
    case NODE_VALUE:
        break;
    }
    for (size_t i = 0; i < ARRAY_LEN(value_types); i++) {
        if (str_eq(node->name, str_of(value_types[i].name)))
            return value_types[i].type;
    }
    return "string";
}

/* A value has its own name, others that of their token or first child. */
static void
reply_name(struct reply *r, const struct node *node)
{
    char name[32];
    struct str from;

    while (node->name.len == 0 && node->token.len == 0) {
        node = node->child;
        ASSERT(node != NULL);
    }
    from = node->name.len > 0 ? node->name : node->token;
    ASSERT(from.len <= sizeof(name));
    for (size_t i = 0; i < from.len; i++)
        name[i] = (char)tolower((unsigned char)from.p[i]);
    reply_bulk(r, (struct str){name, from.len});
}

static void
reply_flags(struct reply *r, const struct node *node)
{
    reply_bulk_cstr(r, "flags");
    reply_set(
        r, (size_t)node->optional + node->multiple + node->multiple_token);
    if (node->optional)
        reply_simple(r, "optional");
    if (node->multiple)
        reply_simple(r, "multiple");
    if (node->multiple_token)
        reply_simple(r, "multiple_token");
}

/* NOLINTBEGIN(misc-no-recursion): as deep as the brackets of our own table */

static void reply_nodes(struct reply *r, const struct node *first);

static void
reply_node(struct reply *r, const struct node *node)
{
    bool flagged = node->optional || node->multiple;
    bool is_key = strcmp(type_name(node), "key") == 0;

    reply_map(r,
        2 + (size_t)is_key + (node->token.len > 0) + flagged +
            (node->child != NULL));
    reply_bulk_cstr(r, "name");
    reply_name(r, node);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, type_name(node));
    if (is_key) {
        reply_bulk_cstr(r, "key_spec_index");
        reply_int(r, 0);
    }
    if (node->token.len > 0) {
        reply_bulk_cstr(r, "token");
        reply_bulk(r, node->token);
    }
    if (flagged)
        reply_flags(r, node);
    if (node->child != NULL) {
        reply_bulk_cstr(r, "arguments");
        reply_nodes(r, node->child);
    }
}

static void
reply_nodes(struct reply *r, const struct node *first)
{
    size_t n = 0;

    for (const struct node *node = first; node != NULL; node = node->next)
        n++;
    reply_array(r, n);
    for (const struct node *node = first; node != NULL; node = node->next)
        reply_node(r, node);
}

/* NOLINTEND(misc-no-recursion) */

void
syntax_reply(struct reply *r, const char *syntax)
{
    struct parser p = {.at = syntax};

    reply_nodes(r, parse(&p));
}
