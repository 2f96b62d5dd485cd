// A report as text, and as JUnit XML.
import type { CheckResult, Report, Status } from './report.ts';

const MARK: Readonly<Record<Status, string>> = {
  passed: 'ok  ',
  failed: 'FAIL',
  'not-claimed': '-   ',
  exception: 'exc ',
};

export function formatText(report: Report, all = false): string {
  const { counts, missing, stubs } = report;
  const lines = [`${report.device} (${report.driver}), ${className(report)}`];
  for (const [area, checks] of byArea(report.checks)) {
    lines.push('', area);
    for (const { status, name, statements, reason } of checks) {
      const ids = statements.length === 0 ? '' : ` [${statements.join(', ')}]`;
      lines.push(`  ${MARK[status]} ${name}${ids}`);
      if (reason !== null && (all || status !== 'not-claimed')) lines.push(`       ${reason}`);
    }
  }
  const excused = report.statements.filter((s) => s.status === 'exception');
  if (excused.length > 0) lines.push('', 'not met, and why', ...excused.map((s) => `  ${s.id}: ${s.reason}`));
  if (missing.length > 0) lines.push('', `mandatory verbs it lacks: ${missing.join(', ')}`);
  if (stubs.length > 0) lines.push('', `verbs that are stubs: ${stubs.join(', ')}`);
  const failed = report.verbs.filter((v) => v.status === 'failed');
  if (failed.length > 0) lines.push('', `verbs that failed: ${failed.map((v) => v.name).join(', ')}`);
  lines.push(
    '',
    `${counts.passed} passed, ${counts.failed} failed, ${counts['not-claimed']} not claimed, ${counts.exception} excepted`,
  );
  return lines.join('\n');
}

const className = ({ deviceClass }: Report): string =>
  deviceClass === 'kernel-verbs' ? 'kernel-verbs class: it has the whole mandatory set' : 'for user contexts only';

function byArea(checks: readonly CheckResult[]): Map<string, CheckResult[]> {
  const areas = new Map<string, CheckResult[]>();
  for (const check of checks) areas.set(check.area, [...(areas.get(check.area) ?? []), check]);
  return areas;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 allows no others
  text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '?').replace(/[&<>"]/g, (c) => ENTITIES[c]);

/** What is not claimed is skipped, with the reason; so is an exception. */
export function formatJunit(report: Report): string {
  const suites = [...byArea(report.checks)].map(([area, checks]) => {
    const count = (status: Status): number => checks.filter((c) => c.status === status).length;
    const skipped = count('not-claimed') + count('exception');
    const name = escaped(`${report.driver}: ${area}`);
    return [
      `  <testsuite name="${name}" tests="${checks.length}" failures="${count('failed')}" errors="0" skipped="${skipped}">`,
      ...checks.map((check) => testcase(report.driver, check)),
      '  </testsuite>',
    ].join('\n');
  });
  return ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>', ...suites, '</testsuites>', ''].join('\n');
}

function testcase(driver: string, { area, name, statements, status, reason, ms }: CheckResult): string {
  const ids = statements.length === 0 ? '' : ` [${statements.join(', ')}]`;
  const head = `    <testcase classname="${escaped(`${driver}.${area}`)}" name="${escaped(name + ids)}" time="${(ms / 1000).toFixed(4)}"`;
  if (status === 'passed') return `${head}/>`;
  const text = escaped(reason ?? '');
  const inner = status === 'failed' ? `<failure message="${text}">${text}</failure>` : `<skipped message="${text}"/>`;
  return `${head}>${inner}</testcase>`;
}
