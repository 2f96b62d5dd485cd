/** What `Caller.scatter` does, by as many writes. */
export function scatter(
  write: (address: number, src: Buffer, at: number, length: number) => boolean,
  src: Buffer,
  addresses: readonly number[],
  lengths: readonly number[],
): boolean {
  let at = 0;
  for (const [i, address] of addresses.entries()) {
    if (!write(address, src, at, lengths[i])) return false;
    at += lengths[i];
  }
  return true;
}
