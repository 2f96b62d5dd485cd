// What a management datagram is about, in a word or two (IBTA vol. 1 sections 13.4.3 and 12.6).
import { cmTypeOf } from '../../wire/cm-message.ts';
import { WireError } from '../../wire/error.ts';
import { MadClass, parseMad } from '../../wire/mad.ts';

const CLASSES: Readonly<Record<number, string>> = {
  [MadClass.SA]: 'SA',
  [MadClass.PERFORMANCE]: 'PM',
  [MadClass.CM]: 'CM',
};

/** "MAD CM REQ"; "MAD" alone for what is too short. */
export function madName(payload: Uint8Array): string {
  const mad = parseMad(payload, 0);
  if (mad instanceof WireError) return 'MAD';
  const name = CLASSES[mad.mgmtClass] ?? `class 0x${mad.mgmtClass.toString(16)}`;
  const what = mad.mgmtClass === MadClass.CM ? cmTypeOf(mad.attrId) : undefined;
  return `MAD ${name} ${what ?? `attribute 0x${mad.attrId.toString(16)}`}`;
}
