/* What lstat says of a directory's entries, without the interpreter: it is asked of each file in each sync round.
 *
 * The records are compared byte by byte with those of an earlier round, so that each bit of them is set. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As directory_scan.py unpacks it. A directory has neither size nor times: it is looked at by itself. */
struct record {
    int64_t inode;
    int64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint32_t mode;
    uint32_t is_regular;
};

/* One of the directories that are looked at together. error: why it was not, an errno. */
struct look {
    int64_t inode;
    int64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
    int64_t generation;
    int64_t regular_bytes;
    uint32_t records;
    uint32_t names_bytes;
    uint32_t directories;
    uint32_t error;
};

/* As the kernel has it since Linux 5.6. */
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define BELOW_WITHOUT_LINKS (0x01 | 0x02 | 0x04 | 0x08) /* NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH */
#define GET_GENERATION _IOR('v', 1, long)

enum { OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, NAME_BYTES = 256, BUFFER_BYTES = 64 << 10 };

struct totals {
    int64_t regular_bytes;
    uint32_t directories;
    uint32_t vanished;
    uint32_t names_bytes;
    uint32_t is_at_end;
};

/* As getdents64 fills it. */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t kind;
    char name[];
};

/* Beyond the year 2262 it wraps, as the catalogue's numbers do. */
static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)((uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec);
}

static void take(const struct stat *state, struct record *record, struct totals *totals)
{
    record->inode = (int64_t)state->st_ino;
    record->mode = state->st_mode;
    record->is_regular = S_ISREG(state->st_mode);
    if (S_ISDIR(state->st_mode)) {
        record->size = record->mtime_ns = record->ctime_ns = 0;
        totals->directories++;
        return;
    }
    record->size = state->st_size;
    record->mtime_ns = nanoseconds(state->st_mtim);
    record->ctime_ns = nanoseconds(state->st_ctim);
    if (record->is_regular)
        totals->regular_bytes += state->st_size;
}

/* Reads on in an open directory: as many entries as fit into the buffer. Names are appended to names, each with its
 * NUL; they need no more room than the buffer has. Returns the number of records, or a negative errno. */
int sms_scan(int descriptor, char *buffer, unsigned int buffer_bytes, struct record *records, char *names,
             struct totals *totals)
{
    long filled = syscall(SYS_getdents64, descriptor, buffer, buffer_bytes);
    int count = 0;

    if (filled < 0)
        return -errno;
    totals->is_at_end = filled == 0;
    totals->names_bytes = 0;
    for (long at = 0; at < filled;) {
        const struct entry *entry = (const struct entry *)(buffer + at);
        const char *name = entry->name;
        struct stat state;

        at += entry->length;
        if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
            continue;
        if (fstatat(descriptor, name, &state, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT)
                return -errno;
            totals->vanished++;
            continue;
        }
        take(&state, &records[count++], totals);
        size_t length = strlen(name) + 1;
        memcpy(names + totals->names_bytes, name, length);
        totals->names_bytes += (uint32_t)length;
    }
    return count;
}

/* What openat2 does, for kernels that do not have it: -1 and errno where a name is a link or leads elsewhere. */
static int open_by_components(int root, const char *path)
{
    struct stat state, inner;
    int current = fstat(root, &state) == 0 ? fcntl(root, F_DUPFD_CLOEXEC, 0) : -1;

    if (current < 0)
        return -1;
    while (*path) {
        char name[NAME_BYTES];
        size_t length = strcspn(path, "/");
        int next = -1, error = ENAMETOOLONG;

        if (length < sizeof name) {
            memcpy(name, path, length);
            name[length] = '\0';
            next = openat(current, name, OPEN_FLAGS);
            error = errno;
        }
        if (next >= 0 && (fstat(next, &inner) != 0 || inner.st_dev != state.st_dev)) {
            close(next);
            next = -1;
            error = EXDEV;
        }
        close(current);
        if (next < 0) {
            errno = error;
            return -1;
        }
        current = next;
        path += length + (path[length] == '/');
    }
    return current;
}

static int open_below(int root, const char *path)
{
    static int lacks_openat2 = 0;
    const struct how how = {.flags = OPEN_FLAGS, .resolve = BELOW_WITHOUT_LINKS};

    if (!*path)
        return openat(root, ".", OPEN_FLAGS);
    if (!lacks_openat2) {
        long descriptor = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (descriptor >= 0 || errno != ENOSYS)
            return (int)descriptor;
        lacks_openat2 = 1;
    }
    return open_by_components(root, path);
}

/* One directory, whose records and names must fit. Returns 0 or an errno. */
static int look(int descriptor, struct look *found, struct record *records, uint32_t room, char *names,
                uint32_t names_room)
{
    char buffer[BUFFER_BYTES];
    struct totals totals = {0};
    struct stat state;
    long generation = 0;

    if (fstat(descriptor, &state) != 0)
        return errno;
    found->inode = (int64_t)state.st_ino;
    found->size = state.st_size;
    found->mtime_ns = nanoseconds(state.st_mtim);
    found->ctime_ns = nanoseconds(state.st_ctim);
    /* Not every file system says it. */
    found->generation = ioctl(descriptor, GET_GENERATION, &generation) == 0 ? generation : 0;
    while (!totals.is_at_end) {
        /* What getdents64 gives is longer than its names, and has 24 bytes or more for each entry. */
        if (room - found->records < BUFFER_BYTES / 24 || names_room - found->names_bytes < BUFFER_BYTES)
            return ENOBUFS;
        int count = sms_scan(descriptor, buffer, sizeof buffer, records + found->records,
                             names + found->names_bytes, &totals);
        if (count < 0)
            return -count;
        found->records += (uint32_t)count;
        found->names_bytes += totals.names_bytes;
    }
    found->directories = totals.directories;
    found->regular_bytes = totals.regular_bytes;
    /* What went while it was looked at makes a listing that never was. */
    return totals.vanished ? ENOENT : 0;
}

/* Looks at directories below root, whose paths stand in paths, each with its NUL. Records and names of all that could be
 * looked at follow each other. */
void sms_look(int root, const char *paths, int count, struct record *records, uint32_t room, char *names,
              uint32_t names_room, struct look *looks)
{
    for (int number = 0; number < count; number++, paths += strlen(paths) + 1) {
        struct look *found = &looks[number];
        int descriptor = open_below(root, paths);

        memset(found, 0, sizeof *found);
        if (descriptor < 0) {
            found->error = (uint32_t)errno;
            continue;
        }
        found->error = (uint32_t)look(descriptor, found, records, room, names, names_room);
        close(descriptor);
        if (found->error)
            continue;
        records += found->records;
        room -= found->records;
        names += found->names_bytes;
        names_room -= found->names_bytes;
    }
}
