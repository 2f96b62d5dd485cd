// CM messages from the captures, and random ones.
import fc from 'fast-check';
import { REP_LAYOUT, REQ_LAYOUT, RTU_LAYOUT } from '../../src/wire/cm-connect.ts';
import { DREP_LAYOUT, DREQ_LAYOUT } from '../../src/wire/cm-disconnect.ts';
import type { Field } from '../../src/wire/cm-layout.ts';
import { CmAttr, type CmMessage, type CmType } from '../../src/wire/cm-message.ts';
import { APR_LAYOUT, LAP_LAYOUT } from '../../src/wire/cm-path.ts';
import { MRA_LAYOUT, REJ_LAYOUT } from '../../src/wire/cm-refuse.ts';
import { SIDR_REP_LAYOUT, SIDR_REQ_LAYOUT } from '../../src/wire/cm-sidr.ts';
import { decodeFrame, type RoceFrame } from '../../src/wire/frame.ts';
import { CAPTURES, loadCapture } from './support.ts';

/** Captures that have CM MADs. */
export const CM_CAPTURES = [
  'rxe-cm-reject.pcap',
  'rxe-rping-ip6.pcap',
  'rxe-rping.pcap',
  'rxe-rstream.pcap',
  'rxe-siw-both-rping.pcap',
  'rxe-ucmatose.pcap',
  'rxe-udaddy.pcap',
];

/** The packets to QP1 of a capture. */
export function madFrames(name: string): RoceFrame[] {
  return loadCapture(name).flatMap(({ data }) => {
    const frame = decodeFrame(Buffer.from(data));
    return !(frame instanceof Error) && frame.icrcOk && frame.packet.bth.qpn === 1 ? [frame] : [];
  });
}

export const otherCaptures: string[] = CAPTURES.filter((name) => !CM_CAPTURES.includes(name));

export const LAYOUT_OF: Record<CmType, Record<string, Field>> = {
  REQ: REQ_LAYOUT,
  MRA: MRA_LAYOUT,
  REJ: REJ_LAYOUT,
  REP: REP_LAYOUT,
  RTU: RTU_LAYOUT,
  DREQ: DREQ_LAYOUT,
  DREP: DREP_LAYOUT,
  SIDR_REQ: SIDR_REQ_LAYOUT,
  SIDR_REP: SIDR_REP_LAYOUT,
  LAP: LAP_LAYOUT,
  APR: APR_LAYOUT,
};

export const CM_TYPES = Object.keys(CmAttr) as CmType[];

const u64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });

function anyValueOf({ kind, width }: Field): fc.Arbitrary<unknown> {
  if (kind === 'u64') return u64;
  if (kind === 'bytes') return fc.uint8Array({ minLength: width, maxLength: width }).map((b) => Uint8Array.from(b));
  return fc.integer({ min: 0, max: 2 ** width - 1 });
}

/** Messages of the types, with any values in all fields. */
export function anyCm(...types: CmType[]): fc.Arbitrary<CmMessage> {
  return fc.constantFrom(...(types.length === 0 ? CM_TYPES : types)).chain((type) => {
    const model = Object.fromEntries(Object.entries(LAYOUT_OF[type]).map(([name, field]) => [name, anyValueOf(field)]));
    return fc
      .record({ tid: u64, body: fc.record(model, { noNullPrototype: true }) })
      .map(({ tid, body }) => ({ type, tid, body }) as unknown as CmMessage);
  });
}
