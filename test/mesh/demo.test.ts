import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { serverPid } from '../../src/fabric/server.js';
import { until } from '../support/mesh.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('mesh-demo-'));

/** What a demo that is killed hard leaves: its folder, and soon no process. */
async function leftBehind(): Promise<string> {
  const before = folders();
  const demo = spawn(process.execPath, ['bin/mesh.js', 'demo', '--json'], { cwd: root, stdio: 'ignore' });
  const name = await until(() => folders().find((one) => !before.includes(one)), 20_000);
  const data = join(tmpdir(), name, 'mesh');
  await until(() => serverPid(data) !== undefined, 20_000);
  demo.kill('SIGKILL');
  await until(() => serverPid(data) === undefined, 20_000);
  return name;
}

interface Hop {
  capability: string;
  agent: string;
  children: Hop[];
}

test('the demo does its work, survives a crash, balances its books, and cleans up', async () => {
  const left = await leftBehind();
  const before = folders().filter((name) => name !== left);
  const { stdout, stderr } = await run(process.execPath, ['bin/mesh.js', 'demo', '--json'], { cwd: root });
  expect(stderr).toBe('');
  const said = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number> & {
    report: { documents: { path: string; title: string; words: number }[]; saved: boolean };
    refusals: { error: { code: string; help: string } }[];
    calls: Hop[];
  };
  expect(said).toMatchObject({ lost: 0, doubled: 0, unmatched: 0, other: 0, balanced: true });
  expect(said['outcomes']).toBe(said['accepted']);
  expect(said['completed']).toBeGreaterThan(said.report.documents.length * 6);
  expect(said['refused']).toBeGreaterThanOrEqual(1);
  expect(said['recovered']).toBeGreaterThanOrEqual(1);
  expect(said['tookMs']).toBeLessThan(60_000);

  // The report is about the real documents, and the refused effect did not happen.
  const [first] = said.report.documents;
  expect(readFileSync(first?.path ?? '', 'utf8')).toContain(`# ${first?.title}`);
  expect(said.report.saved).toBe(false);
  expect(existsSync(join(root, 'docs', 'report.json'))).toBe(false);
  expect(said.refusals.map(({ error }) => error.code)).toContain('not_granted');

  // The tree goes from the report down to the tools of the MCP server.
  const outline = said.calls[0]?.children.find((hop) => hop.capability === 'docs.outline');
  expect(outline?.children[0]?.children[0]).toMatchObject({ capability: 'fs.read_text_file', agent: 'fs' });

  expect(folders()).toEqual(before);
});
