/* What lstat says of a directory's entries, without the interpreter: it is asked of each file in each sync round.
 *
 * The records are compared byte by byte with those of an earlier round, so that each bit of them is set. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
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
