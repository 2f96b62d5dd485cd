// What a management datagram is about, in a word or two (IBTA vol. 1 sections 13.4.3 and 12.6).
const CLASSES: Readonly<Record<number, string>> = { 3: 'SA', 4: 'PM', 7: 'CM' };
const CM_CLASS = 0x07;
const CM_ATTRIBUTES: Readonly<Record<number, string>> = {
  16: 'REQ',
  17: 'MRA',
  18: 'REJ',
  19: 'REP',
  20: 'RTU',
  21: 'DREQ',
  22: 'DREP',
  23: 'SIDR_REQ',
  24: 'SIDR_REP',
  25: 'LAP',
  26: 'APR',
};

/** "MAD CM REQ"; "MAD" alone for what is too short. */
export function madName(payload: Uint8Array): string {
  if (payload.length < 24) return 'MAD';
  const kind = payload[1];
  const attribute = (payload[16] << 8) | payload[17];
  const name = CLASSES[kind] ?? `class 0x${kind.toString(16)}`;
  const what = kind === CM_CLASS ? CM_ATTRIBUTES[attribute] : undefined;
  return `MAD ${name} ${what ?? `attribute 0x${attribute.toString(16)}`}`;
}
