// Link-layer types of capture files (https://www.tcpdump.org/linktypes.html): where the IP packet starts in a captured frame.
import { getU16 } from './bytes.ts';
import { checkRoom, WireError } from './error.ts';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, parseEthernet } from './ethernet.ts';

export const LINKTYPE_ETHERNET = 1;
/** Raw IPv4 or IPv6. */
export const LINKTYPE_RAW = 101;
/** What `tcpdump -i any` writes. */
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_IPV4 = 228;
export const LINKTYPE_IPV6 = 229;
export const LINKTYPE_LINUX_SLL2 = 276;

/** The offset of the IP header in a frame of the link type, or why there is none. */
export function ipOffset(linkType: number, buf: Uint8Array, off: number, end: number): number | WireError {
  switch (linkType) {
    case LINKTYPE_ETHERNET: {
      const eth = parseEthernet(buf, off, end);
      return eth instanceof WireError ? eth : checkType(eth.etherType, off + eth.length - 2, off + eth.length);
    }
    case LINKTYPE_RAW:
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
      return off;
    case LINKTYPE_LINUX_SLL:
      return checkRoom(off, end, 16, 'Linux cooked header') ?? checkType(getU16(buf, off + 14), off + 14, off + 16);
    case LINKTYPE_LINUX_SLL2:
      return checkRoom(off, end, 20, 'Linux cooked header v2') ?? checkType(getU16(buf, off), off, off + 20);
    default:
      return new WireError('unsupported', off, `link type ${linkType}`);
  }
}

function checkType(etherType: number, at: number, payload: number): number | WireError {
  if (etherType === ETHERTYPE_IPV4 || etherType === ETHERTYPE_IPV6) return payload;
  return new WireError('not-roce', at, `EtherType 0x${etherType.toString(16).padStart(4, '0')}`);
}
