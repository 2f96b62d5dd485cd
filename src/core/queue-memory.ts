/** Gives zeroed memory for a queue: an ArrayBuffer here; for a program behind uverbs, part of a file that both map. */
export type QueueMemory = (bytes: number) => Buffer;

// Its own ArrayBuffer, not a slice of Node's pool: a queue is a unit that may be shared with another thread.
export const localQueueMemory: QueueMemory = (bytes) => Buffer.from(new ArrayBuffer(bytes));
