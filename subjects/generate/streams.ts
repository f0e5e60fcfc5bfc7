/** Copies the data of streams and buckets into `src/wire`, with the subjects that each stream captures. */
import { buckets, streams, type StreamRow } from '../streams.js';
import { banner, literal, rows, wildcard, wordOf } from './rows.js';

/** A stream with what it captures. */
export interface StreamSpec extends StreamRow {
  readonly subjects: readonly string[];
  readonly transformTo?: string;
}

/** The streams; with an ingress they capture `_k.{secret}.<word>.>` and store it as `mesh.v1.<word>.>`. */
export const streamSpecs: [name: string, spec: StreamSpec][] = Object.entries(streams).map(([name, row]) => [
  name,
  { ...row, ...capture(name, row) },
]);

function capture(name: string, row: StreamRow): Pick<StreamSpec, 'subjects' | 'transformTo'> {
  const written = rows.map(([, r]) => r).filter((r) => r.stream === name);
  if (!row.ingress) {
    return { subjects: written.map((r) => wildcard(r.pattern)) };
  }
  const [only, ...more] = written.map(wordOf);
  if (only === undefined || more.length > 0) {
    throw new Error(`stream ${name} has an ingress, so exactly one row of the subject table must name it`);
  }
  return { subjects: [`_k.{secret}.${only}.>`], transformTo: `mesh.v1.${only}.>` };
}

/** `src/wire/generated/streams.ts` */
export function streamsFile(): string {
  return `${banner}/** A stream, as data. Sizes in bytes, times in milliseconds. */
export interface StreamSpec {
  readonly retention: 'workqueue' | 'limits';
  readonly maxBytes: number;
  readonly maxMsgSize: number;
  readonly duplicateWindowMs: number;
  /** Written only through the secret ingress: put the secret for \`{secret}\` in \`subjects\`. */
  readonly ingress: boolean;
  readonly oncePerSubject?: true;
  readonly ttlPerMessage?: true;
  /** Prefix under which the server republishes what it stored. */
  readonly republish?: string;
  readonly why: string;
  readonly subjects: readonly [string, ...string[]];
  /** What the server makes of a subject of the ingress. */
  readonly transformTo?: string;
}

/** A KV bucket, as data. */
export interface BucketSpec {
  readonly maxBytes: number;
  readonly markerTtlMs: number;
  readonly why: string;
}

/** The streams. */
export const streams = ${literal(Object.fromEntries(streamSpecs))} as const satisfies Record<string, StreamSpec>;

/** The KV buckets. */
export const buckets = ${literal(buckets)} as const satisfies Record<string, BucketSpec>;

/** Name of a stream. */
export type StreamName = keyof typeof streams;

/** Name of a KV bucket. */
export type BucketName = keyof typeof buckets;
`;
}
