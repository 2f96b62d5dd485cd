// Memory that the kernel and TypeScript share: buffers whose address does not change.
import { ffi } from './ffi.ts';

/**
 * The address of a buffer's first byte. It stays valid while the buffer lives, provided that the buffer is backed by an
 * ArrayBuffer of its own (V8 moves small typed arrays that it keeps on its heap, and Node's pool is shared).
 */
export function addressOf(buffer: ArrayBufferView | ArrayBuffer): number {
  return Number(ffi().address(buffer));
}

/** A zeroed buffer with an ArrayBuffer, and so an address, of its own. */
export function allocate(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}
