/**
 * The scenarios: results on stdout, progress on stderr.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { table } from '../../src/cli/output.js';
import { note, runProgram } from '../lifetime.js';
import { seeded } from '../random.js';
import { scenarios } from './list.js';
import { readOptions } from './options.js';
import { pictureOf } from './picture/draw.js';
import { boundsOf, fileOf, reportOf, type Report, type Scenario, type Setting } from './scenario.js';

const options = readOptions(
  process.argv.slice(2),
  scenarios.map(({ name }) => name),
);

await runProgram('scenarios', async () => {
  const reports: Report[] = [];
  for (const scenario of scenarios.filter(({ name }) => options.only.includes(name))) {
    const report = await play(scenario);
    reports.push(report);
    if (options.json) {
      process.stdout.write(`${JSON.stringify(report)}\n`);
    }
    if (options.save !== undefined) {
      save(report, options.save);
    }
  }
  if (!options.json) {
    process.stdout.write(`${tableOf(reports).join('\n')}\n`);
  }
  return reports.every(({ pass }) => pass) ? 0 : 1;
});

async function play(scenario: Scenario): Promise<Report> {
  const { name, title } = scenario;
  const { length, seed } = options;
  note(`${name}: ${title} (${length}, seed ${seed})`);
  const setting: Setting = { length, seed, random: seeded(seed), note: (text) => note(`${name}:   ${text}`) };
  const began = performance.now();
  const played = await scenario.play(setting);
  return reportOf(scenario, setting, (performance.now() - began) / 1000, played);
}

/** The report, and the picture that is made of it. */
function save(report: Report, folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${report.name}.json`), fileOf(report));
  const picture = pictureOf(report);
  if (picture !== undefined) {
    writeFileSync(join(folder, `${report.name}.svg`), picture);
  }
}

function tableOf(reports: readonly Report[]): string[] {
  const rows = reports.flatMap(({ name, title, pass, seconds, checks }) => [
    [name, title, '', '', pass ? 'PASS' : 'FAIL', `${seconds} s`],
    ...checks.map(({ what, value, most, least, pass: holds }) => [
      '',
      `  ${what}`,
      String(Number(value.toPrecision(3))),
      boundsOf(least, most),
      holds ? 'pass' : 'FAIL',
    ]),
  ]);
  return table(rows, ['', 'scenario', 'value', 'must be', '', '']);
}
