/* A library that makes one system call of one process fail, as a memory that the test shares says: which process,
 * which call, at which time from now, and how. Loaded with LD_PRELOAD; a keeper inherits it, though its environment
 * is made anew. Only calls on files below FAULTY_ROOT count (sockets and pipes have no place, and always do). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN = 1, READ, WRITE, FSYNC, RENAME, UNLINK, MKDIR, TRUNCATE, FLOCK, SOCKET, PIPE, CHMOD };
enum { DAEMON = 1, KEEPER, COMMAND };
enum { SHORT = -1 };

struct plan {
    int32_t who, call, how, hit;
    int64_t left;     /* fails when this reaches 0 */
    int64_t count;    /* calls of that kind since the plan was made */
    int32_t believed; /* what was not synced was renamed into place, or synced again without being written */
    int32_t unwritten;
    uint64_t bad;     /* inode of the file whose fsync failed */
    char place[512];
};

static struct plan *plan;
static char root[PATH_MAX];
static int who;
static pid_t self;

static void forked(void) { self = getpid(); }

__attribute__((constructor)) static void begin(void) {
    const char *shared = getenv("FAULTY_PLAN"), *below = getenv("FAULTY_ROOT");
    if (!shared || !below) return;
    int fd = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (memory == MAP_FAILED) return;
    char said[8192];
    fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    long size = syscall(SYS_read, fd, said, sizeof said - 1);
    syscall(SYS_close, fd);
    who = COMMAND;
    for (long at = 0; at < size; at += strlen(said + at) + 1) {
        said[size] = 0;
        if (!strcmp(said + at, "daemon.keeper")) { who = KEEPER; break; }
        if (at && !strcmp(said + at, "daemon") && strcmp(said + at - 3, "-m")) who = DAEMON;
    }
    strncpy(root, below, sizeof root - 1);
    self = getpid();
    plan = memory;
    /* Commands run in the children of one process that has imported everything. */
    if (who == COMMAND) pthread_atfork(NULL, NULL, forked);
}

static int ours(int call) { return plan && plan->who == who && plan->call == call && getpid() == self; }

static int below(const char *path) { return !strncmp(path, root, strlen(root)); }

static int fails(int call, const char *place) {
    if (!ours(call)) return 0;
    __atomic_add_fetch(&plan->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_sub_fetch(&plan->left, 1, __ATOMIC_SEQ_CST) != 0) return 0;
    snprintf(plan->place, sizeof plan->place, "%s", place);
    plan->hit = 1;
    return plan->how;
}

static const char *of_fd(int fd, char *room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, room, PATH_MAX - 1);
    room[size < 0 ? 0 : size] = 0;
    return room;
}

static int fd_fails(int call, int fd) {
    char room[PATH_MAX];
    if (!ours(call) || !below(of_fd(fd, room))) return 0;
    return fails(call, room);
}

static int path_fails(int call, int folder, const char *path) {
    char room[2 * PATH_MAX], base[PATH_MAX];
    if (!ours(call)) return 0;
    if (path[0] == '/') snprintf(room, sizeof room, "%s", path);
    else if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; snprintf(room, sizeof room, "%s/%s", base, path); }
    else snprintf(room, sizeof room, "%s/%s", of_fd(folder, base), path);
    return below(room) ? fails(call, room) : 0;
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))
#define FAIL(how) do { int h = (how); if (h > 0) { errno = h; return -1; } } while (0)

#define OPENER(name)                                                                      \
    int name(const char *path, int flags, ...) {                                          \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int how = path_fails(OPEN, AT_FDCWD, path);                                       \
        if (how != ENOSPC || flags & O_CREAT) FAIL(how);                                  \
        return REAL(int, name, const char *, int, ...)(path, flags, mode);                \
    }
#define OPENER_AT(name)                                                                   \
    int name(int folder, const char *path, int flags, ...) {                              \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int how = path_fails(OPEN, folder, path);                                         \
        if (how != ENOSPC || flags & O_CREAT) FAIL(how);                                  \
        return REAL(int, name, int, const char *, int, ...)(folder, path, flags, mode);   \
    }
OPENER(open) OPENER(open64) OPENER_AT(openat) OPENER_AT(openat64)

static void written(int fd) { if (plan && plan->bad && inode_of(fd) == plan->bad) plan->unwritten = 0; }

ssize_t write(int fd, const void *data, size_t size) {
    int how = fd_fails(WRITE, fd);
    FAIL(how);
    written(fd);
    return REAL(ssize_t, write, int, const void *, size_t)(fd, data, how == SHORT && size > 1 ? size / 2 : size);
}
#define POSITIONED(name, kind)                                                            \
    ssize_t name(int fd, const void *data, size_t size, kind at) {                        \
        int how = fd_fails(WRITE, fd);                                                    \
        FAIL(how);                                                                        \
        written(fd);                                                                      \
        return REAL(ssize_t, name, int, const void *, size_t, kind)(fd, data, how == SHORT && size > 1 ? size / 2 : size, at); \
    }
POSITIONED(pwrite, off_t) POSITIONED(pwrite64, off64_t)

ssize_t read(int fd, void *data, size_t size) {
    FAIL(fd_fails(READ, fd));
    return REAL(ssize_t, read, int, void *, size_t)(fd, data, size);
}
#define POSITIONED_READ(name, kind)                                                       \
    ssize_t name(int fd, void *data, size_t size, kind at) {                              \
        FAIL(fd_fails(READ, fd));                                                         \
        return REAL(ssize_t, name, int, void *, size_t, kind)(fd, data, size, at);        \
    }
POSITIONED_READ(pread, off_t) POSITIONED_READ(pread64, off64_t)

/* What the database's own log holds is not used after its sync failed; a test of its own looks at that. */
#define SYNC(name)                                                                        \
    int name(int fd) {                                                                    \
        int how = fd_fails(FSYNC, fd);                                                    \
        if (how > 0 && how != EINTR) {                                                    \
            struct stat status;                                                           \
            if (!fstat(fd, &status) && S_ISREG(status.st_mode) && !strstr(plan->place, "-wal")) { plan->bad = status.st_ino; plan->unwritten = 1; } \
            errno = how;                                                                  \
            return -1;                                                                    \
        }                                                                                 \
        if (plan && plan->bad && plan->unwritten && inode_of(fd) == plan->bad) plan->believed = 1; \
        return REAL(int, name, int)(fd);                                                  \
    }
SYNC(fsync) SYNC(fdatasync)

static void renamed(int folder, const char *path) {
    struct stat status;
    if (plan && plan->bad && plan->unwritten && !fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) && status.st_ino == plan->bad)
        plan->believed = 1;
}
int rename(const char *from, const char *to) {
    FAIL(path_fails(RENAME, AT_FDCWD, to));
    renamed(AT_FDCWD, from);
    return REAL(int, rename, const char *, const char *)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    FAIL(path_fails(RENAME, b, to));
    renamed(a, from);
    return REAL(int, renameat, int, const char *, int, const char *)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    FAIL(path_fails(RENAME, b, to));
    renamed(a, from);
    return REAL(int, renameat2, int, const char *, int, const char *, unsigned)(a, from, b, to, flags);
}
/* The inode of a removed file is given again, to one that is another's to write. */
static void removed(int folder, const char *path) {
    struct stat status;
    if (plan && plan->bad && !fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) && status.st_ino == plan->bad)
        plan->bad = 0;
}
int unlink(const char *path) {
    FAIL(path_fails(UNLINK, AT_FDCWD, path));
    removed(AT_FDCWD, path);
    return REAL(int, unlink, const char *)(path);
}
int unlinkat(int folder, const char *path, int flags) {
    FAIL(path_fails(UNLINK, folder, path));
    removed(folder, path);
    return REAL(int, unlinkat, int, const char *, int)(folder, path, flags);
}
int rmdir(const char *path) { FAIL(path_fails(UNLINK, AT_FDCWD, path)); return REAL(int, rmdir, const char *)(path); }
int mkdir(const char *path, mode_t mode) {
    FAIL(path_fails(MKDIR, AT_FDCWD, path));
    return REAL(int, mkdir, const char *, mode_t)(path, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
    FAIL(path_fails(MKDIR, folder, path));
    return REAL(int, mkdirat, int, const char *, mode_t)(folder, path, mode);
}
int ftruncate(int fd, off_t size) { FAIL(fd_fails(TRUNCATE, fd)); return REAL(int, ftruncate, int, off_t)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAIL(fd_fails(TRUNCATE, fd)); return REAL(int, ftruncate64, int, off64_t)(fd, size); }
int flock(int fd, int how) { FAIL(fd_fails(FLOCK, fd)); return REAL(int, flock, int, int)(fd, how); }
int fchmod(int fd, mode_t mode) { FAIL(fd_fails(CHMOD, fd)); return REAL(int, fchmod, int, mode_t)(fd, mode); }
int chmod(const char *path, mode_t mode) { FAIL(path_fails(CHMOD, AT_FDCWD, path)); return REAL(int, chmod, const char *, mode_t)(path, mode); }
int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    FAIL(path_fails(CHMOD, folder, path));
    return REAL(int, fchmodat, int, const char *, mode_t, int)(folder, path, mode, flags);
}
int socket(int a, int b, int c) { FAIL(fails(SOCKET, "socket")); return REAL(int, socket, int, int, int)(a, b, c); }
int socketpair(int a, int b, int c, int ends[2]) { FAIL(fails(SOCKET, "socketpair")); return REAL(int, socketpair, int, int, int, int *)(a, b, c, ends); }
int pipe2(int ends[2], int flags) { FAIL(fails(PIPE, "pipe")); return REAL(int, pipe2, int *, int)(ends, flags); }
int memfd_create(const char *name, unsigned flags) { FAIL(fails(PIPE, "memfd")); return REAL(int, memfd_create, const char *, unsigned)(name, flags); }

int execve(const char *path, char *const given[], char *const environment[]) {
    static char *more[512];
    static char ours_[4][PATH_MAX + 32];
    int keeper = 0, count = 0;
    for (int at = 0; given[at]; at++) keeper |= !strcmp(given[at], "daemon.keeper");
    if (keeper && plan) {
        static const char *names[] = {"LD_PRELOAD", "FAULTY_PLAN", "FAULTY_ROOT"};
        for (; environment[count] && count < 500; count++) more[count] = environment[count];
        for (int at = 0; at < 3; at++) {
            snprintf(ours_[at], sizeof ours_[at], "%s=%s", names[at], getenv(names[at]) ?: "");
            more[count++] = ours_[at];
        }
        more[count] = NULL;
        environment = more;
    }
    return REAL(int, execve, const char *, char *const *, char *const *)(path, given, environment);
}
