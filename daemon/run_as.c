/* SPDX-License-Identifier: BSD-3-Clause */
/* run_as.c - root's privileges are given up at the start.
 *
 * The user changes before anything is opened, so that the log, the pid file,
 * the socket and the certificates are the user's, and can be opened again when
 * the daemon is told to. Until the listeners are open two capabilities stay: to
 * bind a port below 1024, and to raise the limit of open files. Then they go as
 * well, and what was given up is tried to be had again, which must fail.
 *
 * Main thread, before others begin: capabilities belong to threads.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1u << (capability))
#define CAPABILITY_WORDS _LINUX_CAPABILITY_U32S_3

struct identity {
    const char *name; /* for the groups; NULL if the number has no name */
    uid_t uid;
    gid_t gid;
    bool has_group;
};

/* ---- names --------------------------------------------------------------- */

static bool
parse_id(const char *text, uint32_t *id)
{
    int64_t n;

    if (!str_to_i64(str_of(text), &n) || n < 0 || n >= UINT32_MAX)
        return false;
    *id = (uint32_t)n;
    return true;
}

static bool
find_user(const char *text, struct identity *who, struct buf *err)
{
    const struct passwd *pw = getpwnam(text);

    if (pw == NULL && parse_id(text, &who->uid)) {
        pw = getpwuid(who->uid);
        if (pw == NULL)
            return true;
    }
    if (pw == NULL) {
        buf_printf(err, "run-as: there is no user \"%s\"", text);
        return false;
    }
    who->name = pw->pw_name;
    who->uid = pw->pw_uid;
    who->gid = pw->pw_gid;
    who->has_group = true;
    return true;
}

static bool
find_group(const char *text, struct identity *who, struct buf *err)
{
    const struct group *gr = getgrnam(text);

    who->has_group = gr != NULL || parse_id(text, &who->gid);
    if (gr != NULL)
        who->gid = gr->gr_gid;
    if (!who->has_group)
        buf_printf(err, "run-as: there is no group \"%s\"", text);
    return who->has_group;
}

/* "user" or "user:group". */
static bool
find_identity(const char *spec, struct identity *who, struct buf *err)
{
    char *user = xstrdup(spec), *group = strchr(user, ':');
    bool found;

    if (group != NULL)
        *group++ = '\0';
    found = find_user(user, who, err) &&
        (group == NULL || find_group(group, who, err));
    if (found && !who->has_group) {
        buf_printf(err, "run-as: user %s has no group, name one", user);
        found = false;
    } else if (found && (who->uid == 0 || who->gid == 0)) {
        buf_printf(err, "run-as: \"%s\" is root, which it is to avoid", spec);
        found = false;
    }
    free(user);
    return found;
}

/* ---- capabilities -------------------------------------------------------- */

/* Keep those of `keep` that the thread has, and no other. */
static bool
limit_capabilities(uint32_t keep)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[CAPABILITY_WORDS];

    memset(caps, 0, sizeof(caps));
    if (syscall(SYS_capget, &head, caps) != 0)
        return false;
    keep &= caps[0].permitted;
    memset(caps, 0, sizeof(caps));
    caps[0].permitted = caps[0].effective = keep;
    return syscall(SYS_capset, &head, caps) == 0;
}

/* ---- the change ---------------------------------------------------------- */

static bool
become(const struct identity *who)
{
    int failed = who->name != NULL ? initgroups(who->name, who->gid)
                                   : setgroups(1, &who->gid);

    return failed == 0 && prctl(PR_SET_KEEPCAPS, 1) == 0 &&
        setresgid(who->gid, who->gid, who->gid) == 0 &&
        setresuid(who->uid, who->uid, who->uid) == 0 &&
        limit_capabilities(BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_RESOURCE)) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool
run_as_check(const char *spec, struct buf *err)
{
    struct identity who = {0};

    return *spec == '\0' || find_identity(spec, &who, err);
}

bool
run_as_begin(const char *spec, struct buf *err)
{
    struct identity who = {0};

    if (*spec == '\0')
        return true;
    if (geteuid() != 0) {
        buf_printf(err, "run-as %s: only root can become another user", spec);
        return false;
    }
    if (!find_identity(spec, &who, err))
        return false;
    if (become(&who))
        return true;
    buf_printf(err, "run-as %s: %s", spec, strerror(errno));
    return false;
}

/* Is any of the identities still root, or can it be? */
static bool
can_be_root(void)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    return getresuid(&ruid, &euid, &suid) != 0 ||
        getresgid(&rgid, &egid, &sgid) != 0 || ruid == 0 || euid == 0 ||
        suid == 0 || rgid == 0 || egid == 0 || sgid == 0 ||
        setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0;
}

bool
run_as_seal(const char *spec, struct buf *err)
{
    if (*spec == '\0')
        return true;
    if (limit_capabilities(0) && !can_be_root()) {
        log_info("privileges given up run-as=%s uid=%u gid=%u", spec,
            (unsigned)getuid(), (unsigned)getgid());
        return true;
    }
    buf_printf(err, "run-as %s: privileges of root remain", spec);
    return false;
}
