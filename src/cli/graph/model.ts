/**
 * Who calls what, as boxes and arrows: one box for each name, one line in it for each capability it serves.
 */
import type { TrafficPage } from '../../control/views/traffic-page.js';

/** One capability of a box. */
export interface Port {
  readonly capability: string;
  readonly calls: number;
  readonly errors: number;
  readonly refused: number;
  /** The slowest p95 of those who call it, in ms. */
  readonly p95Ms: number | undefined;
}

/** A name: a caller, an agent, or both. */
export interface Box {
  readonly name: string;
  readonly ports: readonly Port[];
  /** Where calls end that nobody was given. */
  readonly nobody: boolean;
}

/** Calls of one name to one capability of another. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly capability: string;
  readonly calls: number;
  readonly errors: number;
  readonly refused: number;
  readonly p50Ms: number | undefined;
}

/** The picture before it has a shape. */
export interface Graph {
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

/** Stands for the agent of calls that nobody was given. No name of the mesh has a space. */
export const NOBODY = 'given to nobody';

interface Growing {
  calls: number;
  errors: number;
  refused: number;
  p95Ms: number | undefined;
}

/** The graph of a page of traffic. */
export function graphOf({ rows }: TrafficPage): Graph {
  const boxes = new Map<string, Map<string, Growing>>();
  const portsOf = (name: string): Map<string, Growing> => {
    const ports = boxes.get(name) ?? new Map<string, Growing>();
    boxes.set(name, ports);
    return ports;
  };
  const arrows = rows.map(({ from, capability, agent = NOBODY, ...row }): Arrow => {
    portsOf(from);
    const ports = portsOf(agent);
    const port = ports.get(capability) ?? { calls: 0, errors: 0, refused: 0, p95Ms: undefined };
    port.calls += row.calls;
    port.errors += row.errors;
    port.refused += row.refused;
    port.p95Ms = row.p95Ms === undefined ? port.p95Ms : Math.max(port.p95Ms ?? 0, row.p95Ms);
    ports.set(capability, port);
    const { calls, errors, refused, p50Ms } = row;
    return { from, to: agent, capability, calls, errors, refused, p50Ms };
  });
  return {
    boxes: [...boxes].map(([name, ports]) => ({
      name,
      nobody: name === NOBODY,
      ports: [...ports].map(([capability, port]) => ({ capability, ...port })),
    })),
    arrows,
  };
}
