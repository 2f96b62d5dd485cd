// The ICRC covers the IPv4 identification, which a UDP socket does not show. CRC is linear, so (received ICRC) xor (ICRC
// computed for ID 0) is the two ID bytes' effect carried over all bytes behind them. Carried back over as many bytes, it must
// be the ID itself: 16 bits of 32, so of damaged packets one in 65,536 passes.
//
// To carry back over n bytes is to multiply by x^(-8n) modulo the CRC's polynomial. That map is linear too: a table of eight
// nibbles x 16 values for each n. Few lengths occur at a time, so a small direct-mapped cache of such tables does.

/** Bytes of the IPv4 and UDP headers from the ID's start to the end. */
const ID_TO_END = 24;

/** Lengths are multiples of four that often differ by powers of two (path MTUs): a prime number of slots keeps those apart. */
const SLOTS = 251;
const ENTRIES = 128;
const tables = new Int32Array(SLOTS * ENTRIES);
const lengths = new Int32Array(SLOTS).fill(-1);
const basis = new Int32Array(32);

/** x^0 in the reflected representation. */
const ONE = 1 << 31;

/** One zero bit taken back: the inverse of `c & 1 ? (c >>> 1) ^ P : c >>> 1`, for which the polynomial's top bit is the witness. */
function backBit(c: number): number {
  return c < 0 ? ((c ^ 0xedb88320) << 1) | 1 : c << 1;
}

/** `c` carried back over `bytes` zero bytes, bit by bit. */
function carryBack(c: number, bytes: number): number {
  let r = c;
  for (let i = 8 * bytes; i > 0; i--) r = backBit(r);
  return r;
}

/** a * b modulo the polynomial, both reflected (bit 31 is x^0). */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ 0xedb88320 : shifted >>> 1;
  }
  return product;
}

/** x^(-8 i) for i = 0..255, and x^(-8 * 256 i) for i = 0..256: a product of two covers any UDP datagram. */
const INVERSE_LOW = powers(carryBack(ONE, 1), 257);
const INVERSE_HIGH = powers(INVERSE_LOW[256], 257);

function powers(base: number, count: number): Int32Array {
  const p = new Int32Array(count);
  p[0] = ONE;
  for (let i = 1; i < count; i++) p[i] = multiply(p[i - 1], base);
  return p;
}

/** Fills the cache slot with the table for carrying back over `n` bytes and the headers from the ID on. */
function fillSlot(slot: number, n: number): void {
  const bytes = n + ID_TO_END;
  let factor = multiply(INVERSE_LOW[bytes & 0xff], INVERSE_HIGH[bytes >>> 8]);
  // basis[i] is the image of the value with only bit i set; bit 31 is x^0, and each lower bit is one more factor of x.
  for (let bit = 31; bit >= 0; bit--) {
    basis[bit] = factor;
    factor = factor & 1 ? (factor >>> 1) ^ 0xedb88320 : factor >>> 1;
  }
  for (let nibble = 0; nibble < 8; nibble++) {
    const at = slot * ENTRIES + nibble * 16;
    tables[at] = 0;
    for (let v = 1; v < 16; v++) {
      const low = 31 - Math.clz32(v & -v);
      tables[at + v] = tables[at + (v & (v - 1))] ^ basis[nibble * 4 + low];
    }
  }
  lengths[slot] = n;
}

/** `diff` carried back to where the ID starts: byte 0 and 1 are the ID's difference, 2 and 3 that of flags and fragment offset. */
function carriedBack(diff: number, n: number): number {
  const slot = (n >>> 2) % SLOTS;
  if (lengths[slot] !== n) fillSlot(slot, n);
  const t = tables;
  const b = slot * ENTRIES;
  return (
    t[b + (diff & 15)] ^
    t[b + 16 + ((diff >>> 4) & 15)] ^
    (t[b + 32 + ((diff >>> 8) & 15)] ^ t[b + 48 + ((diff >>> 12) & 15)]) ^
    (t[b + 64 + ((diff >>> 16) & 15)] ^ t[b + 80 + ((diff >>> 20) & 15)]) ^
    (t[b + 96 + ((diff >>> 24) & 15)] ^ t[b + 112 + (diff >>> 28)])
  );
}

/** The 16-bit number whose big-endian bytes are the low two bytes of `u`. */
function swap16(u: number): number {
  return ((u & 0xff) << 8) | ((u >>> 8) & 0xff);
}

/** Added to the ID by {@link icrcSolveIdDf} when the DF flag differs from the one in the seed. */
export const ICRC_OTHER_DF = 0x10000;

/**
 * The IPv4 ID (0..65535) that explains `diff`, the received ICRC xor the one computed with ID 0, for `n` bytes between the UDP
 * header and the ICRC; -1 when none does. Allocation-free.
 */
export function icrcSolveId(diff: number, n: number): number {
  const u = carriedBack(diff, n);
  return u >>> 16 === 0 ? swap16(u) : -1;
}

/**
 * As {@link icrcSolveId}, for a sender whose DF flag is unknown too: ICRC_OTHER_DF is added when it is not the seed's. Twice as
 * many damaged packets pass.
 */
export function icrcSolveIdDf(diff: number, n: number): number {
  const u = carriedBack(diff, n);
  if ((u & 0xffbf0000) !== 0) return -1;
  return swap16(u) | (u & 0x400000 ? ICRC_OTHER_DF : 0);
}
