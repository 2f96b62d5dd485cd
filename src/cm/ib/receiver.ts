// What comes from peers: each message finds its communication, and the table says what it means there.
import { gidsEqual, isIpv4Gid } from '../../core/gid-text.ts';
import { type CmRep, type CmReq, CmTransport } from '../../wire/cm-connect.ts';
import type { CmDreq } from '../../wire/cm-disconnect.ts';
import type { CmMessage } from '../../wire/cm-message.ts';
import { ApStatus, type CmLap } from '../../wire/cm-path.ts';
import { CmAnswered, type CmMra, type CmRej, RejReason } from '../../wire/cm-refuse.ts';
import { type CmSidrReq, SidrStatus } from '../../wire/cm-sidr.ts';
import type { MadAddress } from '../mad-port.ts';
import type { IbCm } from './cm.ts';
import type { IbCmId } from './id.ts';
import { qpKey, requestKey, sidrKey } from './id-table.ts';
import { NO_BYTES, rejOf, sidrRepOf } from './messages.ts';
import { type CmInput, transition } from './states.ts';
import { cmTimeUs } from './time.ts';

export class CmReceiver {
  private readonly cm: IbCm;

  constructor(cm: IbCm) {
    this.cm = cm;
  }

  receive(from: MadAddress, message: CmMessage): void {
    const { tid } = message;
    switch (message.type) {
      case 'REQ':
        return this.req(from, tid, message.body);
      case 'REP':
        return this.rep(from, tid, message.body);
      case 'RTU': {
        const { body } = message;
        const id = this.find(from, body);
        if (id !== null && this.take(id, 'recv RTU')) {
          this.cm.deliver({ type: 'RTU_RECEIVED', id, privateData: body.privateData });
        }
        return;
      }
      case 'MRA':
        return this.mra(from, message.body);
      case 'REJ':
        return this.rej(from, message.body);
      case 'DREQ':
        return this.dreq(from, tid, message.body);
      case 'DREP': {
        const { body } = message;
        const id = this.find(from, body);
        if (id !== null && this.take(id, 'recv DREP')) {
          this.cm.deliver({ type: 'DREP_RECEIVED', id, privateData: body.privateData });
        }
        return;
      }
      case 'SIDR_REQ':
        return this.sidrReq(from, tid, message.body);
      case 'SIDR_REP': {
        const { body } = message;
        const id = this.ours(from, body.requestId);
        if (id !== null && this.take(id, 'recv SIDR_REP')) {
          this.cm.deliver({ type: 'SIDR_REP_RECEIVED', id, sidr: body });
        }
        return;
      }
      case 'LAP':
        return this.lap(from, tid, message.body);
      case 'APR':
        // We propose no alternate paths.
        return;
    }
  }

  /** The communication that we call so, if it is the sender's: nobody else has a say in it. */
  private ours(from: MadAddress, localId: number): IbCmId | null {
    const id = this.cm.ids.get(localId);
    return id !== undefined && id.peer !== null && gidsEqual(id.peer.gid, from.gid) ? id : null;
  }

  /** The communication that both sides mean. */
  private find(from: MadAddress, body: { localCommId: number; remoteCommId: number }): IbCmId | null {
    const id = this.ours(from, body.remoteCommId);
    return id !== null && id.remoteId === body.localCommId && id.remoteId !== 0 ? id : null;
  }

  /** Moves on and does what is to be done without the user; true when the user is to be told. */
  private take(id: IbCmId, input: CmInput): boolean {
    const t = transition(id.state, input);
    if (t === undefined) return false;
    if (t.action === 'resend') this.cm.resend(id);
    return this.cm.step(id, input) && t.action === 'deliver';
  }

  private req(from: MadAddress, tid: bigint, req: CmReq): void {
    const { cm } = this;
    const key = requestKey(req.localCaGuid, req.localCommId);
    const known = cm.ids.findRequest(key);
    if (known !== undefined) {
      // IBTA 12.9.8.3.1: a request that we have seen.
      const again = transition(known.state, 'recv REQ');
      this.take(known, 'recv REQ');
      if (again?.action === 'reject stale') this.refuse(from, tid, req, RejReason.STALE_CONN);
      return;
    }
    const stale = cm.ids.findQp(qpKey(req.localCaGuid, req.localQpn));
    if (stale !== undefined) {
      // 12.9.8.3.1: its queue pair is in a connection that we hold for alive: one that the peer has forgotten.
      this.refuse(from, tid, req, RejReason.STALE_CONN);
      if (stale.state === 'ESTABLISHED') cm.sendDreq(stale);
      return;
    }
    const handler = cm.listener(req.serviceId);
    if (handler === undefined) return this.refuse(from, tid, req, RejReason.INVALID_SERVICE_ID);
    if (req.transportType !== CmTransport.RC && req.transportType !== CmTransport.UC) {
      return this.refuse(from, tid, req, RejReason.INVALID_TRANSPORT_TYPE);
    }
    if (isIpv4Gid(req.primaryLocalGid) !== isIpv4Gid(from.gid))
      return this.refuse(from, tid, req, RejReason.INVALID_GID);
    if (cm.ids.size >= cm.limit) {
      cm.dropped++;
      return;
    }
    const id = cm.ids.create(handler);
    fillFromReq(id, from, tid, req);
    id.targetAckDelay = cm.caAckDelay;
    cm.ids.nameRequest(id, key);
    cm.ids.nameQp(id, qpKey(req.localCaGuid, req.localQpn));
    this.take(id, 'recv REQ');
    this.obey(id, cm.deliver({ type: 'REQ_RECEIVED', id, req }));
  }

  /** What the listener said to a request. */
  private obey(id: IbCmId, verdict: unknown): void {
    const { cm } = this;
    if (verdict === undefined) return;
    if (typeof verdict === 'number' && transition(id.state, 'send REJ') !== undefined) cm.sendRej(id, verdict);
    if (verdict === 'drop') cm.dropped++;
    id.destroyed = true;
    id.state = 'IDLE';
    cm.ids.remove(id);
  }

  private refuse(to: MadAddress, tid: bigint, req: CmReq, reason: number): void {
    this.cm.reply(to, { type: 'REJ', tid, body: rejOf(0, req.localCommId, CmAnswered.REQ, reason) });
  }

  private rep(from: MadAddress, tid: bigint, rep: CmRep): void {
    const { cm } = this;
    const id = this.ours(from, rep.remoteCommId);
    // A communication takes the first REP for its own; what calls itself otherwise is not its peer.
    if (id === null || (id.remoteId !== 0 && id.remoteId !== rep.localCommId)) return;
    const t = transition(id.state, 'recv REP');
    if (t === undefined) return;
    if (t.action === 'deliver') {
      const key = qpKey(rep.localCaGuid, rep.localQpn);
      if (cm.ids.findQp(key) !== undefined) {
        const body = rejOf(id.localId, rep.localCommId, CmAnswered.REP, RejReason.STALE_CONN);
        cm.reply(id.peer!, { type: 'REJ', tid, body });
        return;
      }
      id.remoteId = rep.localCommId;
      id.remoteQpn = rep.localQpn;
      id.remoteCaGuid = rep.localCaGuid;
      id.sqPsn = rep.startingPsn;
      id.initiatorDepth = rep.responderResources;
      id.responderResources = rep.initiatorDepth;
      id.targetAckDelay = rep.targetAckDelay;
      id.rnrRetryCount = rep.rnrRetryCount;
      cm.ids.nameRequest(id, requestKey(rep.localCaGuid, rep.localCommId));
      cm.ids.nameQp(id, key);
    }
    if (this.take(id, 'recv REP')) cm.deliver({ type: 'REP_RECEIVED', id, rep });
  }

  private mra(from: MadAddress, mra: CmMra): void {
    const { cm } = this;
    const id = this.ours(from, mra.remoteCommId);
    if (id === null || (id.remoteId !== 0 && id.remoteId !== mra.localCommId)) return;
    const about = id.state === 'REQ_SENT' || id.state === 'MRA_REQ_RCVD' ? CmAnswered.REQ : CmAnswered.REP;
    if (about !== mra.answered || !this.take(id, 'recv MRA')) return;
    cm.prolong(id, mra.serviceTimeout);
    cm.deliver({ type: 'MRA_RECEIVED', id, mra });
  }

  private rej(from: MadAddress, rej: CmRej): void {
    const { cm } = this;
    let id = this.ours(from, rej.remoteCommId);
    if (rej.reason === RejReason.TIMEOUT && id === null) {
      // The peer gives up a request before it knows what we call it: its GUID is in the additional information.
      const meant = cm.ids.findRequest(requestKey(rej.info.subarray(0, 8), rej.localCommId));
      id = meant === undefined ? null : this.ours(from, meant.localId);
    } else if (rej.rejected === CmAnswered.REQ) {
      if (id !== null && id.remoteId !== 0) id = null;
    } else if (id !== null && id.remoteId !== rej.localCommId) {
      id = null;
    }
    if (id === null) return;
    const input = rej.reason === RejReason.STALE_CONN ? 'recv stale REJ' : 'recv REJ';
    if (this.take(id, input)) cm.deliver({ type: 'REJ_RECEIVED', id, rej });
  }

  private dreq(from: MadAddress, tid: bigint, dreq: CmDreq): void {
    const { cm } = this;
    const id = this.find(from, dreq);
    const drep = (): void => {
      const ids = { localCommId: dreq.remoteCommId, remoteCommId: dreq.localCommId };
      cm.reply(from, { type: 'DREP', tid, body: { ...ids, privateData: NO_BYTES } });
    };
    // Of a connection that is over: the peer need not ask any longer (Linux cm_issue_drep).
    if (id === null) return drep();
    if (dreq.remoteQpn !== id.localQpn) return;
    if (transition(id.state, 'recv DREQ')?.action === 'send DREP') drep();
    else if (id.state !== 'DREQ_RCVD') id.dreqTid = tid;
    if (this.take(id, 'recv DREQ')) cm.deliver({ type: 'DREQ_RECEIVED', id, privateData: dreq.privateData });
  }

  private sidrReq(from: MadAddress, tid: bigint, sidr: CmSidrReq): void {
    const { cm } = this;
    const key = sidrKey(from, sidr.requestId);
    const known = cm.ids.findRequest(key);
    if (known !== undefined) {
      if (known.state === 'IDLE') cm.resend(known);
      return;
    }
    const handler = cm.listener(sidr.serviceId);
    if (handler === undefined) {
      const body = sidrRepOf(sidr.requestId, sidr.serviceId, { status: SidrStatus.UNSUPPORTED });
      return cm.reply(from, { type: 'SIDR_REP', tid, body });
    }
    if (cm.ids.size >= cm.limit) {
      cm.dropped++;
      return;
    }
    const id = cm.ids.create(handler);
    id.state = 'SIDR_REQ_RCVD';
    id.peer = from;
    id.tid = tid;
    id.remoteId = sidr.requestId;
    id.serviceId = sidr.serviceId;
    id.pkey = sidr.pkey;
    id.av = { ...withoutGid(from), dgid: from.gid, port: 1, sl: 0, dlid: 0 };
    cm.ids.nameRequest(id, key);
    const verdict = cm.deliver({ type: 'SIDR_REQ_RECEIVED', id, sidr });
    if (typeof verdict === 'number' && id.state === 'SIDR_REQ_RCVD') {
      cm.sendSidrRep(id, { status: SidrStatus.REJECT });
      this.obey(id, 'rejected');
    } else this.obey(id, verdict);
  }

  // Alternate paths are refused politely: there is one way between two IP addresses.
  private lap(from: MadAddress, tid: bigint, lap: CmLap): void {
    const id = this.find(from, lap);
    const status = id === null ? ApStatus.INVALID_COMM_ID : ApStatus.UNSUPPORTED;
    const ids = { localCommId: lap.remoteCommId, remoteCommId: lap.localCommId };
    this.cm.reply(from, {
      type: 'APR',
      tid,
      body: { ...ids, infoLength: 0, status, info: NO_BYTES, privateData: NO_BYTES },
    });
  }
}

function withoutGid({ sgidIndex, trafficClass, hopLimit, flowLabel }: MadAddress): Omit<MadAddress, 'gid'> {
  return { sgidIndex, trafficClass, hopLimit, flowLabel };
}

function fillFromReq(id: IbCmId, from: MadAddress, tid: bigint, req: CmReq): void {
  id.serviceId = req.serviceId;
  id.tid = tid;
  const { primaryTrafficClass: trafficClass, primaryHopLimit, primaryFlowLabel: flowLabel } = req;
  const hopLimit = primaryHopLimit || from.hopLimit;
  id.peer = { gid: Uint8Array.from(from.gid), sgidIndex: from.sgidIndex, trafficClass, hopLimit, flowLabel };
  const dgid = gidsEqual(req.primaryLocalGid, from.gid) ? id.peer.gid : Uint8Array.from(req.primaryLocalGid);
  id.av = { dgid, sgidIndex: from.sgidIndex, trafficClass, hopLimit, flowLabel, port: 1, sl: req.primarySl, dlid: 0 };
  id.remoteId = req.localCommId;
  id.remoteQpn = req.localQpn;
  id.remoteCaGuid = req.localCaGuid;
  id.transport = req.transportType;
  id.pkey = req.pkey;
  id.pathMtu = req.pathMtu;
  id.sqPsn = req.startingPsn;
  id.initiatorDepth = req.responderResources;
  id.responderResources = req.initiatorDepth;
  id.retryCount = req.retryCount;
  id.rnrRetryCount = req.rnrRetryCount;
  id.ackTimeout = req.primaryAckTimeout;
  id.timeoutUs = cmTimeUs(req.localCmResponseTimeout);
  id.maxRetries = req.maxCmRetries;
}
