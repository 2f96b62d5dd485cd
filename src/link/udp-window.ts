/**
 * What a datagram counts beyond its length against {@link windowOf}.
 *
 * Linux charges a receive buffer the memory of an skb (its truesize), not the bytes in it. Measured with SO_MEMINFO over
 * loopback and veth on Linux 6.18, for datagrams sent one by one: 832 bytes up to a length of 197, 1280 up to 645,
 * 2304 up to 1669, 4352 up to 3717, 8448 up to 7813, then 16640 (kmalloc's sizes, less headroom and skb_shared_info, plus the sk_buff).
 * So it is never more than 2 × (length + 512), and just that above each step. GSO batches cost less: 15 datagrams of 4112
 * bytes 4167 each with UDP_GRO at the receiver, 4944 without; of 64 bytes, 16 in a batch, 116 and 863.
 */
export const DATAGRAM_OVERHEAD = 512;

/**
 * Bytes of datagrams, each counted with {@link DATAGRAM_OVERHEAD}, that a receive buffer of `rcvbuf` (as SO_RCVBUF reads: what
 * the kernel allows, twice what was asked for) is sure to hold. A factor 2 by the above, and 3/4 because the kernel gives
 * back the memory of what was read only when a quarter of the buffer has come together (udp_rmem_release); the rest, a
 * ninth, is for acknowledgements that share the buffer.
 */
export function windowOf(rcvbuf: number): number {
  return Math.floor(rcvbuf / 3);
}
