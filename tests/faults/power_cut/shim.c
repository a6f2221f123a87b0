/* Records what a process does to the files below one directory: in order, with contents, all threads.
 *
 *   LD_PRELOAD=shim.so  ZG_TRACE_DIR=/the/directory  ZG_TRACE_FILE=/outside/of/it  program …
 *
 * The trace is a sequence of records, numbers in the machine's byte order:
 *
 *   u8 kind · i32 descriptor · i64 number · u32 path bytes · u32 data bytes · path · data
 *
 *   kind  call                       descriptor  number        path   data
 *   'o'   open                       new one     open's flags  path
 *   'w'   write, writev, pwrite      it          offset, -1: at the file's end or position
 *   't'   ftruncate                  it          length
 *   's'   fsync, fdatasync           it                        path
 *   'c'   close                      it
 *   'r'   rename                                               from   to
 *   'u'   unlink, remove                                       path
 *   'd'   mkdir                                                path
 *   'x'   rmdir                                                path
 *
 * A call and its record happen under one lock, so the trace is the order in which the kernel saw the calls. Each record is
 * one write in append mode: another process may append records of its own kinds in between. Only calls that succeeded are
 * recorded. A call that could change a file unseen (a shared writable mapping, a vectored positional write, a duplicated
 * descriptor) ends the process with a message: the trace would lie.
 */
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
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 65536
#define PARTS_MAX 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
static char *paths[FDS_MAX]; /* of the descriptors below root */

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void die(const char *what) {
    fprintf(stderr, "trace shim: %s\n", what);
    _exit(99);
}

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("ZG_TRACE_DIR"), *file = getenv("ZG_TRACE_FILE");
    if (!directory || !file || strlen(directory) >= sizeof root) return;
    strcpy(root, directory);
    root_length = strlen(root);
    trace = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) die("the trace file cannot be opened");
}

/* Whether `path`, made absolute into `out`, is the watched directory or lies below it. */
static int watched(int at, const char *path, char *out) {
    char here[PATH_MAX];
    const char *base;
    if (trace < 0 || !path) return 0;
    if (path[0] == '/') {
        base = "";
    } else if (at == AT_FDCWD) {
        base = getcwd(here, sizeof here);
    } else {
        base = at >= 0 && at < FDS_MAX ? paths[at] : NULL;
    }
    if (!base || strlen(base) + strlen(path) + 2 > PATH_MAX) return 0;
    stpcpy(stpcpy(stpcpy(out, base), *base ? "/" : ""), path);
    size_t length = strlen(out);
    while (length > 1 && out[length - 1] == '/') out[--length] = 0;
    return strncmp(out, root, root_length) == 0 && (out[root_length] == 0 || out[root_length] == '/');
}

static const char *path_of(int fd) { return trace >= 0 && fd >= 0 && fd < FDS_MAX ? paths[fd] : NULL; }

static void record(char kind, int fd, int64_t number, const char *path, const struct iovec *parts, int count, size_t size) {
    struct __attribute__((packed)) {
        uint8_t kind;
        int32_t fd;
        int64_t number;
        uint32_t path_bytes, data_bytes;
    } head = {(uint8_t)kind, fd, number, path ? (uint32_t)strlen(path) : 0, (uint32_t)size};
    struct iovec out[PARTS_MAX + 2] = {{&head, sizeof head}, {(void *)path, head.path_bytes}};
    int used = 2;
    size_t left = size;
    for (int i = 0; i < count && left; i++, used++) {
        out[used] = parts[i];
        if (out[used].iov_len > left) out[used].iov_len = left; /* a short write */
        left -= out[used].iov_len;
    }
    ssize_t whole = (ssize_t)(sizeof head + head.path_bytes + size);
    if (syscall(SYS_writev, trace, out, used) != whole) die("the trace cannot be written");
}

static void note(char kind, int fd, int64_t number, const char *path) { record(kind, fd, number, path, NULL, 0, 0); }

/* ── opening and closing ─────────────────────────────────────────────────────────────────────────────────────────── */

static int opened(int at, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int seen = watched(at, path, full);
    pthread_mutex_lock(&lock);
    int fd = (int)syscall(SYS_openat, at, path, flags, mode), failure = errno;
    if (fd >= 0 && seen) {
        if (fd >= FDS_MAX) die("too many descriptors");
        free(paths[fd]);
        paths[fd] = strdup(full);
        note('o', fd, flags, full);
    }
    pthread_mutex_unlock(&lock);
    errno = failure;
    return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & (O_CREAT | O_TMPFILE)) ? (mode_t)va_arg(arguments, int) : 0;
}

#define OPEN(name, declared, at)                          \
    int name declared {                                   \
        va_list arguments;                                \
        va_start(arguments, flags);                       \
        mode_t mode = mode_of(flags, arguments);          \
        va_end(arguments);                                \
        return opened(at, path, flags, mode);             \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), at)
OPEN(openat64, (int at, const char *path, int flags, ...), at)

int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return opened(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return opened(at, path, flags, 0); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
    if (!path_of(fd)) return (int)syscall(SYS_close, fd);
    pthread_mutex_lock(&lock);
    note('c', fd, 0, NULL);
    free(paths[fd]);
    paths[fd] = NULL;
    int result = (int)syscall(SYS_close, fd), failure = errno;
    pthread_mutex_unlock(&lock);
    errno = failure;
    return result;
}

/* ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

#define RECORDED(call, on_success)              \
    pthread_mutex_lock(&lock);                  \
    ssize_t result = (call);                    \
    int failure = errno;                        \
    if (result >= 0) { on_success; }            \
    pthread_mutex_unlock(&lock);                \
    errno = failure;                            \
    return (__typeof__(answer))result

ssize_t write(int fd, const void *data, size_t size) {
    if (!path_of(fd)) return syscall(SYS_write, fd, data, size);
    ssize_t answer = 0;
    struct iovec part = {(void *)data, size};
    RECORDED(syscall(SYS_write, fd, data, size), record('w', fd, -1, NULL, &part, 1, (size_t)result));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!path_of(fd)) return syscall(SYS_writev, fd, parts, count);
    if (count > PARTS_MAX) die("writev of too many parts");
    ssize_t answer = 0;
    RECORDED(syscall(SYS_writev, fd, parts, count), record('w', fd, -1, NULL, parts, count, (size_t)result));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (!path_of(fd)) return syscall(SYS_pwrite64, fd, data, size, offset);
    ssize_t answer = 0;
    struct iovec part = {(void *)data, size};
    RECORDED(syscall(SYS_pwrite64, fd, data, size, offset), record('w', fd, offset, NULL, &part, 1, (size_t)result));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

int ftruncate(int fd, off_t length) {
    if (!path_of(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    int answer = 0;
    RECORDED(syscall(SYS_ftruncate, fd, length), note('t', fd, length, NULL));
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int fsync(int fd) {
    if (!path_of(fd)) return (int)syscall(SYS_fsync, fd);
    int answer = 0;
    RECORDED(syscall(SYS_fsync, fd), note('s', fd, 0, paths[fd]));
}

int fdatasync(int fd) {
    if (!path_of(fd)) return (int)syscall(SYS_fdatasync, fd);
    int answer = 0;
    RECORDED(syscall(SYS_fdatasync, fd), note('s', fd, 0, paths[fd]));
}

/* ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int renamed(int old_at, const char *from, int new_at, const char *to) {
    char old_path[PATH_MAX], new_path[PATH_MAX];
    int leaves = watched(old_at, from, old_path), arrives = watched(new_at, to, new_path);
    if (leaves != arrives) die("a rename across the watched directory's border");
    if (!leaves) return (int)syscall(SYS_renameat, old_at, from, new_at, to);
    int answer = 0;
    struct iovec part = {new_path, strlen(new_path)};
    RECORDED(syscall(SYS_renameat, old_at, from, new_at, to), record('r', -1, 0, old_path, &part, 1, part.iov_len));
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int old_at, const char *from, int new_at, const char *to) { return renamed(old_at, from, new_at, to); }

static int removed(int at, const char *path, int flags) {
    char full[PATH_MAX];
    if (!watched(at, path, full)) return (int)syscall(SYS_unlinkat, at, path, flags);
    int answer = 0;
    RECORDED(syscall(SYS_unlinkat, at, path, flags), note(flags & AT_REMOVEDIR ? 'x' : 'u', -1, 0, full));
}

int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return removed(at, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int result = unlink(path);
    return result == 0 || errno != EISDIR ? result : rmdir(path);
}

static int made(int at, const char *path, mode_t mode) {
    char full[PATH_MAX];
    if (!watched(at, path, full)) return (int)syscall(SYS_mkdirat, at, path, mode);
    int answer = 0;
    RECORDED(syscall(SYS_mkdirat, at, path, mode), note('d', -1, 0, full));
}

int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return made(at, path, mode); }

/* ── what the trace cannot express ───────────────────────────────────────────────────────────────────────────────── */

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && path_of(fd)) die("a shared writable mapping");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

#define REFUSED(name, declared, arguments) \
    int name declared {                    \
        if (path_of(fd)) die(#name);       \
        return REAL(name) arguments;       \
    }

REFUSED(dup, (int fd), (fd))
REFUSED(dup2, (int fd, int other), (fd, other))
REFUSED(fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length))
REFUSED(posix_fallocate, (int fd, off_t offset, off_t length), (fd, offset, length))
REFUSED(sync_file_range, (int fd, off64_t offset, off64_t length, unsigned flags), (fd, offset, length, flags))

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    if (path_of(fd)) die("pwritev");
    return REAL(pwritev)(fd, parts, count, offset);
}
