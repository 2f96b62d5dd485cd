// A side in another process: its methods called over a stream, a line of JSON each way.
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import type { Side } from './side.ts';

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly code?: string; readonly verb?: string };
}

/** Answers calls from the stream with `side`, until the stream ends. */
export async function serve(side: Side, stream: Duplex): Promise<void> {
  const methods = side as unknown as Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>;
  for await (const line of createInterface({ input: stream })) {
    const { id, method, args } = JSON.parse(line) as Call;
    let answer: Answer;
    try {
      const own = METHODS.includes(method as keyof Side) ? methods[method] : undefined;
      if (own === undefined) throw Object.assign(new Error(`a side has no method ${method}`), { code: 'ENOSYS' });
      answer = { id, result: await own.apply(side, [...args]) };
    } catch (error) {
      const { message, code, verb } = error as Error & { code?: string; verb?: string };
      answer = { id, error: { message, code, verb } };
    }
    stream.write(`${JSON.stringify(answer)}\n`);
  }
}

/** The side at the other end of the stream. */
export function remoteSide(stream: Duplex): Side {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  let over: Error | null = null;
  const end = (why: string): void => {
    over = new Error(`the peer is gone: ${why}`);
    for (const [id, settle] of waiting) settle({ id, error: { message: over.message } });
    waiting.clear();
  };
  createInterface({ input: stream }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  stream.on('error', (error) => end(error.message)).on('close', () => end('it closed the connection'));
  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (over !== null) return reject(over);
      const id = ++last;
      waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(Object.assign(new Error(error.message), { code: error.code, verb: error.verb }));
      });
      stream.write(`${JSON.stringify({ id, method, args } satisfies Call)}\n`);
    });
  return Object.fromEntries(METHODS.map((m) => [m, (...args: unknown[]) => call(m, args)])) as unknown as Side;
}

const EVERY: Readonly<Record<keyof Side, true>> = {
  ...{ facts: true, reset: true, queryPort: true, queryGid: true, queryPkey: true, allocPd: true, destroy: true },
  ...{ regMr: true, reregMr: true, fill: true, bytes: true, allocMw: true, bindMw: true, createChannel: true },
  ...{ createCq: true, resizeCq: true, notify: true, events: true, poll: true, createQp: true, modifyQp: true },
  ...{ queryQp: true, postSend: true, postRecv: true, createSrq: true, modifySrq: true, querySrq: true },
  ...{ createAh: true, queryAh: true, attachMcast: true, detachMcast: true, asyncEvents: true, now: true, wait: true },
};
const METHODS = Object.keys(EVERY) as (keyof Side)[];
