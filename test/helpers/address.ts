// Addresses for tests: the files of a test run are processes that run side by side, and UDP port 4791 of an address can be
// had once.

let used = 0;

/** `n` addresses in 127.0.0.0/8 that no other process of the test run and no earlier call has. */
export function uniqueAddresses(n: number): string[] {
  // 127.0.Y.Z is left to tests with fixed addresses; two processes that run at a time hardly ever share the 15 bits.
  const x = 1 + ((process.pid >> 8) % 127);
  const y = process.pid & 255;
  return Array.from({ length: n }, () => {
    const [block, z] = [Math.floor(used / 254), 1 + (used % 254)];
    if (block > 1) throw new Error('this process has used up its addresses');
    used++;
    return `127.${x + 127 * block}.${y}.${z}`;
  });
}

export const uniqueAddress = (): string => uniqueAddresses(1)[0];

/** The same, with last 16 bits that can be LIDs: 1 to 0xbfff. */
export const lidAddresses = (n: number): string[] =>
  uniqueAddresses(n).map((address) => {
    const [w, x, y, z] = address.split('.').map(Number);
    return [w, x, y & 0x7f, z].join('.');
  });
