/* SPDX-License-Identifier: MIT */
/* The segment's name, in /dev/shm or on huge pages, and that it is gone afterwards. */
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "scale.h"

char scale_name[128];

static char path[160]; /* of the segment */
static char dir[64];   /* of the file system with huge pages, or "" */
static pid_t owner;    /* children leave everything as it is */

void scale_clean_up(void)
{
    if (getpid() != owner)
        return;
    unlink(path);
    if (dir[0] != '\0') {
        umount2(dir, MNT_DETACH);
        rmdir(dir);
    }
}

static void on_signal(int signal)
{
    scale_clean_up();
    _exit(128 + signal);
}

void scale_fail(const char *what)
{
    fprintf(stderr, "shmbus-scale: %s\n", what);
    scale_clean_up();
    _exit(1);
}

void scale_must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "shmbus-scale: %s: %s\n", what, shmbus_detail());
    scale_clean_up();
    _exit(1);
}

/* Seen by this process and its children only; gone with them. */
static void mount_huge(void)
{
    snprintf(dir, sizeof(dir), "/tmp/shmbus-scale.%d", (int)getpid());
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mkdir(dir, 0700) == 0) {
        if (mount("shmbus-scale", dir, "tmpfs", MS_NOSUID | MS_NODEV,
                  "mode=0700,size=2g,huge=always") == 0)
            return;
        rmdir(dir);
    }
    printf("{\"note\":\"no file system with huge pages: %s\"}\n", strerror(errno));
    fflush(stdout);
    _exit(3);
}

void scale_place(bool on_huge)
{
    struct sigaction action = {.sa_handler = on_signal};

    owner = getpid();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (on_huge)
        mount_huge();
    snprintf(scale_name, sizeof(scale_name), "%s%sscale-%d", dir, on_huge ? "/" : "", (int)owner);
    snprintf(path, sizeof(path), "%s/shmbus.scale-%d", on_huge ? dir : SHMBUS_DIR_DEFAULT,
             (int)owner);
}
