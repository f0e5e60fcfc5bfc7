/** What killed processes left behind is removed by the next one, and nothing else is. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { tempFolder } from '../../src/fabric/temp-folder.js';

const prefix = `capmesh-sweep-${process.pid}-`;
const dead = spawnSync(process.execPath, ['--version']).pid;
const made: string[] = [];

afterAll(() => made.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

function leftBy(mark: string | undefined): string {
  const dir = mkdtempSync(join(tmpdir(), prefix));
  made.push(dir);
  mkdirSync(join(dir, 'mesh'));
  if (mark !== undefined) {
    writeFileSync(join(dir, '.capmesh-owner'), mark);
  }
  return dir;
}

test('only marked folders of dead processes of this machine go', () => {
  const gone = leftBy(`${dead} ${hostname()}\n`);
  const stay = [
    leftBy(`${process.pid} ${hostname()}\n`),
    leftBy(`${dead} another-machine\n`),
    leftBy(`${dead}`),
    leftBy('nonsense'),
    leftBy(undefined),
  ];
  const link = `${stay[0]}-link`;
  symlinkSync(gone, link);
  made.push(link);
  const mine = tempFolder(prefix);
  made.push(mine.dir);
  expect(existsSync(gone)).toBe(false);
  expect([...stay, mine.dir].filter((dir) => !existsSync(dir))).toEqual([]);

  const next = tempFolder(prefix);
  expect(existsSync(mine.dir), 'its process lives').toBe(true);
  next.remove();
  expect(existsSync(next.dir)).toBe(false);
});
