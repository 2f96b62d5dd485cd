// Takes the kernel out of a bzImage: QEMU starts the ELF file itself (PVH), which saves emulating the decompressor.
import { execFileSync } from 'node:child_process';

// Offsets of Linux's boot protocol (Documentation/arch/x86/boot.rst).
const SETUP_SECTS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;
const XZ_MAGIC = 0xfd377a58;

export function vmlinuxOf(bzImage: Buffer): Buffer {
  const start = (bzImage[SETUP_SECTS] + 1) * SECTOR + bzImage.readUInt32LE(PAYLOAD_OFFSET);
  // The payload ends with the size unpacked, four bytes that are not xz's.
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(PAYLOAD_LENGTH) - 4);
  if (payload.readUInt32BE(0) !== XZ_MAGIC) throw new Error('the kernel is not compressed with xz');
  return execFileSync('xz', ['-dc'], { input: payload, maxBuffer: 1 << 30 });
}
