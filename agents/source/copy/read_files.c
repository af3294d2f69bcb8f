/* Reads small files of a directory, with their metadata, in one call: a full copy asks this of each file.
 *
 * Only what is as it mostly is. Whatever is not (gone, of another kind, too large, changed meanwhile, of a project, not
 * readable) is left to the interpreter, which knows what to do then. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As read_files.py unpacks it. The contents are xattrs_bytes and then size bytes in the common buffer. */
struct reading {
    uint64_t inode;
    uint64_t device;
    int64_t size;
    int64_t blocks;
    int64_t mtime_ns;
    int64_t ctime_ns;
    int64_t atime_ns;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t inode_flags;
    uint32_t xattrs_bytes;
    uint32_t is_taken;
};

/* Layout of linux/fs.h, which clashes with the headers of some C libraries. */
struct extended_flags {
    uint32_t flags;
    uint32_t extent_bytes;
    uint32_t extents;
    uint32_t project;
    uint32_t copy_extent_bytes;
    uint8_t padding[8];
};
#define GET_FLAGS _IOR('f', 1, long)
#define GET_EXTENDED_FLAGS _IOR('X', 31, struct extended_flags)
#define INHERITS_PROJECT 0x200

/* Times that 64 bits of nanoseconds do not reach, from 1677 to 2262, are left to the interpreter. */
#define FARTHEST_S 9223372035

enum { NAMES_BYTES = 4096 };
/* Files whose contents are on their way from the disk while one is read. */
enum { AHEAD = 16 };

static int is_unsupported(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY || error == EINVAL || error == ENOSYS;
}

static int is_far(struct timespec time)
{
    return time.tv_sec > FARTHEST_S || time.tv_sec < -FARTHEST_S;
}

static int64_t nanoseconds(struct timespec time)
{
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static int is_same_time(struct timespec one, struct timespec other)
{
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static int is_same(const struct stat *before, const struct stat *after)
{
    return before->st_size == after->st_size && is_same_time(before->st_mtim, after->st_mtim) &&
           is_same_time(before->st_ctim, after->st_ctim);
}

/* Attributes as they travel: length of the name (16 bits) and of the value (32), name, value; in any order. Returns their
 * bytes, or -1. */
static int64_t read_xattrs(int file, char *buffer, int64_t room)
{
    char names[NAMES_BYTES];
    ssize_t listed = flistxattr(file, names, sizeof names);
    int64_t used = 0;

    if (listed < 0)
        return is_unsupported(errno) ? 0 : -1;
    for (ssize_t at = 0; at < listed;) {
        uint16_t name_bytes = (uint16_t)strlen(names + at);
        int64_t header_bytes = (int64_t)(sizeof name_bytes + sizeof(uint32_t)) + name_bytes;

        if (used + header_bytes >= room)
            return -1;
        ssize_t value_bytes = fgetxattr(file, names + at, buffer + used + header_bytes,
                                        (size_t)(room - used - header_bytes));
        if (value_bytes < 0)
            return -1;
        uint32_t length = (uint32_t)value_bytes;
        memcpy(buffer + used, &name_bytes, sizeof name_bytes);
        memcpy(buffer + used + sizeof name_bytes, &length, sizeof length);
        memcpy(buffer + used + sizeof name_bytes + sizeof length, names + at, name_bytes);
        used += header_bytes + value_bytes;
        at += name_bytes + 1;
    }
    return used;
}

static int read_flags(int file, uint32_t *inode_flags)
{
    struct extended_flags extended;
    long flags = 0;

    if (ioctl(file, GET_FLAGS, &flags) != 0 && !is_unsupported(errno))
        return -1;
    *inode_flags = (uint32_t)flags;
    if (ioctl(file, GET_EXTENDED_FLAGS, &extended) != 0)
        return is_unsupported(errno) ? 0 : -1;
    return extended.project == 0 && !(extended.flags & INHERITS_PROJECT) ? 0 : -1;
}

static int64_t read_contents(int file, char *buffer, int64_t size)
{
    int64_t at = 0;

    while (at < size) {
        ssize_t count = pread(file, buffer + at, (size_t)(size - at), at);
        if (count <= 0)
            break;
        at += count;
    }
    return at;
}

/* Whether a file was read as it is. */
static int take(int file, char *buffer, int64_t room, int64_t most, struct reading *reading)
{
    struct stat before, after;
    int64_t xattrs_bytes;

    if (fstat(file, &before) != 0 || !S_ISREG(before.st_mode) || before.st_size > most)
        return 0;
    if (is_far(before.st_mtim) || is_far(before.st_ctim) || is_far(before.st_atim))
        return 0;
    if ((xattrs_bytes = read_xattrs(file, buffer, room)) < 0 || before.st_size > room - xattrs_bytes)
        return 0;
    if (read_contents(file, buffer + xattrs_bytes, before.st_size) != before.st_size)
        return 0;
    if (read_flags(file, &reading->inode_flags) != 0 || fstat(file, &after) != 0 || !is_same(&before, &after))
        return 0;
    reading->inode = before.st_ino;
    reading->device = before.st_rdev;
    reading->size = before.st_size;
    reading->blocks = before.st_blocks;
    reading->mtime_ns = nanoseconds(before.st_mtim);
    reading->ctime_ns = nanoseconds(before.st_ctim);
    reading->atime_ns = nanoseconds(before.st_atim);
    reading->mode = before.st_mode;
    reading->uid = before.st_uid;
    reading->gid = before.st_gid;
    reading->xattrs_bytes = (uint32_t)xattrs_bytes;
    return 1;
}

/* Opens the next file and has the kernel begin to read it. Returns the name after it. */
static const char *begin(int directory, const char *name, int64_t most, int *file)
{
    *file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
    if (*file >= 0)
        posix_fadvise(*file, 0, most, POSIX_FADV_WILLNEED);
    return name + strlen(name) + 1;
}

/* Reads the files of a directory whose names, each with its NUL, stand in names. most: the size of the largest. */
void sms_read_files(int directory, const char *names, int count, char *buffer, int64_t room, int64_t most,
                    struct reading *readings)
{
    int files[AHEAD];
    int begun = 0;

    for (int number = 0; number < count; number++) {
        struct reading *reading = &readings[number];

        for (; begun < count && begun < number + AHEAD; begun++)
            names = begin(directory, names, most, &files[begun % AHEAD]);
        int file = files[number % AHEAD];

        reading->is_taken = 0;
        if (file < 0)
            continue;
        if (take(file, buffer, room, most, reading)) {
            reading->is_taken = 1;
            buffer += reading->xattrs_bytes + reading->size;
            room -= reading->xattrs_bytes + reading->size;
        }
        close(file);
    }
}
