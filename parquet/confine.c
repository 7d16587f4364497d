/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MAX 64

/* What each version of Landlock can forbid; headers may be older than the kernel, and the kernel older than headers. */
#define FS_RIGHTS_1 ((UINT64_C(1) << 13) - 1) /* all of version 1 */
#define FS_REFER (UINT64_C(1) << 13)          /* from 2 on */
#define FS_TRUNCATE (UINT64_C(1) << 14)       /* from 3 on */
#define NET_RIGHTS UINT64_C(3)                /* TCP, from 4 on */
#define SCOPES UINT64_C(3)                    /* sockets without a path, and signals: from 6 on */

static void limit(int what, uint64_t most)
{
	struct rlimit l = {most, most};

	setrlimit(what, &l); /* a lower limit that is there already is as good */
}

void confine_resources(uint64_t memory)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
	if (memory)
		limit(RLIMIT_AS, memory);
}

static int ruleset_new(void)
{
	/* struct landlock_ruleset_attr as version 6 has it. */
	struct {
		uint64_t fs, net, scoped;
	} attr = {FS_RIGHTS_1, 0, 0};
	size_t size = sizeof(attr.fs);
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return -1;
	attr.fs |= version >= 2 ? FS_REFER : 0;
	attr.fs |= version >= 3 ? FS_TRUNCATE : 0;
	if (version >= 4) {
		attr.net = NET_RIGHTS;
		size += sizeof(attr.net);
	}
	if (version >= 6) {
		attr.scoped = SCOPES;
		size += sizeof(attr.scoped);
	}
	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

static bool allow(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_below(int ruleset, const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool done = fd < 0 || allow(ruleset, fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);

	if (fd >= 0)
		close(fd);
	return done;
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

bool confine_sockets(void)
{
#ifdef ARCHITECTURE
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* Above are those of another ABI of the same architecture. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
#else
	return false;
#endif
}

int confine_files(int fd)
{
	int ruleset = ruleset_new();
	bool done;

	if (ruleset < 0)
		return 0;
	done = allow(ruleset, fd, LANDLOCK_ACCESS_FS_READ_FILE) && allow_below(ruleset, "/proc/self") &&
	       allow_below(ruleset, "/proc/sys") && allow_below(ruleset, "/sys") &&
	       syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	close(ruleset);
	return done;
}
