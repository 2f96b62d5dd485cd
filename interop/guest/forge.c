// Sends datagrams that are given as lines of hexadecimal digits on standard input: forge SOURCE-PORT ADDRESS PORT.
// Like Infinitive's sockets it is not connected and forbids fragmentation: then Linux sends IPv4 identification 0 and DF set,
// which the ICRC covers.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int nibble(int c) {
  return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &to.sin_addr);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), pmtu = IP_PMTUDISC_DO, sent = 0;
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, sizeof pmtu);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) {
    perror("forge");
    return 1;
  }
  static char line[20000];
  static unsigned char bytes[sizeof line / 2];
  while (fgets(line, sizeof line, stdin) != NULL && line[0] != '.') {
    size_t length = strcspn(line, "\n") / 2;
    for (size_t i = 0; i < length; i++) bytes[i] = nibble(line[2 * i]) << 4 | nibble(line[2 * i + 1]);
    if (sendto(fd, bytes, length, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)length) sent++;
    // So that no queue on the way overflows: each shall be judged.
    usleep(200);
  }
  printf("%d\n", sent);
  return 0;
}
