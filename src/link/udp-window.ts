/** Bytes of datagrams that a receive buffer of `rcvbuf` (as SO_RCVBUF reads) is sure to hold. */
export function windowOf(rcvbuf: number): number {
  return rcvbuf >> 4;
}
