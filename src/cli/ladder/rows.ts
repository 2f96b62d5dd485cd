// Captured packets to rows of a ladder: what each is, what it answers, and what is odd about it.
import { AETH_ACK, AETH_ACK_UNLIMITED, aethCredits, aethType, NAK_PSN_SEQ, syndromeName } from '../../wire/aeth.ts';
import type { CapturedPacket } from '../../wire/capture.ts';
import { WireError } from '../../wire/error.ts';
import { decodeFrame, type RoceFrame } from '../../wire/frame.ts';
import { formatIp } from '../../wire/ip.ts';
import {
  CNP,
  OPF_ATOMIC,
  OPF_ATOMIC_WRITE,
  OPF_END,
  OPF_FLUSH,
  OPF_READ_REQ,
  OPF_READ_RESP,
  OPF_RESPONSE,
  opcodeFlags,
  opcodeTransport,
  TRANSPORT_RC,
  TRANSPORT_UC,
  TRANSPORT_XRC,
} from '../../wire/opcodes.ts';
import { madName } from './mad.ts';
import { Arrival } from './sequence.ts';
import { RequestStream } from './stream.ts';

/** One RoCE packet. All is plain data: it can be printed as JSON. */
export interface LadderRow {
  /** Number of the packet in the capture, from 1. */
  readonly number: number;
  /** Microseconds since the first packet of the capture. */
  readonly us: number;
  readonly from: string;
  readonly to: string;
  /** As opcodeName gives it, or "MAD …". */
  readonly name: string;
  readonly qpn: number;
  /** The queue pair it comes from, where the packet or an answer to it tells; -1: unknown. */
  peerQpn: number;
  readonly psn: number;
  /** PSN counted from the first of its connection's direction; null where PSNs mean nothing. */
  readonly relative: number | null;
  readonly length: number;
  /** Bytes that a RETH speaks of: of the whole WRITE or READ; null without one. */
  readonly dmaLength: number | null;
  /** SE, AckReq, FECN, BECN. */
  readonly flags: readonly string[];
  /** Of an AETH: "ACK", "NAK PSN Sequence Error". */
  readonly syndrome: string | null;
  /** Credits of an ACK; null where it has none or there is no limit. */
  readonly credits: number | null;
  readonly msn: number | null;
  /** What it is an answer to: "ACK of 0-3", "READ 4 response 2 of 5". */
  readonly answers: string | null;
  /** What is odd: "retransmission", "gap of 2 before it (5-6)", "fills gap", "duplicate", "bad ICRC". */
  readonly marks: readonly string[];
}

type Answer = Pick<LadderRow, 'relative' | 'answers'>;
const CONNECTED: readonly number[] = [TRANSPORT_RC, TRANSPORT_UC, TRANSPORT_XRC];
const DEFAULT_MTU = 4096;
const MAD_QPN = 1;

/** Rows for all RoCE packets among `packets`. */
export function ladderRows(packets: readonly CapturedPacket[]): LadderRow[] {
  const frames = packets.map(({ data, linkType }) => decodeFrame(data, 0, data.length, linkType));
  const start = packets.length === 0 ? 0n : packets[0].timestampNs;
  const ladder = new Ladder(mtus(frames));
  for (const [i, frame] of frames.entries()) {
    if (frame instanceof WireError) continue;
    ladder.add(i + 1, Number(packets[i].timestampNs - start) / 1000, frame);
  }
  return ladder.finish();
}

const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
const hosts = (frame: RoceFrame): [from: string, to: string] => [formatIp(frame.ip.src), formatIp(frame.ip.dst)];

/** The path MTU between hosts: first and middle packets are full. */
function mtus(frames: readonly (RoceFrame | WireError)[]): Map<string, number> {
  const out = new Map<string, number>();
  for (const frame of frames) {
    if (frame instanceof WireError) continue;
    const { bth, payload } = frame.packet;
    const flags = opcodeFlags[bth.opcode];
    if (!CONNECTED.includes(opcodeTransport[bth.opcode]) || flags & OPF_END) continue;
    const pair = pairOf(...hosts(frame));
    out.set(pair, Math.max(out.get(pair) ?? 0, payload.length));
  }
  return out;
}

class Ladder {
  private readonly rows: LadderRow[] = [];
  private readonly streams = new Map<string, RequestStream>();
  /** The stream that responses to a queue pair belong to. */
  private readonly replies = new Map<string, RequestStream>();
  private readonly streamOf = new Map<LadderRow, RequestStream>();
  private readonly mtus: ReadonlyMap<string, number>;

  constructor(mtuOf: ReadonlyMap<string, number>) {
    this.mtus = mtuOf;
  }

  add(number: number, us: number, frame: RoceFrame): void {
    const { bth, payload, name, aeth, deth } = frame.packet;
    const [from, to] = hosts(frame);
    const flags = opcodeFlags[bth.opcode];
    const marks = frame.icrcOk ? [] : ['bad ICRC'];
    const connected = CONNECTED.includes(opcodeTransport[bth.opcode]);
    const reply = (flags & OPF_RESPONSE) !== 0;
    let stream: RequestStream | null = null;
    let answer: Answer = { relative: null, answers: null };
    // A damaged packet was dropped: it says nothing about the connection.
    if (connected && frame.icrcOk) {
      stream = reply ? this.replyStream(from, to, bth.qpn, bth.psn) : this.requestStream(from, to, bth.qpn, bth.psn);
      if (stream !== null) answer = reply ? this.reply(stream, frame, marks) : this.request(stream, frame, marks);
      else marks.push('answers nothing seen');
    }
    const ack = aeth !== undefined && aethType(aeth.syndrome) === AETH_ACK ? aeth.syndrome : AETH_ACK_UNLIMITED;
    const row: LadderRow = {
      number,
      us,
      from,
      to,
      name: bth.qpn === MAD_QPN ? madName(payload) : name,
      qpn: bth.qpn,
      peerQpn: deth?.sqpn ?? -1,
      psn: bth.psn,
      relative: answer.relative,
      length: payload.length,
      dmaLength: frame.packet.reth?.dmaLen ?? null,
      flags: [
        bth.se && 'SE',
        bth.ackReq && 'AckReq',
        bth.fecn && 'FECN',
        bth.becn && bth.opcode !== CNP && 'BECN',
      ].filter((flag) => flag !== false),
      syndrome: aeth === undefined ? null : syndromeName(aeth.syndrome),
      credits: ack === AETH_ACK_UNLIMITED ? null : aethCredits[ack & 0x1f],
      msn: aeth?.msn ?? null,
      answers: answer.answers,
      marks,
    };
    this.rows.push(row);
    if (stream !== null) this.streamOf.set(row, stream);
  }

  /** The rows; packets whose sending queue pair became known later are told it. */
  finish(): LadderRow[] {
    for (const [row, stream] of this.streamOf) {
      row.peerQpn = row.from === stream.from && row.qpn === stream.qpn ? stream.replyQpn : stream.qpn;
    }
    return this.rows;
  }

  private requestStream(from: string, to: string, qpn: number, psn: number): RequestStream {
    const key = `${from} ${to} ${qpn}`;
    let stream = this.streams.get(key);
    if (stream === undefined) {
      stream = new RequestStream(from, to, qpn, psn);
      this.streams.set(key, stream);
    } else if (stream.sent.isNewLife(psn)) stream.restart(psn);
    return stream;
  }

  /** Responses do not say which queue pair they come from: it is the one that something with this PSN was sent to. */
  private replyStream(from: string, to: string, qpn: number, psn: number): RequestStream | null {
    const key = `${to} ${qpn} ${from}`;
    const usual = this.replies.get(key);
    if (usual?.fits(psn)) return usual;
    for (const stream of this.streams.values()) {
      if (stream.from !== to || stream.to !== from || stream === usual || !stream.fits(psn)) continue;
      if (stream.replyQpn >= 0 && stream.replyQpn !== qpn) continue;
      stream.replyQpn = qpn;
      this.replies.set(key, stream);
      return stream;
    }
    return usual ?? null;
  }

  private request(stream: RequestStream, frame: RoceFrame, marks: string[]): Answer {
    const { bth, reth } = frame.packet;
    const flags = opcodeFlags[bth.opcode];
    const { sent } = stream;
    const relative = sent.count(bth.psn);
    const mtu = this.mtus.get(pairOf(stream.from, stream.to)) ?? DEFAULT_MTU;
    const span = flags & OPF_READ_REQ ? Math.max(1, Math.ceil((reth?.dmaLen ?? 0) / mtu)) : 1;
    const before = sent.next;
    const arrival = sent.take(relative, span);
    if (flags & (OPF_READ_REQ | OPF_ATOMIC | OPF_ATOMIC_WRITE | OPF_FLUSH)) stream.ask(relative, span);
    if (arrival === Arrival.AGAIN) marks.push('retransmission');
    else if (arrival === Arrival.FILLS_GAP) marks.push('fills gap');
    else if (arrival === Arrival.AFTER_GAP) marks.push(`gap: ${range(before, relative - 1)} missing`);
    return { relative, answers: null };
  }

  private reply(stream: RequestStream, frame: RoceFrame, marks: string[]): Answer {
    const { bth, aeth } = frame.packet;
    const flags = opcodeFlags[bth.opcode];
    const relative = stream.sent.count(bth.psn);
    const refused = aeth !== undefined && aethType(aeth.syndrome) !== AETH_ACK;
    if (refused) {
      const first = stream.acknowledge(relative);
      const ends = first === null ? '' : `, ACK of ${range(first, relative - 1)}`;
      const what = aeth.syndrome === NAK_PSN_SEQ ? `asks for ${relative}` : `refuses ${relative}`;
      return { relative, answers: what + ends };
    }
    const asked = stream.askedAt(relative);
    if (flags & OPF_READ_RESP) {
      const { again, lacking } = stream.answer(relative, asked);
      if (again) marks.push('duplicate');
      if (lacking > 0) marks.push(`gap: ${range(relative - lacking, relative - 1)} missing`);
      stream.acknowledge(relative + 1);
      const answers = asked === null ? null : `READ ${asked.at} response ${relative - asked.at + 1} of ${asked.span}`;
      return { relative, answers };
    }
    const first = stream.acknowledge(relative + 1);
    if (first === null) marks.push('duplicate');
    return { relative, answers: `ACK of ${range(first ?? relative, relative)}` };
  }
}

const range = (from: number, to: number): string => (from === to ? `${from}` : `${from}-${to}`);
