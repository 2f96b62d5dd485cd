// Files mapped into this process's memory, as Buffers.
import { MAP_SHARED, PROT_READ, PROT_WRITE } from './constants.ts';
import { ffi } from './ffi.ts';
import { check, libc } from './libc.ts';
import { addressOf } from './memory.ts';

interface Mapping {
  readonly address: number;
  readonly length: number;
}

// Nothing may unmap what somebody still holds: the garbage collector knows when nobody does.
const mappings = new FinalizationRegistry<Mapping>(({ address, length }) => {
  unmap(address, length);
});

let live = 0;

/** Mappings there are now. The kernel lets a process have vm.max_map_count, by default 65530; without any V8 cannot go on. */
export function mappingCount(): number {
  return live;
}

function unmap(address: number, length: number): void {
  live--;
  libc().munmap(address, length);
}

/** Maps `length` bytes of `fd` from `offset` (whole pages both) for reading and writing. Unmapped when nobody holds it. */
export function mapShared(fd: number, offset: number, length: number): Buffer {
  const address = check(libc().mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset), 'mmap');
  live++;
  const memory = ffi().view(address, length);
  mappings.register(memory, { address, length }, memory);
  return Buffer.from(memory);
}

/** Unmaps at once what {@link mapShared} gave; for a holder that knows that it is the only one. */
export function unmapShared(buffer: Buffer): void {
  const address = addressOf(buffer);
  const length = buffer.buffer.byteLength;
  if (mappings.unregister(buffer.buffer)) unmap(address, length);
}
