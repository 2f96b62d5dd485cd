// Writes docs/mandatory-verbs.md from core/mandatory.ts, with a column for each driver, asked of a registered device.
// `node scripts/mandatory-verbs.ts --check` fails when the file is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { DRIVERS, type Facts, simulatedPair } from '../src/conformance/index.ts';
import { LINUX_NOW, LINUX_THEN, type Owed, VERBS, type Verb } from '../src/core/mandatory.ts';

const TARGET = new URL('../docs/mandatory-verbs.md', import.meta.url);

async function factsOf(driver: string): Promise<Facts> {
  const pair = simulatedPair(DRIVERS[driver]);
  const facts = await pair.a.facts();
  await pair.close();
  return facts;
}

const drivers = Object.keys(DRIVERS);
const facts = await Promise.all(drivers.map(factsOf));

const owedText = (owed: Owed): string => (typeof owed === 'string' ? owed : `with ${owed.join(', ')}`);

/** `yes`, `-` (absent), or nothing where the core does it for every driver. */
function has(verb: Verb, { verbs }: Facts): string {
  if (verb.owed === 'core') return '';
  return verbs.includes(verb.name) ? 'yes' : '-';
}

function claimed(verb: Verb, f: Facts): string {
  if (has(verb, f) !== 'yes' || typeof verb.owed === 'string') return has(verb, f);
  return verb.owed.some((capability) => f.capabilities.includes(capability)) ? 'yes' : 'not claimed';
}

const rows = VERBS.map((verb) => {
  const linux = [LINUX_THEN.includes(verb.name) ? 'then' : '', LINUX_NOW.includes(verb.name) ? 'now' : ''];
  const cells = [
    `\`${verb.name}\``,
    owedText(verb.owed),
    verb.ibta === null ? '' : `${verb.ibta} (${verb.section})`,
    linux.filter(Boolean).join(', '),
    verb.iwarp ?? '',
    verb.source,
    ...facts.map((f) => claimed(verb, f)),
  ];
  return `| ${cells.join(' | ')} |`;
});

const classes = facts.map((f, i) => {
  const lacking = f.missing.length === 0 ? '' : `; it lacks ${f.missing.join(', ')}`;
  return `- **${drivers[i]}**: ${f.kverbs ? 'kernel-verbs class' : 'for user contexts only'}${lacking}.`;
});

const page = `# Mandatory verbs

What a driver must have, exactly; what it owes with a capability that it claims; what it is free to have. \`src/core/mandatory.ts\`
is the table, and registration checks it: a device without one of the mandatory verbs is for user contexts only, and in-process
consumers are refused it; a capability claimed without its verbs is an error. Whether a verb that is there also works is what
\`infinitive conformance\` finds out. Made by \`node scripts/mandatory-verbs.ts\`.

- **mandatory**: without it the device is for user contexts only.
- **with …**: owed by a device that claims one of these capabilities.
- **core**: not the driver's: the core does it for every device.
- **Linux**: in the table of \`ib_device_check_mandatory\`. *Then*, from 2005 on, a device that lacked one was refused, which is
  why drivers carried stubs to pass it. *Now*, since 2019, it registers all the same, and \`kverbs_provider\` says that the kernel's
  own consumers may not use it. GID and P_Key queries have become the core's tables, address handles a capability.

${classes.join('\n')}

| verb | class | IBTA vol. 1, ch. 11 | Linux | iWARP | source | ${drivers.join(' | ')} |
|---|---|---|---|---|---|${'---|'.repeat(drivers.length)}
${rows.join('\n')}
`;

if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== page) {
    console.error('docs/mandatory-verbs.md is out of date: run node scripts/mandatory-verbs.ts');
    process.exitCode = 1;
  }
} else {
  writeFileSync(TARGET, page);
}
