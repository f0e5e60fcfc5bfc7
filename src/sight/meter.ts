/**
 * What a process shows to Prometheus. Everything is read when the page is asked for, so that nothing on the path of a
 * call pays for it.
 */
import type * as Prometheus from 'prom-client';
import type { Gauge } from 'prom-client';
import { later } from '../wire/later.js';
import type { Histogram } from './histogram.js';
import type { Tally } from './tally.js';

const prometheus = later<typeof Prometheus>('prom-client');

/** One value with its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Name and meaning of a metric. */
export interface Meaning {
  readonly name: string;
  readonly help: string;
  /** The labels of its samples. */
  readonly labels?: readonly string[];
}

/** Reads the samples of a metric. */
export type Read = () => readonly Sample[] | Promise<readonly Sample[]>;

/** The metrics of one process. */
export class Meter {
  readonly #registry = new (prometheus().Registry)();

  /** Metrics of the process itself come with it: event loop, memory, garbage, CPU. */
  constructor(service: string) {
    this.#registry.setDefaultLabels({ service });
    prometheus().collectDefaultMetrics({ register: this.#registry });
  }

  /** A value that goes up and down. */
  gauge({ name, help, labels = [] }: Meaning, read: Read): void {
    new (prometheus().Gauge)({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      async collect() {
        const samples = await read();
        this.reset();
        samples.forEach((one) => this.set(one.labels ?? {}, one.value));
      },
    });
  }

  /** A count that only goes up. */
  counter({ name, help, labels = [] }: Meaning, read: Read): void {
    new (prometheus().Counter)({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      async collect() {
        const samples = await read();
        this.reset();
        samples.forEach((one) => this.inc(one.labels ?? {}, one.value));
      },
    });
  }

  /** Calls by caller, capability, agent and outcome. */
  calls(tally: Tally): void {
    const labels = ['from', 'capability', 'agent', 'outcome'];
    const help = 'Calls that this process settled.';
    this.counter({ name: 'mesh_calls_total', help, labels }, () =>
      [...tally.rows()].flatMap(({ from, capability, agent, counts }) =>
        Object.entries(counts)
          .filter(([, value]) => value > 0)
          .map(([outcome, value]) => ({ labels: { from, capability, agent, outcome }, value })),
      ),
    );
  }

  /** Histograms that differ in one label. They are ours, so they are shown to the registry in its own form. */
  histograms({ name, help }: Meaning, label: string, all: () => ReadonlyMap<string, Histogram>): void {
    const get = () => ({
      name,
      help,
      type: 'histogram',
      values: [...all()].flatMap(([key, histogram]) => valuesOf(name, { [label]: key }, histogram)),
      aggregator: 'sum',
    });
    this.#registry.registerMetric({ name, help, type: 'histogram', get } as unknown as Gauge);
  }

  /** The page, in the text format of Prometheus. */
  page(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The media type of the page. */
  get type(): string {
    return this.#registry.contentType;
  }
}

function valuesOf(name: string, labels: Record<string, string>, histogram: Histogram): object[] {
  return [
    ...histogram.buckets().map(({ le, count }) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le },
      value: count,
    })),
    { metricName: `${name}_sum`, labels, value: histogram.sum },
    { metricName: `${name}_count`, labels, value: histogram.count },
  ];
}
