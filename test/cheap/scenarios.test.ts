/**
 * The record of the scenarios is whole: pictures and page say what the reports say. And who judges sees what is wrong.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../bench/random.js';
import { scenarios } from '../../bench/scenarios/list.js';
import { arrivals, mean } from '../../bench/scenarios/load.js';
import { pictureOf } from '../../bench/scenarios/picture/draw.js';
import {
  fileOf,
  holds,
  reportOf,
  wordsOf,
  type Report,
  type Setting,
} from '../../bench/scenarios/scenario.js';

const FOLDER = 'docs/scenarios';
const reports = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Report);

describe('the record', () => {
  it('has every scenario', () => {
    expect(reports.map(({ name }) => name).sort()).toEqual(scenarios.map(({ name }) => name).sort());
  });

  it.each(reports)('$name passed in its full length', (report) => {
    expect(report).toMatchObject({ pass: true, length: 'full' });
    expect(report.checks.map(holds)).toEqual(report.checks.map(() => true));
    expect(report.title).toBe(scenarios.find(({ name }) => name === report.name)?.title);
  });

  it.each(reports)('the picture of $name is made of its report', (report) => {
    const file = `${FOLDER}/${report.name}.svg`;
    expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(pictureOf(report));
  });

  it.each(reports)('the file of $name is as it was written', (report) => {
    expect(readFileSync(`${FOLDER}/${report.name}.json`, 'utf8')).toBe(fileOf(report));
  });

  it.each(reports)('the page says the figures of $name', ({ checks }) => {
    const page = readFileSync('docs/scenarios.md', 'utf8');
    expect(checks.map(wordsOf).filter((words) => !page.includes(`- ${words}\n`))).toEqual([]);
  });
});

describe('a verdict', () => {
  const scenario = { name: 'd', title: 'planted', play: () => Promise.reject(new Error()) } as const;
  const setting: Setting = { length: 'short', seed: 1, random: seeded(1), note: () => undefined };
  const verdict = (...checks: { what: string; value: number; most?: number; least?: number }[]): boolean =>
    reportOf(scenario, setting, 1, { checks, figures: {} }).pass;

  it('is a pass only when every line holds', () => {
    expect(verdict({ what: 'a', value: 1, most: 1 }, { what: 'b', value: 2, least: 2 })).toBe(true);
    expect(verdict({ what: 'a', value: 1, most: 1 }, { what: 'b', value: 1.9, least: 2 })).toBe(false);
    expect(verdict({ what: 'a', value: 1.1, most: 1 })).toBe(false);
  });

  it('is no pass when nothing was looked at, or what was seen is no number', () => {
    expect(verdict()).toBe(false);
    expect(verdict({ what: 'a', value: mean([]), most: 1 })).toBe(false);
    expect(verdict({ what: 'a', value: Infinity, most: 1 })).toBe(false);
  });
});

describe('the load', () => {
  it('comes at the rate that was asked for, and again for the same seed', () => {
    const times = arrivals(seeded(7), 50, 100);
    expect(times.length).toBeGreaterThan(4_500);
    expect(times.length).toBeLessThan(5_500);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(arrivals(seeded(7), 50, 100)).toEqual(times);
    expect(arrivals(seeded(8), 50, 100)).not.toEqual(times);
  });
});
