/**
 * What the bench and its processes say to each other, over the channel that node opens between parent and child.
 */
import type { Stage } from '../src/wire/stages.js';
import type { ProcessSample } from './cpu.js';

/** How a process is started: which part it plays, and what that part needs. */
export type PartSettings =
  | {
      readonly part: 'control' | 'gateway' | 'interceptor';
      readonly user: User;
      readonly url: string;
      readonly policy: string;
      readonly dir: string;
      readonly sight: SightMode;
      /** Stages that interceptors judge. */
      readonly split: readonly Stage[];
    }
  | {
      readonly part: 'agents';
      readonly users: readonly User[];
      readonly url: string;
      readonly concurrency: number;
    }
  | { readonly part: 'collector' }
  | { readonly part: 'caller'; readonly user: User; readonly url: string; readonly grant?: string }
  | {
      readonly part: 'floor-worker';
      readonly user: User;
      readonly url: string;
      readonly puller: 'client' | 'light';
    }
  | { readonly part: 'floor-caller'; readonly user: User; readonly url: string };

/**
 * How much gateways and control look at: `off` nothing; `on` metrics, logs at level info, and one trace in ten;
 * `full` every trace. Spans go to a collector of the bench.
 */
export type SightMode = 'off' | 'on' | 'full';

/** A user of the broker. */
export interface User {
  readonly name: string;
  readonly seed: string;
}

/** One measurement: keep `inFlight` calls in flight, ignore the first `rampMs`, then look for `windowMs`. */
export interface Window {
  readonly inFlight: number;
  readonly rampMs: number;
  readonly windowMs: number;
  /** Calls begun per second over all; without it a call is begun as soon as one has ended. */
  readonly perSecond?: number;
}

/** What a caller saw in the window. */
export interface Seen {
  readonly calls: number;
  readonly failed: number;
  readonly firstError?: string;
  readonly seconds: number;
  readonly p50us: number;
  readonly p99us: number;
}

/** From the bench to a process. */
export type Order =
  | { readonly do: 'start'; readonly settings: PartSettings }
  | { readonly do: 'run'; readonly window: Window }
  | { readonly do: 'sample' }
  | { readonly do: 'stop' };

/** From a process to the bench. */
export type Report =
  | { readonly said: 'ready'; readonly url?: string }
  | { readonly said: 'error'; readonly text: string }
  | { readonly said: 'sample'; readonly sample: ProcessSample; readonly completed: number }
  | { readonly said: 'open' }
  | { readonly said: 'closed'; readonly seen: Seen }
  | { readonly said: 'drained' };
