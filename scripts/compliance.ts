// Writes docs/compliance.md: the compliance statements of the IBTA specification that are quoted in public, what each asks in
// our words, and where code and tests cite it. `node scripts/compliance.ts --check` fails when the file is out of date.
import { globSync, readFileSync, writeFileSync } from 'node:fs';

/** Statement and what it asks; those that are not met, or not yet, have the reason. */
const STATEMENTS: readonly [id: string, asks: string, exception?: string][] = [
  ['C9-6', 'reserved BTH bits are sent as 0 and ignored on receipt'],
  ['C9-42', 'a packet for QP1 is compared with all P_Keys of the port', 'no QP1 yet; the P_Key table has one entry'],
  ['C9-43', 'a packet whose P_Key does not match its QP is dropped'],
  ['C9-88', 'the R_Key of a READ or WRITE of length 0 is not checked'],
  ['C9-92', 'first and middle packets carry a full path MTU, a last one 1 to the MTU'],
  ['C9-94', 'a RETH announces at most 2^31 bytes'],
  ['C9-105', 'a duplicate SEND or WRITE is acknowledged again'],
  ['C9-110', 'duplicates are answered in the order of their PSNs, before answers to later requests'],
  ['C9-139', 'the send queue of a reliable connection has a transport timer'],
  ['C9-140', 'its interval is 4.096 µs · 2^n; 0 switches it off'],
  ['C9-148', 'the MSN counts new requests completed, not duplicates'],
  ['C9-205', 'a datagram too long for its buffer or the MTU is dropped without a word'],
  ['C9-218', 'a CQ that cannot take a completion puts its QPs in error, with affiliated events'],
  ['C9-220', 'after an error of class A both queues are flushed, and what is posted later'],
  ['C9-222.1.1', 'an error of class C is NAKed; it is an event where no receive work request can tell it'],
  ['C10-10', 'a UD send needs an address handle of its protection domain'],
  ['C10-20', 'a new QP is in RESET'],
  ['C10-56', 'a window and its region are of one protection domain'],
  ['C10-57', 'a region grants only the rights it was registered with'],
  ['C10-68', 'when a bind has completed, what was bound before is not reached any more'],
  ['C10-72', 'a type 2 window is bound through a QP of its protection domain'],
  ['C10-73', 'a window is bound only to a region with MW_BIND'],
  ['C10-74', 'a window that may be written needs a region that may be written locally'],
  ['C10-75', 'a window lies within its region'],
  ['C10-76.2.1', 'a type 1 window is reached through QPs of its protection domain'],
  ['C10-77', 'a window grants only the rights it was bound with'],
  ['C10-87', 'a WRITE without immediate data takes no receive work request'],
  ['C10-93.1.1', 'a UD message longer than the MTU is not sent, and that is no error'],
  ['C10-97.2.1', 'nothing is posted to a receive queue before INIT'],
  ['C11-17', 'a CQ that work queues use is not destroyed'],
  ['C11-37', 'an overrun of a CQ is a CQ error; it takes no more completions'],
  ['o10-2.2.3', 'a QP in a multicast group is not destroyed'],
  ['o10-36.2.2', 'a type 1 window is not zero-based'],
  ['o10-37.2.13', 'a region registered by a user is not invalidated'],
  ['o10-37.2.26', 'a type 1 window is not invalidated'],
  ['o10-37.2.30', 'a type 2 window is bound only while it is free'],
  ['o10-37.2.40', 'a type 2 window is not unbound by binding it with length 0'],
  ['o10-37.2.43', 'a type 2 window is reached through the QP it is bound to'],
  ['o11-5.2.5', 'Last WQE Reached is raised for a QP with an SRQ that goes to error'],
];

const TARGET = new URL('../docs/compliance.md', import.meta.url);
const root = new URL('..', import.meta.url).pathname;

function citing(pattern: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of globSync(pattern, { cwd: root }).sort()) {
    const text = readFileSync(root + file, 'utf8');
    for (const [id] of STATEMENTS) {
      const cited = new RegExp(`\\b${id.replaceAll('.', '\\.')}(?![0-9.]*[0-9])`);
      if (cited.test(text)) found.set(id, [...(found.get(id) ?? []), file]);
    }
  }
  return found;
}

const link = (file: string): string => `[${file.replace(/^(src|test)\//, '')}](../${file})`;
// The conformance suite lies in src/, and is a test of any device.
const code = citing('src/!(conformance)/**/*.ts');
const tests = citing('{test,src/conformance}/**/*.ts');
const rows = STATEMENTS.map(([id, asks, exception]) => {
  const where = (code.get(id) ?? []).map(link).join(', ');
  const proof = (tests.get(id) ?? []).map(link).join(', ');
  return `| ${id} | ${asks} | ${where} | ${proof} | ${exception ?? ''} |`;
});
const page = `# Compliance

Statements of the InfiniBand Architecture Specification, volume 1, that are quoted in public, what each asks (in our words), and
where code and tests cite it. A rule without a public id is cited by its section in the code. A row without a test is met by the code
named, and not yet proved under its id. Made by \`node scripts/compliance.ts\`.

| statement | asks | code | tests | exception |
|---|---|---|---|---|
${rows.join('\n')}
`;

if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== page) {
    console.error('docs/compliance.md is out of date: run node scripts/compliance.ts');
    process.exitCode = 1;
  }
} else {
  writeFileSync(TARGET, page);
}
