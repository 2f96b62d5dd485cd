// Where our side differs from Linux on purpose; docs/interop.md says why, under the same names.
import { EventType } from '../../src/core/constants.ts';
import type { Measured } from '../errors.ts';
import { LINUX_ASKS, OURS_ASKS } from './operations.ts';

type Choice = Readonly<Record<string, Partial<Measured>>>;

const flushed = ['101:WR_FLUSH_ERR', '102:WR_FLUSH_ERR'];

/** C9-222.1.1: an error that no receive work request can tell is an event of the responder's QP. rxe raises none. */
const event = (type: number): Choice => ({
  [LINUX_ASKS]: { b: { completions: flushed, state: 'ERR', events: [type] } },
});
const accessError = event(EventType.QP_ACCESS_ERR);
const requestError = event(EventType.QP_REQ_ERR);

const fails = (status: string): Measured['a'] => ({
  completions: [`1:${status}`, '2:WR_FLUSH_ERR'],
  state: 'ERR',
  events: [],
});
const receiveFails = (status: string): Measured['b'] => ({
  completions: [`101:${status}`, '102:WR_FLUSH_ERR'],
  state: 'ERR',
  events: [],
});

const tooLong: Choice = {
  [LINUX_ASKS]: { a: fails('REM_INV_REQ_ERR'), b: receiveFails('LOC_LEN_ERR'), naks: ['NAK 1'] },
};
const dropped: Choice = { [LINUX_ASKS]: { b: { completions: ['101:SUCCESS'], state: 'RTS', events: [] } } };
const badInvalidate: Choice = {
  [LINUX_ASKS]: { a: fails('REM_ACCESS_ERR'), b: receiveFails('LOC_ACCESS_ERR'), naks: ['NAK 2'] },
};

/** By row and direction: what is seen instead of what two Linux peers see. */
export const CHOICES: Readonly<Record<string, Choice>> = {
  'WRITE, wrong rkey': accessError,
  'READ, wrong rkey': accessError,
  'FETCH_ADD, wrong rkey': accessError,
  'WRITE out of bounds, several packets': accessError,
  'WRITE before the region': accessError,
  'READ out of bounds': accessError,
  'WRITE, region without the right': accessError,
  'READ, region without the right': accessError,
  'CMP_SWAP, region without the right': accessError,
  'WRITE, window invalidated': accessError,
  'WRITE beyond the window': {
    [LINUX_ASKS]: {
      a: { completions: ['1:REM_ACCESS_ERR'], state: 'ERR', events: [] },
      b: { completions: flushed, state: 'ERR', events: [EventType.QP_ACCESS_ERR] },
      naks: ['NAK 2'],
    },
  },
  'WRITE, QP without the right': requestError,
  'READ, QP without the right': requestError,
  'FETCH_ADD, QP without the right': requestError,
  // The verb takes what the program says; librxe refuses it, so that two Linux peers never see the NAK that Linux has for it.
  'FETCH_ADD, address not a multiple of 8': {
    [OURS_ASKS]: {
      refused: undefined,
      a: fails('REM_INV_REQ_ERR'),
      b: { completions: flushed, state: 'ERR', events: [] },
      naks: ['NAK 1'],
    },
  },
  'SEND longer than the receive buffer, one packet': tooLong,
  'SEND longer than the receive buffer, several packets': tooLong,
  'SEND with invalidate, wrong rkey': badInvalidate,
  'SEND with invalidate of a region': badInvalidate,
  'SEND, wrong lkey': { [OURS_ASKS]: { a: fails('LOC_PROT_ERR') } },
  'receive into a region without LOCAL_WRITE': { [LINUX_ASKS]: { b: receiveFails('LOC_PROT_ERR') } },
  'UD, datagram longer than the receive buffer': dropped,
  'UC SEND longer than the receive buffer': dropped,
};
