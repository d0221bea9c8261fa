/* What the kernel itself needs for a container: the namespaces, the mounts, the new
 * root, the program, its end. No engine can be faster than this.
 *
 *   floor ROOTFS [GROUP...]
 *
 * Each GROUP is a directory that is made in a cgroup hierarchy; the process joins
 * it, gets a cgroup namespace and mounts the hierarchy, as a container does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
    fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
    _exit(1);
}

static void must_mount(const char *source, const char *target, const char *type, unsigned long flags,
                       const char *data) {
    mkdir(target, 0755);
    if (mount(source, target, type, flags, data) < 0) fail(target);
}

/* The v2 hierarchy is entered at birth. */
static int is_v2(const char *group) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tasks", group);
    return access(path, F_OK) < 0;
}

static void join_v1(const char *group) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tasks", group);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) fail("join a cgroup");
    close(fd);
}

static void mount_cgroups(char **groups, int count) {
    if (count == 0) return;
    const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    if (count == 1 && is_v2(groups[0])) {
        must_mount("cgroup", "sys/fs/cgroup", "cgroup2", flags | MS_RDONLY, NULL);
        return;
    }
    must_mount("tmpfs", "sys/fs/cgroup", "tmpfs", flags, "mode=755");
    /* /proc/self/cgroup names what there is: "number:controllers:path". */
    FILE *lines = fopen("/proc/self/cgroup", "re");
    char line[4096];
    while (lines && fgets(line, sizeof line, lines)) {
        char *name = strchr(line, ':');
        char *end = name ? strchr(name + 1, ':') : NULL;
        if (!end) continue;
        *end = 0;
        name++;
        char target[4200], data[4200];
        const char *alone = strncmp(name, "name=", 5) == 0 ? name + 5 : name;
        snprintf(target, sizeof target, "sys/fs/cgroup/%s", *name ? alone : "unified");
        snprintf(data, sizeof data, alone == name ? "%s" : "none,%s", name);
        mkdir(target, 0755);
        mount("cgroup", target, *name ? "cgroup" : "cgroup2", flags | MS_RDONLY, *name ? data : NULL);
    }
    if (lines) fclose(lines);
}

static void become(const char *rootfs, char **groups, int count) {
    const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    for (int i = 0; i < count; i++)
        if (!is_v2(groups[i])) join_v1(groups[i]);
    if (count > 0 && unshare(CLONE_NEWCGROUP) < 0) fail("make a cgroup namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail("make mounts private");
    if (mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) < 0) fail("bind the root filesystem");
    if (chdir(rootfs) < 0) fail("enter the root filesystem");
    must_mount("proc", "proc", "proc", flags, NULL);
    must_mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    must_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    must_mount("shm", "dev/shm", "tmpfs", flags, "mode=1777,size=65536k");
    must_mount("mqueue", "dev/mqueue", "mqueue", flags, NULL);
    must_mount("sysfs", "sys", "sysfs", flags | MS_RDONLY, NULL);
    mount_cgroups(groups, count);
    if (syscall(SYS_pivot_root, ".", ".") < 0) fail("pivot_root");
    if (umount2(".", MNT_DETACH) < 0) fail("leave the old root");
    if (chdir("/") < 0) fail("chdir");
    char *arguments[] = {"/bin/true", NULL};
    char *environment[] = {"PATH=/bin", NULL};
    execve(arguments[0], arguments, environment);
    fail("run /bin/true");
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    char **groups = argv + 2;
    int count = argc - 2, v2 = -1;
    for (int i = 0; i < count; i++) {
        if (mkdir(groups[i], 0755) < 0 && errno != EEXIST) fail("make a cgroup");
        if (is_v2(groups[i])) v2 = open(groups[i], O_DIRECTORY | O_CLOEXEC);
    }
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
        .exit_signal = SIGCHLD,
    };
    if (v2 >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)v2;
    }
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) fail("clone");
    if (pid == 0) become(argv[1], groups, count);
    int status = 0;
    if (waitpid((pid_t)pid, &status, 0) < 0) fail("wait");
    for (int i = count - 1; i >= 0; i--)
        while (rmdir(groups[i]) < 0 && errno == EBUSY) usleep(200);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
