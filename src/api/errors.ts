import type { WcStatusName } from '../core/constants.ts';
import type { Completion } from './completion.ts';

export { VerbsError } from '../core/errors.ts';

// What each status mostly comes from, for those who meet it the first time.
const HELP: Partial<Record<WcStatusName, string>> = {
  LOC_LEN_ERR: 'a message is longer than the receive buffers posted for it, or than the operation takes',
  LOC_QP_OP_ERR: 'this QP cannot do the operation: see its type, its maxRdAtomic, the address handle',
  LOC_PROT_ERR:
    'an SGE is not covered by a registered region of this PD with the rights needed (lkey, address, length, LOCAL_WRITE)',
  WR_FLUSH_ERR:
    'the QP went to the error state before this request was done; an earlier completion or an async event says why',
  MW_BIND_ERR: 'the window could not be bound: region without MW_BIND, range outside it, or a window bound already',
  BAD_RESP_ERR: 'the peer answered with something that does not fit the request',
  LOC_ACCESS_ERR: 'the peer asked to invalidate a key it may not invalidate',
  REM_INV_REQ_ERR:
    'the peer refused the request: message longer than its receive buffer, operation its QP does not allow, or too many READs',
  REM_ACCESS_ERR: 'the peer refused access: wrong rkey, address outside the region, or a right that was not granted',
  REM_OP_ERR: 'the peer could not carry the request out',
  RETRY_EXC_ERR: 'the peer does not answer: gone, not yet in RTR, or packets do not reach it (address, firewall, MTU)',
  RNR_RETRY_EXC_ERR: 'the peer posted no receive request in time; post more, or raise rnrRetry (7: for ever)',
};

/** A work request that ended with another status than SUCCESS. `status` is its name, as in `ibv_wc_status_str`'s enum. */
export class WcError extends Error {
  override readonly name = 'WcError';
  readonly status: WcStatusName;
  readonly wrId: number;
  readonly qpn: number;

  constructor(completion: Completion) {
    const { status, wrId, qpn } = completion;
    const help = HELP[status];
    super(`work request ${wrId} of QP ${qpn}: ${status}${help === undefined ? '' : `: ${help}`}`);
    this.status = status;
    this.wrId = wrId;
    this.qpn = qpn;
  }
}
