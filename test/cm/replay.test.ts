// Linux as the judge: captures between two kernels are played back with our connection manager in the place of one of them. What
// it says must be, byte for byte, what Linux said. What is drawn at random, or is the machine's own, is given to it: communication
// ids, PSNs, the GUID, the source port. Only transaction ids that it draws itself are not compared (of REQ with its RTU, SIDR_REQ and
// DREQ; answers carry the peer's): their upper half is the number of a kernel's MAD agent.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gsi } from '../../src/cm/gsi.ts';
import { IbCm } from '../../src/cm/ib/cm.ts';
import type { ConnectParam, RdmaCmId } from '../../src/cm/rdma/id.ts';
import { EventChannel, RdmaCm } from '../../src/cm/rdma/rdma-cm.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { parseAddress } from '../../src/link/address.ts';
import { ArrivalRecord } from '../../src/link/arrival.ts';
import type { Flow, Receive } from '../../src/link/link.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import { addressText } from '../../src/os/addresses.ts';
import { IP_CM_LEN, parseIpCm, portOfServiceId } from '../../src/wire/cm-ip.ts';
import { type CmMessage, encodeCm, parseCm } from '../../src/wire/cm-message.ts';
import { decodeFrame, type RoceFrame } from '../../src/wire/frame.ts';
import { OPF_REQUEST, opcodeFlags } from '../../src/wire/opcodes.ts';
import { madFrames } from '../wire/cm-support.ts';
import { loadCapture, ok } from '../wire/support.ts';

/** A link that is played to, and keeps what is sent. */
class ReplayLink extends LoopbackLink {
  readonly sent: Buffer[] = [];
  readonly incoming: ArrivalRecord[] = [];
  private at = 0;
  private length = 0;

  override reserve(flow: Flow, length: number): number {
    this.at = super.reserve(flow, length);
    this.length = length;
    return this.at;
  }

  override commit(): void {
    this.sent.push(Buffer.from(this.tx.subarray(this.at, this.at + this.length)));
    this.abort();
  }

  override poll(receive: Receive): number {
    const arrivals = this.incoming.splice(0);
    for (const arrival of arrivals) receive(arrival);
    return arrivals.length;
  }
}

const messageOf = (f: RoceFrame): CmMessage => ok(parseCm(f.packet.payload));
const ipOf = (ip: Uint8Array): string => addressText(Uint8Array.from(ip));

/** BTH and DETH are 20 bytes, the ICRC 4. */
const madOf = (packet: Buffer): Buffer => packet.subarray(20, packet.length - 4);

class Replay {
  readonly link: ReplayLink;
  readonly rxe: Rxe;
  readonly cm: RdmaCm;
  readonly channel = new EventChannel();
  readonly own: CmMessage[];
  private readonly frames: RoceFrame[];
  private readonly address: string;
  private id: RdmaCmId | null = null;

  constructor(frames: RoceFrame[], address: string) {
    this.frames = frames;
    this.address = address;
    this.own = frames.filter((f) => ipOf(f.ip.src) === address).map(messageOf);
    this.link = new ReplayLink({ addresses: [parseAddress(address)], mtu: 1500 });
    this.rxe = new Rxe({ link: this.link, clock: () => 0 });
    const gsi = new Gsi(this.rxe.device);
    const [first] = this.own;
    const body = first.body as {
      localCaGuid?: Uint8Array;
      localCommId?: number;
      requestId?: number;
      startingPsn?: number;
    };
    if (body.localCaGuid !== undefined) Object.assign(gsi, { caGuid: body.localCaGuid });
    const commId = body.localCommId ?? body.requestId ?? 1;
    const random = (below: number): number =>
      below === 2 ** 32 ? commId || 1 : below === 2 ** 24 ? (body.startingPsn ?? 0) : 0;
    const ib = new IbCm({ port: gsi, clock: () => 0, random });
    this.cm = new RdmaCm({ random });
    this.cm.addDevice({ gsi, ib });
  }

  private progress(): void {
    for (let i = 0; i < 4; i++) {
      this.rxe.engine.progress();
      this.cm.progress();
    }
    for (let e = this.channel.get(); e !== null; e = this.channel.get()) this.id = e.id;
  }

  private feed(f: RoceFrame): void {
    const { payload, headerLength, bth } = f.packet;
    const whole = Buffer.from(
      payload.buffer,
      payload.byteOffset - headerLength,
      headerLength + payload.length + bth.pad + 4,
    );
    const arrival = new ArrivalRecord();
    arrival.buf = Buffer.from(whole);
    arrival.len = whole.length;
    arrival.family = f.ip.version;
    arrival.src = Uint8Array.from(f.ip.src);
    arrival.sport = f.udp.sport;
    arrival.dport = f.udp.dport;
    this.link.incoming.push(arrival);
    this.progress();
  }

  /** What the program did for the kernel to say this. */
  private say(f: RoceFrame): void {
    const message = messageOf(f);
    if (message.type === 'REQ' || message.type === 'SIDR_REQ') {
      const { privateData, serviceId } = message.body;
      const header = ok(parseIpCm(privateData, 0));
      const { portSpace, port } = portOfServiceId(serviceId)!;
      const id = this.cm.createId({ channel: this.channel, portSpace });
      id.bind(header.srcIp, header.srcPort);
      id.resolveAddr(null, { address: header.dstIp, port });
      id.resolveRoute();
      id.connect({ ...paramOf(message), privateData: privateData.subarray(IP_CM_LEN) });
      this.id = id;
    } else if (message.type === 'REP') {
      this.id!.accept({ ...paramOf(message), privateData: message.body.privateData });
    } else if (message.type === 'SIDR_REP') {
      this.id!.accept({ qpn: message.body.qpn });
    } else if (message.type === 'RTU') this.id!.establish();
    else if (message.type === 'DREQ' || message.type === 'DREP') this.id!.disconnect();
    this.progress();
  }

  play(): Buffer[] {
    const [first] = this.frames.map(messageOf);
    if (this.own[0].type !== first.type && this.own[0].type !== 'REJ') {
      const { portSpace, port } = portOfServiceId((first.body as { serviceId: bigint }).serviceId)!;
      const listener = this.cm.createId({ channel: this.channel, portSpace });
      listener.bind(parseAddress(this.address).bytes, port);
      listener.listen(1);
    }
    for (const f of this.frames) {
      if (ipOf(f.ip.src) === this.address) this.say(f);
      else this.feed(f);
    }
    return this.link.sent.map(madOf);
  }

  close(): void {
    for (const device of [...this.cm.devices]) this.cm.removeDevice(device);
    this.rxe.close();
  }
}

/** What the program chose. */
function paramOf(message: CmMessage): ConnectParam {
  if (message.type === 'SIDR_REQ') return {};
  const b = message.body as Extract<CmMessage, { type: 'REQ' }>['body'];
  return {
    qpn: b.localQpn,
    responderResources: b.responderResources,
    initiatorDepth: b.initiatorDepth,
    flowControl: b.flowControl,
    retryCount: b.retryCount,
    rnrRetryCount: b.rnrRetryCount,
    srq: b.srq === 1,
  };
}

function masked(mad: Buffer): CmMessage {
  const message = ok(parseCm(mad));
  const begun = ['REQ', 'RTU', 'SIDR_REQ', 'DREQ'].includes(message.type);
  return begun ? { ...message, tid: 0n } : message;
}

it('each kernel sends with the PSN that the other has asked for', () => {
  for (const name of ['rxe-rping', 'rxe-ucmatose', 'rxe-rstream']) {
    const [req, rep] = madFrames(`${name}.pcap`).map(messageOf);
    const data = loadCapture(`${name}.pcap`).map(({ data }) => ok(decodeFrame(data)));
    const first = (from: string): number =>
      data.find(
        (f) =>
          ipOf(f.ip.src) === from && f.packet.bth.qpn > 1 && (opcodeFlags[f.packet.bth.opcode] & OPF_REQUEST) !== 0,
      )!.packet.bth.psn;
    assert.equal(first('10.77.0.2'), (req.body as { startingPsn: number }).startingPsn);
    assert.equal(first('10.77.0.3'), (rep.body as { startingPsn: number }).startingPsn);
  }
});

describe('our connection manager says what Linux said', () => {
  for (const name of [
    'rxe-rping',
    'rxe-rping-ip6',
    'rxe-ucmatose',
    'rxe-udaddy',
    'rxe-rstream',
    'rxe-cm-reject',
    'rxe-siw-both-rping',
  ]) {
    const frames = madFrames(`${name}.pcap`);
    for (const address of new Set(frames.map((f) => ipOf(f.ip.src)))) {
      it(`${name}, in the place of ${address}`, () => {
        const replay = new Replay(frames, address);
        const sent = replay.play();
        const wanted = replay.own.map((m) => masked(encodeCm(m)));
        assert.ok(wanted.length > 0);
        assert.deepEqual(sent.map(masked), wanted);
        // Reserved bits are zeros in both: field for field is byte for byte.
        for (const mad of sent) assert.deepEqual(encodeCm(ok(parseCm(mad))), mad);
        replay.close();
      });
    }
  }
});
