/**
 * The pictures of the scenarios, from nothing but their reports.
 */
import type { Report } from '../scenario.js';
import { barsSvg, type Bar } from './bars.js';
import { linesSvg } from './lines.js';

/** The picture of a report, as the text of an `.svg` file; undefined for a scenario that has none. */
export function pictureOf(report: Report): string | undefined {
  const draw = PICTURES[report.name];
  return draw?.(report);
}

const PICTURES: Partial<Record<Report['name'], (report: Report) => string>> = {
  a: swap,
  b: price,
  c: chain,
  d: loop,
};

function swap(report: Report): string {
  const it = report.figures as unknown as {
    readonly seriesMs: Readonly<Record<'even' | 'usual' | 'learned', readonly number[]>>;
    readonly bucketS: number;
    readonly swapAtS: number;
    readonly perSecond: number;
  };
  return linesSvg({
    title: 'Three of ten agents are 10 × slower, and halfway others are',
    notes: [
      `The same ${it.perSecond} calls a second to three sets of ten equal agents, by three ways to choose.`,
      `Mean latency by what was learned: ${sentence(report)}.`,
    ],
    unit: 'mean latency in ms',
    stepS: it.bucketS,
    marks: [{ atS: it.swapAtS, words: 'the slow ones are others' }],
    curves: [
      { name: 'in turn', tone: 'bad', values: it.seriesMs.even },
      { name: 'the less loaded of two', tone: 'plain', values: it.seriesMs.usual },
      { name: 'the fastest, as learned', tone: 'good', values: it.seriesMs.learned },
    ],
  });
}

function sentence({ checks }: Report): string {
  const [steady, whole] = checks.map(({ value }) => value.toFixed(2));
  return `${steady} × in turn when it has settled, ${whole} × over the whole run`;
}

function price(report: Report): string {
  interface Set {
    readonly success: number;
    readonly microsEach: number;
    readonly strongShare: number;
  }
  const it = report.figures as unknown as Readonly<Record<'even' | 'routed', Set>> & {
    readonly wrongLabels: number;
  };
  const { even, routed } = it;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const bars = (of: (set: Set) => number, words: (set: Set) => string): Bar[] => [
    { name: 'in turn', tone: 'bad', value: of(even), words: words(even) },
    { name: 'by price and by what callers say', tone: 'good', value: of(routed), words: words(routed) },
  ];
  return barsSvg(
    {
      title: 'Cheap and weak beside dear and strong, at 1 : 10',
      notes: [
        `The same problems of mixed difficulty to both; of the labels ${percent(it.wrongLabels)} are wrong.`,
      ],
    },
    [
      {
        what: 'cost of a problem',
        bars: bars(
          ({ microsEach }) => microsEach,
          ({ microsEach }) => `${(microsEach / even.microsEach).toFixed(2)} ×`,
        ),
      },
      {
        what: 'right answers',
        most: 1,
        bars: bars(
          ({ success }) => success,
          ({ success }) => percent(success),
        ),
      },
      {
        what: 'given to strong ones',
        most: 1,
        bars: bars(
          ({ strongShare }) => strongShare,
          ({ strongShare }) => percent(strongShare),
        ),
      },
    ],
  );
}

function chain(report: Report): string {
  interface Chain {
    readonly series: readonly number[];
    readonly success: number;
    readonly wastedShare: number;
  }
  const it = report.figures as unknown as {
    readonly bucketS: number;
    readonly breaksAtS: number;
    readonly mendsAtS: number;
    readonly guarded: Chain;
    readonly bare: Chain;
  };
  const words = ({ success, wastedShare }: Chain): string =>
    `${(success * 100).toFixed(1)} % succeed, ${(wastedShare * 100).toFixed(1)} % meet the broken one`;
  return linesSvg({
    title: 'A chain of ten with one failing member, and backups',
    notes: [`With breakers and retries: ${words(it.guarded)}. Without: ${words(it.bare)}.`],
    unit: '% of requests that succeed',
    stepS: it.bucketS,
    top: 100,
    marks: [
      { atS: it.breaksAtS, words: 'one of two breaks' },
      { atS: it.mendsAtS, words: 'it is mended' },
    ],
    curves: [
      { name: 'without', tone: 'bad', values: it.bare.series.map((share) => share * 100) },
      { name: 'breakers and retries', tone: 'good', values: it.guarded.series.map((share) => share * 100) },
    ],
  });
}

function loop(report: Report): string {
  type Run = { readonly rounds: number; readonly stoppedBy: string; readonly afterMs: number };
  const it = report.figures as unknown as Readonly<Record<'tickets' | 'none' | 'paid' | 'baseline', Run>>;
  const bar = (name: string, tone: Bar['tone'], { rounds, stoppedBy, afterMs }: Run): Bar => ({
    ...{ name, tone, value: Math.log10(1 + rounds) },
    words: `${rounds}, ${stoppedBy} after ${afterMs} ms`,
  });
  return barsSvg(
    {
      title: 'Two agents that call each other for ever',
      notes: ['How often the first of them ran until somebody stopped it, and who did.'],
    },
    [
      {
        what: 'rounds (on a logarithmic scale)',
        bars: [
          bar('with tickets', 'good', it.tickets),
          bar('without tickets', 'good', it.none),
          bar('with tickets, budget alone', 'good', it.paid),
          bar('without tickets, may begin trees', 'bad', it.baseline),
        ],
      },
    ],
  );
}
