// Runs commands for the host: each TCP connection brings one line, which the shell runs with the connection as its
// standard input, output and error.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int serve(int connection) {
  char line[65536];
  size_t length = 0;
  // By the byte: what follows the line is the command's.
  while (length < sizeof line - 1) {
    if (read(connection, line + length, 1) != 1) return 1;
    if (line[length] == '\n') break;
    length++;
  }
  line[length] = 0;
  for (int fd = 0; fd < 3; fd++) dup2(connection, fd);
  close(connection);
  signal(SIGCHLD, SIG_DFL);
  execl("/bin/sh", "sh", "-c", line, (char *)NULL);
  return 127;
}

int main(int argc, char **argv) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 2323)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) {
    perror("agent");
    return 1;
  }
  // PID 1 is our parent and reaps what we orphan; children of ours need no waiting for.
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) continue;
    if (fork() == 0) _exit(serve(connection));
    close(connection);
  }
}
