/* Makes small files in a directory, with contents and metadata, in one call: a full copy asks this for each file.
 *
 * What does not go as it mostly does is left to the interpreter, which begins anew with it and knows what to do then. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As write_files.py packs it. In the common buffer stand attributes of attributes_bytes, then size bytes of contents. */
struct file {
    int64_t size;
    int64_t mtime_s;
    int64_t atime_s;
    uint32_t mtime_ns;
    uint32_t atime_ns;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t has_other_owner;
    uint32_t attributes_bytes;
    uint32_t is_made;
};

static int write_contents(int file, const char *contents, int64_t size)
{
    while (size > 0) {
        ssize_t count = write(file, contents, (size_t)size);
        if (count <= 0)
            return -1;
        contents += count;
        size -= count;
    }
    return 0;
}

/* Attributes: name with its NUL, length of the value (32 bits), value. */
static int write_attributes(int file, const char *attributes, uint32_t bytes)
{
    const char *end = attributes + bytes;

    while (attributes < end) {
        const char *value = attributes + strlen(attributes) + 1;
        uint32_t length;

        memcpy(&length, value, sizeof length);
        value += sizeof length;
        if (fsetxattr(file, attributes, value, length, 0) != 0)
            return -1;
        attributes = value + length;
    }
    return 0;
}

static int fill(int file, const char *buffer, const struct file *wanted)
{
    const struct timespec times[2] = {
        {.tv_sec = wanted->atime_s, .tv_nsec = wanted->atime_ns},
        {.tv_sec = wanted->mtime_s, .tv_nsec = wanted->mtime_ns},
    };

    if (write_contents(file, buffer + wanted->attributes_bytes, wanted->size) != 0)
        return -1;
    if (wanted->has_other_owner && fchown(file, wanted->uid, wanted->gid) != 0)
        return -1;
    if ((wanted->mode & 07000) && fchmod(file, wanted->mode) != 0)
        return -1;
    if (write_attributes(file, buffer, wanted->attributes_bytes) != 0)
        return -1;
    return futimens(file, times);
}

/* Makes the files of a directory whose names, each with its NUL, stand in names; the umask of the calling thread is 0. */
void sms_write_files(int directory, const char *names, int count, const char *buffer, struct file *files)
{
    for (int number = 0; number < count; number++, names += strlen(names) + 1) {
        struct file *wanted = &files[number];
        int file = openat(directory, names, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, wanted->mode & 0777);

        if (file >= 0) {
            wanted->is_made = fill(file, buffer, wanted) == 0;
            /* Where it is not as wanted, it does not stay: the interpreter makes it anew, or says what is wrong. */
            if (!wanted->is_made)
                unlinkat(directory, names, 0);
            close(file);
        }
        buffer += wanted->attributes_bytes + wanted->size;
    }
}
