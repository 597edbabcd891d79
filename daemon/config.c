/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c - lists the tables of directives of all modules, reads the file and
 * the command line into them, and checks what one row alone cannot.
 *
 * Main thread, but for config_limits(), which runs under the config lock in
 * the thread of a CONFIG SET.
 */
#include "daemon/internal.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

OPTION_TABLE(slab_rows, SLAB_OPTIONS, struct slab_options);
OPTION_TABLE(keyspace_rows, KEYSPACE_OPTIONS, struct keyspace_options);
OPTION_TABLE(command_rows, COMMAND_OPTIONS, struct command_options);
OPTION_TABLE(daemon_rows, DAEMON_OPTIONS, struct daemon_options);
OPTION_TABLE(tls_rows, TLS_OPTIONS, struct tls_options);
OPTION_TABLE(compat_rows, COMPAT_OPTIONS, struct compat_options);

/* ---- words --------------------------------------------------------------- */

/* Cut the next word off `s`; false at the end. */
static bool
next_word(struct str *s, struct str *word)
{
    while (s->len > 0 && (*s->p == ' ' || *s->p == '\t')) {
        s->p++;
        s->len--;
    }
    word->p = s->p;
    while (s->len > 0 && *s->p != ' ' && *s->p != '\t') {
        s->p++;
        s->len--;
    }
    word->len = (size_t)(s->p - word->p);
    return word->len > 0;
}

static bool
parse_size(struct str s, size_t *out)
{
    int64_t bytes;

    if (!str_to_bytes(s, &bytes))
        return false;
    *out = (size_t)bytes;
    return true;
}

/* ---- checks of single rows ----------------------------------------------- */

/* As Redis prints them; "replica" is another word for "slave". */
static const char *const class_names[OUTPUT_CLASSES] = {
    "normal", "slave", "pubsub"};

static int
find_class(struct str word)
{
    if (str_ieq(word, STR("replica")))
        word = STR("slave");
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        if (str_ieq(word, str_of(class_names[i])))
            return i;
    return -1;
}

/* Read "CLASS HARD SOFT SECONDS ..." into `limits`; classes that are not named
 * stay. NULL or a reason. */
static const char *
parse_output_limits(const char *value, struct output_limit *limits)
{
    struct str rest = str_of(value), class, hard, soft, seconds;
    struct output_limit one;
    int64_t n;

    while (next_word(&rest, &class)) {
        if (!next_word(&rest, &hard) || !next_word(&rest, &soft) ||
            !next_word(&rest, &seconds))
            return "expected CLASS HARD SOFT SECONDS";
        if (find_class(class) < 0)
            return "the class must be normal, slave, replica or pubsub";
        if (!parse_size(hard, &one.hard) || !parse_size(soft, &one.soft))
            return "a limit must be a number of bytes, with a unit or without";
        if (!str_to_i64(seconds, &n) || n < 0 || n > INT32_MAX)
            return "the seconds must be a number";
        one.soft_s = (uint32_t)n;
        limits[find_class(class)] = one;
    }
    return NULL;
}

static const char *
check_output_limits(const char *value)
{
    struct output_limit ignored[OUTPUT_CLASSES];

    return parse_output_limits(value, ignored);
}

/* Take the limits over, and give the directive the form in which Redis prints
 * it: all classes, plain bytes. */
static void
apply_output_limits(struct config *c)
{
    struct buf text = {0}, err = {0};

    options_copy_string(c->set, &c->daemon.client_output_buffer_limit, &text);
    buf_append(&text, "", 1);
    (void)parse_output_limits(text.p, c->output); /* was checked */
    text.len = 0;
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        buf_printf(&text, "%s%s %zu %zu %u", i > 0 ? " " : "", class_names[i],
            c->output[i].hard, c->output[i].soft, c->output[i].soft_s);
    buf_append(&text, "", 1);
    if (!options_set(c->set, "client-output-buffer-limit", text.p, true, &err))
        log_error("client-output-buffer-limit: %.*s", (int)err.len, err.p);
    buf_free(&text);
    buf_free(&err);
}

static const char *
check_workers(const char *value)
{
    struct str s = str_of(value);
    int64_t n;

    if (str_ieq(s, STR("auto")))
        return NULL;
    if (!str_to_i64(s, &n) || n < 0 || n > MAX_WORKERS)
        return "expected auto, or a number from 0 to 256";
    return NULL;
}

static const char *
check_unixsocket(const char *value)
{
    struct sockaddr_un sa;

    if (strlen(value) >= sizeof(sa.sun_path))
        return "a unix socket's path has at most 107 bytes";
    return NULL;
}

static bool
is_numeric(const char *address)
{
    struct in6_addr ignored;

    return inet_pton(AF_INET, address, &ignored) == 1 ||
        inet_pton(AF_INET6, address, &ignored) == 1;
}

/* Absolute paths; as in bind: *, ::* and numeric addresses, "-" before them. */
static const char *
check_metrics_bind(const char *value)
{
    struct str rest = str_of(value), word;
    unsigned n = 0;

    while (next_word(&rest, &word)) {
        char text[sizeof(((struct sockaddr_un *)0)->sun_path)];

        if (++n > MAX_METRICS_ADDRESSES)
            return "too many addresses";
        if (word.len >= sizeof(text))
            return check_unixsocket(value);
        memcpy(text, word.p, word.len);
        text[word.len] = '\0';
        if (*text != '/' && strcmp(text, "*") != 0 &&
            strcmp(text, "::*") != 0 && !is_numeric(text + (*text == '-')))
            return "expected numeric addresses, or paths that begin with /";
    }
    return NULL;
}

static const char *
check_daemon_value(const struct option *row, const char *value)
{
    static const struct {
        const char *name;
        const char *(*check)(const char *value);
    } checks[] = {
        {"client_output_buffer_limit", check_output_limits},
        {"workers", check_workers},
        {"unixsocket", check_unixsocket},
        {"metrics_bind", check_metrics_bind},
    };

    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (strcmp(row->name, checks[i].name) == 0)
            return checks[i].check(value);
    return NULL;
}

/* As Redis takes it: pairs of seconds and changes. */
static const char *
check_compat_value(const struct option *row, const char *value)
{
    struct str rest = str_of(value), word;
    unsigned n = 0;
    int64_t number;

    if (strcmp(row->name, "save") != 0)
        return NULL;
    while (next_word(&rest, &word)) {
        if (!str_to_i64(word, &number) || number < (n % 2 == 0 ? 1 : 0))
            return "Invalid save parameters";
        n++;
    }
    return n % 2 == 0 ? NULL : "Invalid save parameters";
}

/* ---- TLS ----------------------------------------------------------------- */

static const char *
check_tls_protocols(const char *value)
{
    static const char *const known[] = {
        "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    struct str rest = str_of(value), word;

    while (next_word(&rest, &word)) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found = found || str_ieq(word, str_of(known[i]));
        if (!found)
            return "a version is TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3";
    }
    return NULL;
}

static const char *
check_tls_value(const struct option *row, const char *value)
{
    if (!TLS_BUILT && strcmp(value, row->def) != 0)
        return "this ashlard was built without TLS";
    if (strcmp(row->name, "tls_protocols") == 0)
        return check_tls_protocols(value);
    return NULL;
}

/* ---- the whole ----------------------------------------------------------- */

void
config_init(struct config *c)
{
    const struct option_module modules[] = {
        {"Network and process", daemon_rows, ARRAY_LEN(daemon_rows), &c->daemon,
            check_daemon_value},
        {"TLS", tls_rows, ARRAY_LEN(tls_rows), &c->tls, check_tls_value},
        {"Memory", slab_rows, ARRAY_LEN(slab_rows), &c->slab, NULL},
        {"Keys and eviction", keyspace_rows, ARRAY_LEN(keyspace_rows),
            &c->keyspace, ks_option_check},
        {"Commands", command_rows, ARRAY_LEN(command_rows), &c->commands,
            command_option_check},
        {"Compatibility with redis.conf", compat_rows, ARRAY_LEN(compat_rows),
            &c->compat, check_compat_value},
    };

    c->set = options_new(modules, ARRAY_LEN(modules));
    options_set_line_kind(c->set, &commands_user_lines);
    c->file = "";
    c->sockets_passed = getenv("LISTEN_FDS") != NULL;
    apply_output_limits(c);
}

void
config_free(struct config *c)
{
    options_free(c->set);
    c->set = NULL;
}

/* At run time any is accepted, see clients.c. */
static bool
check_maxmemory(const struct config *c, struct buf *err)
{
    size_t limit = slab_limit_from_option(c->slab.maxmemory);

    if (limit >= MIN_MAXMEMORY)
        return true;
    buf_printf(err, "maxmemory of %zu bytes is too small: at least %zumb",
        limit, MIN_MAXMEMORY / MIB);
    return false;
}

/* An address without the "-" of one that may be missing. */
static struct str
address_of(struct str word)
{
    size_t mark = *word.p == '-';

    return (struct str){word.p + mark, word.len - mark};
}

/* Does an address stand in both lists? */
static bool
shares_address(const char *bind, const char *metrics_bind)
{
    struct str rest = str_of(bind), word;

    while (next_word(&rest, &word)) {
        struct str others = str_of(metrics_bind), other;

        while (next_word(&others, &other))
            if (str_eq(address_of(word), address_of(other)))
                return true;
    }
    return false;
}

static bool
check_ports(const struct config *c, struct buf *err)
{
    const struct daemon_options *o = &c->daemon;
    int64_t port = o->port, tls_port = c->tls.tls_port;
    int64_t metrics_port = o->metrics_port;

    if (port == 0 && tls_port == 0 && *o->unixsocket == '\0' &&
        !c->sockets_passed)
        buf_printf(err,
            "port and tls-port are 0 and unixsocket is empty: "
            "nowhere to listen");
    else if (port != 0 && port == tls_port)
        buf_printf(err, "port and tls-port are both %d", (int)port);
    else if (metrics_port != 0 && !c->sockets_passed &&
        (metrics_port == port || metrics_port == tls_port) &&
        shares_address(o->bind, o->metrics_bind))
        buf_printf(err, "%s and metrics-port are both %d",
            metrics_port == port ? "port" : "tls-port", (int)metrics_port);
    else
        return true;
    return false;
}

static void
count_line(void *ctx, const struct str *words, size_t n)
{
    (void)words;
    (void)n;
    ++*(size_t *)ctx;
}

/* What no single directive shows. */
bool
config_would_start(const struct config *c, struct buf *err)
{
    size_t n_users = 0;

    options_each_line(c->set, count_line, &n_users);
    if (n_users > 0 && *c->commands.aclfile != '\0') {
        buf_printf(err,
            "users are declared by user lines and in aclfile %s: use one of "
            "the two",
            c->commands.aclfile);
        return false;
    }
    return check_ports(c, err) && check_maxmemory(c, err);
}

bool
config_load(
    struct config *c, const char *file, int argc, char **argv, struct buf *err)
{
    if (file != NULL) {
        if (!options_read_file(c->set, file, err))
            return false;
        c->file = file;
    }
    c->argc = argc;
    c->argv = argv;
    if (argc > 0 && !options_read_args(c->set, argc, argv, err))
        return false;
    apply_output_limits(c);
    return config_would_start(c, err);
}

unsigned
config_workers(const struct config *c)
{
    cpu_set_t cpus;
    int64_t n = 0;

    if (str_to_i64(str_of(c->daemon.workers), &n) && n > 0)
        return (unsigned)n;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        n = CPU_COUNT(&cpus);
    else
        n = sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)MIN(MAX(n, 1), MAX_WORKERS);
}

unsigned
config_metrics_fds(const struct config *c)
{
    bool on = c->daemon.metrics_port != 0 ||
        strchr(c->daemon.metrics_bind, '/') != NULL;

    /* And an epoll, an eventfd. */
    return on ? MAX_METRICS_ADDRESSES + WEB_MAX_OPEN + 2 : 0;
}

enum log_level
config_log_level(const struct config *c)
{
    static const enum log_level levels[] = {
        LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_WARN};

    return levels[c->daemon.loglevel];
}

void
config_limits(struct config *c, struct limits *l)
{
    const struct daemon_options *o = &c->daemon;

    apply_output_limits(c);
    STORE(&l->timeout_s, (uint32_t)option_get_i64(&o->timeout));
    STORE(&l->max_clients, (uint32_t)option_get_i64(&o->maxclients));
    for (int i = 0; i < OUTPUT_CLASSES; i++) {
        STORE(&l->output[i].hard, c->output[i].hard);
        STORE(&l->output[i].soft, c->output[i].soft);
        STORE(&l->output[i].soft_s, c->output[i].soft_s);
    }
    STORE(
        &l->query_bytes, (size_t)option_get_i64(&o->client_query_buffer_limit));
    STORE(&l->handshake_s,
        (uint32_t)option_get_i64(&c->tls.tls_handshake_timeout));
    STORE(&l->max_bulk, option_get_i64(&o->proto_max_bulk_len));
    STORE(&l->protected_mode, option_get_i64(&o->protected_mode) != 0);
}
