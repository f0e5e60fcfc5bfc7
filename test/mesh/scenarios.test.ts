/**
 * Scenarios in their short length, as anybody runs them. SCENARIOS says which (`SCENARIOS=a,b,c,d,e,f`); by default those that
 * need little time.
 */
import { execFile } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../bench/scenarios/scenario.js';

const names = (process.env['SCENARIOS'] ?? 'd,f').split(',');
const MOST_MS = 120_000;

describe('scenarios', () => {
  let code: unknown;
  let reports: Report[] = [];
  beforeAll(async () => {
    const args = ['dist/bench/scenarios/main.js', '--short', '--json', '--seed', '7', '--only', names.join()];
    await new Promise<void>((done) => {
      execFile(process.execPath, args, (err, out, errors) => {
        code = err === null ? 0 : err.code;
        reports = out
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Report);
        if (code !== 0) {
          console.error(errors, out); // the only trace of what went wrong there
        }
        done();
      });
    });
  }, names.length * MOST_MS);

  it.each(names)('%s passes', (name) => {
    const report = reports.find((one) => one.name === name);
    expect(report).toMatchObject({ pass: true, seed: 7, length: 'short' });
  });

  it('exits with 0 when all pass', () => {
    expect(code).toBe(0);
  });
});
