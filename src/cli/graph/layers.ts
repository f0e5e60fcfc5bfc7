/**
 * A layered layout: callers on the left, whom they call to the right of them, few crossings.
 */
import type { Graph } from './model.js';

/** Something that takes a place in a layer: a box, or a bend of an arrow that passes the layer. */
export interface Slot {
  readonly id: string;
  readonly layer: number;
  readonly height: number;
  /** Names of the slots it is joined to in the layer before, and in the one after. */
  readonly before: string[];
  readonly after: string[];
  /** Its upper edge. */
  y: number;
}

/** The layers, and for each arrow the slots that it passes on its way. */
export interface Layers {
  readonly layers: readonly (readonly Slot[])[];
  readonly slots: ReadonlyMap<string, Slot>;
  readonly ways: readonly (readonly string[])[];
}

const GAP = 26;
const BEND = 14;
const SWEEPS = 8;

/** Lay out. `heightOf` is the height of a box. */
export function layOut({ boxes, arrows }: Graph, heightOf: (name: string) => number): Layers {
  const next = new Map<string, Set<string>>(boxes.map(({ name }) => [name, new Set<string>()]));
  arrows.forEach(({ from, to }) => (from === to ? undefined : next.get(from)?.add(to)));
  const back = cutCircles(next);
  const depth = depths(next, back);
  const slots = new Map<string, Slot>();
  const add = (id: string, layer: number, height: number): Slot => {
    const slot = slots.get(id) ?? { id, layer, height, before: [], after: [], y: 0 };
    slots.set(id, slot);
    return slot;
  };
  boxes.forEach(({ name }) => add(name, depth.get(name) ?? 0, heightOf(name)));
  const ways = arrows.map(({ from, to }) => wayOf(from, to, depth, add));
  const layers: Slot[][] = [];
  for (const slot of slots.values()) {
    (layers[slot.layer] ??= []).push(slot);
  }
  const filled = Array.from(layers, (layer) => layer ?? []);
  order(filled, slots);
  place(filled, slots);
  return { layers: filled, slots, ways };
}

/** Arrows that close a circle: seen from the first names on, they lead back. */
function cutCircles(next: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const back = new Set<string>();
  const state = new Map<string, 'open' | 'done'>();
  const walk = (name: string): void => {
    state.set(name, 'open');
    for (const to of next.get(name) ?? []) {
      if (state.get(to) === 'open') {
        back.add(`${name} ${to}`);
      } else if (state.get(to) === undefined) {
        walk(to);
      }
    }
    state.set(name, 'done');
  };
  const called = new Set([...next.values()].flatMap((to) => [...to]));
  const first = [...next.keys()].filter((name) => !called.has(name));
  [...first, ...next.keys()].forEach((name) => (state.get(name) === undefined ? walk(name) : undefined));
  return back;
}

/** Each name stands right of all who call it. */
function depths(
  next: ReadonlyMap<string, ReadonlySet<string>>,
  back: ReadonlySet<string>,
): Map<string, number> {
  const depth = new Map<string, number>([...next.keys()].map((name) => [name, 0]));
  for (let round = 0, moved = true; moved && round <= next.size; round++) {
    moved = false;
    for (const [from, all] of next) {
      for (const to of all) {
        const wanted = (depth.get(from) ?? 0) + 1;
        if (!back.has(`${from} ${to}`) && (depth.get(to) ?? 0) < wanted) {
          depth.set(to, wanted);
          moved = true;
        }
      }
    }
  }
  return depth;
}

/** The slots from one box to another; arrows between the same two share their bends. */
function wayOf(
  from: string,
  to: string,
  depth: ReadonlyMap<string, number>,
  add: (id: string, layer: number, height: number) => Slot,
): string[] {
  const [start, end] = [depth.get(from) ?? 0, depth.get(to) ?? 0];
  const way = [from];
  for (let layer = start + 1; layer < end; layer++) {
    way.push(add(`${from} ${to} ${layer}`, layer, BEND).id);
  }
  way.push(to);
  if (end > start) {
    way.slice(1).forEach((id, i) => {
      const [left, right] = [add(way[i] ?? '', 0, 0), add(id, 0, 0)];
      if (!left.after.includes(id)) {
        left.after.push(id);
        right.before.push(left.id);
      }
    });
  }
  return way;
}

/** Order each layer by where its neighbours stand, there and back again. */
function order(layers: Slot[][], slots: ReadonlyMap<string, Slot>): void {
  const rank = new Map<string, number>();
  const note = (layer: readonly Slot[]): void => layer.forEach(({ id }, i) => rank.set(id, i / layer.length));
  layers.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : layers.toReversed()) {
      const wanted = new Map(
        layer.map((slot) => {
          const near = (down ? slot.before : slot.after).filter((id) => slots.has(id));
          const mean = near.reduce((sum, id) => sum + (rank.get(id) ?? 0), 0) / near.length;
          return [slot.id, near.length === 0 ? (rank.get(slot.id) ?? 0) : mean];
        }),
      );
      layer.sort((a, b) => (wanted.get(a.id) ?? 0) - (wanted.get(b.id) ?? 0));
      note(layer);
    }
  }
}

/** Give each slot its place: near the middle of its neighbours, never over another. */
function place(layers: readonly Slot[][], slots: ReadonlyMap<string, Slot>): void {
  for (const layer of layers) {
    let y = 0;
    for (const slot of layer) {
      slot.y = y;
      y += slot.height + GAP;
    }
  }
  const tallest = Math.max(0, ...layers.map(bottomOf));
  layers.forEach((layer) => shift(layer, (tallest - bottomOf(layer)) / 2));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const layer of sweep % 2 === 0 ? layers : layers.toReversed()) {
      const wanted = layer.map((slot) => middleOfNeighbours(slot, slots) - slot.height / 2);
      settle(layer, wanted);
    }
  }
  const top = Math.min(...[...slots.values()].map(({ y }) => y));
  layers.forEach((layer) => shift(layer, -top));
}

function middleOfNeighbours(slot: Slot, slots: ReadonlyMap<string, Slot>): number {
  const near = [...slot.before, ...slot.after].flatMap((id) => slots.get(id) ?? []);
  const middle = ({ y, height }: Slot): number => y + height / 2;
  return near.length === 0 ? middle(slot) : near.reduce((sum, one) => sum + middle(one), 0) / near.length;
}

/** As near to the wanted places as the order and the gaps allow: down once, up once, and the mean of both. */
function settle(layer: readonly Slot[], wanted: readonly number[]): void {
  const down: number[] = [];
  layer.forEach((_, i) => {
    const above = i === 0 ? -Infinity : (down[i - 1] ?? 0) + (layer[i - 1]?.height ?? 0) + GAP;
    down.push(Math.max(wanted[i] ?? 0, above));
  });
  const up: number[] = [...wanted];
  for (let i = layer.length - 2; i >= 0; i--) {
    up[i] = Math.min(wanted[i] ?? 0, (up[i + 1] ?? 0) - (layer[i]?.height ?? 0) - GAP);
  }
  layer.forEach((slot, i) => (slot.y = ((down[i] ?? 0) + (up[i] ?? 0)) / 2));
}

function bottomOf(layer: readonly Slot[]): number {
  return Math.max(0, ...layer.map(({ y, height }) => y + height));
}

function shift(layer: readonly Slot[], by: number): void {
  layer.forEach((slot) => (slot.y += by));
}
