// Judges a capture file: our own decoder for the ICRC of each packet, tshark for everything else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { decodeFrame, type RoceFrame } from '../../src/wire/frame.ts';
import { readCapture } from '../../src/wire/read-capture.ts';

/** The RoCEv2 frames of a capture file, each (of those that are to be judged) with a valid ICRC. */
export function framesWithIcrc(file: string, judged: (frame: RoceFrame) => boolean = () => true): RoceFrame[] {
  return readCapture(readFileSync(file)).packets.map(({ data, linkType }, i) => {
    const frame = decodeFrame(data, 0, data.length, linkType);
    assert.ok('packet' in frame, `packet ${i + 1}: ${frame}`);
    assert.ok(frame.icrcOk || !judged(frame), `packet ${i + 1}: wrong ICRC`);
    return frame;
  });
}

/** Rows of field values as tshark reads them from the packets that match `filter`. */
export function tsharkFields(file: string, filter: string, fields: readonly string[]): string[][] {
  // tshark guesses at payloads, and takes some for RPC over RDMA.
  const args = ['-n', '-r', file, '--disable-protocol', 'rpcordma', '-o', 'ip.check_checksum:TRUE', '-T', 'fields'];
  const output = execFileSync('tshark', [...args, '-Y', filter, ...fields.flatMap((f) => ['-e', f])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  });
  return output === ''
    ? []
    : output
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
}

/** tshark finds nothing malformed, no wrong IP checksum, and InfiniBand in every packet. */
export function assertTsharkContent(file: string, packets: number): void {
  assert.equal(tsharkFields(file, 'infiniband.bth', ['frame.number']).length, packets);
  assert.deepEqual(tsharkFields(file, '_ws.malformed || ip.checksum.status == "Bad"', ['frame.number']), []);
}
