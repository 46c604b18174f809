// Runs a command as root of a user namespace of its own, where FOLDER is a BPF file system that everything is
// delegated to: token FOLDER COMMAND ... (test/objects/token.test.ts). Needs Linux 6.9.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(long result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(100);
}

union control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

static void send_fd(int socket, int fd) {
  char byte = 0;
  struct iovec data = {&byte, 1};
  union control control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  check(sendmsg(socket, &message, 0), "sendmsg");
}

static int receive_fd(int socket) {
  char byte;
  struct iovec data = {&byte, 1};
  union control control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  if (recvmsg(socket, &message, 0) <= 0) exit(101);
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return fd;
}

static void write_file(pid_t pid, const char* name, const char* text) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  int fd = open(path, O_WRONLY);
  check(fd, path);
  check(write(fd, text, strlen(text)), path);
  close(fd);
}

static void child(int socket, char** argv) {
  check(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
  // The file system belongs to the namespace that it is opened in; only the first one's root may delegate to
  // it.
  int context = syscall(SYS_fsopen, "bpf", 0);
  check(context, "fsopen");
  send_fd(socket, context);
  int mounted = receive_fd(socket);
  check(syscall(SYS_move_mount, mounted, "", AT_FDCWD, argv[1], MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
  close(mounted);
  close(context);
  execvp(argv[2], argv + 2);
  check(-1, argv[2]);
}

int main(int argc, char** argv) {
  if (argc < 3) return 102;
  int sockets[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), "socketpair");
  pid_t pid = fork();
  check(pid, "fork");
  if (pid == 0) child(sockets[1], argv);
  close(sockets[1]);
  int context = receive_fd(sockets[0]);
  write_file(pid, "uid_map", "0 0 1");
  write_file(pid, "setgroups", "deny");
  write_file(pid, "gid_map", "0 0 1");
  const char* delegations[] = {"delegate_cmds", "delegate_maps", "delegate_progs", "delegate_attachs"};
  for (int i = 0; i < 4; i++) {
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, delegations[i], "any", 0), delegations[i]);
  }
  check(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "fsconfig");
  int mounted = syscall(SYS_fsmount, context, 0, 0);
  check(mounted, "fsmount");
  send_fd(sockets[0], mounted);
  int status;
  check(waitpid(pid, &status, 0), "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 103;
}
