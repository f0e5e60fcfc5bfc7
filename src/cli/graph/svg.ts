/**
 * The graph as a picture.
 */
import { duration } from '../calls/ask.js';
import { layOut, type Layers, type Slot } from './layers.js';
import type { Arrow, Box, Graph, Port } from './model.js';

const MARGIN = 28;
const HEAD = 30;
const ROW = 24;
const PAD = 14;
const LAYER_GAP = 96;
const TITLE = 44;
const FOOT = 34;
/** Mean width of a letter, as a share of its size: enough for boxes that fit their text. */
const LETTER = 0.58;
const FONT = 13;

const STYLE = `
  text { font: ${FONT}px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2937; }
  .title { font-size: 15px; font-weight: 600; }
  .name { font-weight: 600; }
  .muted { fill: #6b7280; font-size: 11px; }
  .bad { fill: #b42318; font-size: 11px; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0f172a; } text { fill: #e5e7eb; } .muted { fill: #94a3b8; } .bad { fill: #fda29b; }
    .box { fill: #1e293b; stroke: #475569; } .head { fill: #334155; } .line { stroke: #334155; }
  }`;

interface Place {
  readonly box: Box;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The text of an `.svg` file. `title` stands above the picture. */
export function svgOf(graph: Graph, title: string): string {
  const layers = layOut(graph, (name) => heightOf(boxNamed(graph, name)));
  const { places, columns, width } = placesOf(graph, layers);
  const inner = Math.max(0, ...[...layers.slots.values()].map(({ y, height }) => y + height));
  const full = {
    width: Math.max(width, textWidth(title) + 2 * MARGIN, 420),
    height: inner + TITLE + FOOT + 2 * MARGIN,
  };
  const most = Math.max(1, ...graph.arrows.map(({ calls }) => calls));
  const arrows = graph.arrows.map((arrow, i) =>
    arrowOf(arrow, layers.ways[i] ?? [], { places, columns, slots: layers.slots, most }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${n(full.width)}" height="${n(full.height)}" viewBox="0 0 ${n(full.width)} ${n(full.height)}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    heads(),
    `<rect class="ground" width="100%" height="100%" fill="#ffffff"/>`,
    `<text class="title" x="${MARGIN}" y="${MARGIN + 12}" font-size="15" font-weight="600">${escaped(title)}</text>`,
    ...arrows,
    ...[...places.values()].map(boxOf),
    foot(full.height),
    '</svg>',
    '',
  ].join('\n');
}

function heads(): string {
  const head = (id: string, colour: string): string =>
    `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="${colour}"/></marker>`;
  return `<defs>${head('good', GOOD)}${head('worse', WORSE)}${head('worst', WORST)}</defs>`;
}

const GOOD = '#64748b';
const WORSE = '#b7791f';
const WORST = '#c0392b';

function boxNamed({ boxes }: Graph, name: string): Box {
  return boxes.find((box) => box.name === name) ?? { name, ports: [], nobody: false };
}

function heightOf({ ports }: Box): number {
  return HEAD + ports.length * ROW + (ports.length > 0 ? 6 : 0);
}

function widthOf({ name, ports }: Box): number {
  const rows = ports.map((port) => textWidth(port.capability) + 24 + textWidth(factsOf(port)) * 0.85);
  return Math.max(96, textWidth(name) * 1.08, ...rows) + 2 * PAD;
}

function textWidth(text: string): number {
  return text.length * FONT * LETTER;
}

/** Where each layer begins and ends, and where each box stands. */
function placesOf(
  graph: Graph,
  { layers }: Layers,
): { places: Map<string, Place>; columns: readonly [number, number][]; width: number } {
  const places = new Map<string, Place>();
  const columns: [number, number][] = [];
  let x = MARGIN;
  for (const layer of layers) {
    const boxes = layer.filter(({ id }) => graph.boxes.some(({ name }) => name === id));
    const width = Math.max(0, ...boxes.map(({ id }) => widthOf(boxNamed(graph, id))));
    for (const { id, y, height } of boxes) {
      const box = boxNamed(graph, id);
      places.set(id, { box, x, y: y + MARGIN + TITLE, width, height });
    }
    columns.push([x, x + width]);
    x += width + LAYER_GAP;
  }
  return { places, columns, width: x - LAYER_GAP + MARGIN };
}

function boxOf({ box, x, y, width, height }: Place): string {
  const dash = box.nobody ? ' stroke-dasharray="5 4"' : '';
  const head = box.ports.length === 0 ? '' : headOf(x, y, width);
  const rows = box.ports.map((port, i) => {
    const top = y + HEAD + i * ROW;
    const facts = factsOf(port);
    const bad = port.errors > 0 || box.nobody;
    return [
      `<text x="${n(x + PAD)}" y="${n(top + 18)}" font-size="${FONT}">${escaped(port.capability)}</text>`,
      `<text class="${bad ? 'bad' : 'muted'}" x="${n(x + width - PAD)}" y="${n(top + 18)}" text-anchor="end" font-size="11" fill="${bad ? '#b42318' : '#6b7280'}">${escaped(facts)}</text>`,
    ].join('');
  });
  return [
    `<rect class="box" x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="9" fill="#f8fafc" stroke="#cbd5e1"${dash}/>`,
    head,
    `<text class="name" x="${n(x + PAD)}" y="${n(y + 20)}" font-size="${FONT}" font-weight="600">${escaped(box.name)}</text>`,
    ...rows,
  ].join('');
}

function headOf(x: number, y: number, width: number): string {
  const right = x + width;
  return `<path class="head" d="M${n(x)} ${n(y + HEAD)} V${n(y + 9)} Q${n(x)} ${n(y)} ${n(x + 9)} ${n(y)} H${n(right - 9)} Q${n(right)} ${n(y)} ${n(right)} ${n(y + 9)} V${n(y + HEAD)} Z" fill="#e2e8f0"/>`;
}

function factsOf({ calls, errors, refused, p95Ms }: Port): string {
  const parts = [
    short(calls),
    ...(p95Ms === undefined ? [] : [`p95 ${duration(Math.round(p95Ms))}`]),
    ...(errors > 0 ? [`${errors} failed`] : []),
    ...(refused > 0 ? [`${refused} refused`] : []),
  ];
  return parts.join(' · ');
}

interface Scene {
  readonly places: ReadonlyMap<string, Place>;
  readonly columns: readonly (readonly [number, number])[];
  readonly slots: ReadonlyMap<string, Slot>;
  readonly most: number;
}

function arrowOf(arrow: Arrow, way: readonly string[], scene: Scene): string {
  const { from, to, calls, errors, refused, capability, p50Ms } = arrow;
  const [a, b] = [scene.places.get(from), scene.places.get(to)];
  if (a === undefined || b === undefined) {
    return '';
  }
  const port = b.box.ports.findIndex((one) => one.capability === capability);
  const start = { x: a.x + a.width, y: a.y + HEAD / 2 };
  const end = { x: b.x - 1, y: b.y + HEAD + port * ROW + ROW / 2 + 2 };
  const forward = b.x > a.x;
  const path = forward ? along(start, end, way, scene) : around(start, end, a, b);
  const [colour, head] = errors > 0 ? [WORST, 'worst'] : refused > 0 ? [WORSE, 'worse'] : [GOOD, 'good'];
  const width = 1.2 + 3 * (Math.log1p(calls) / Math.log1p(scene.most));
  const dash = forward ? '' : ' stroke-dasharray="6 4"';
  const took = p50Ms === undefined ? '' : `, p50 ${duration(Math.round(p50Ms))}`;
  const words = `${from} → ${capability} → ${to}: ${calls} calls${took}, ${errors} failed, ${refused} refused`;
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-opacity="0.75" stroke-width="${width.toFixed(1)}"${dash} marker-end="url(#${head})"><title>${escaped(words)}</title></path>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** From left to right, through the bends of the layers in between. */
function along(start: Point, end: Point, way: readonly string[], scene: Scene): string {
  let at = start;
  let path = `M${n(at.x)} ${n(at.y)}`;
  const to = (point: Point): void => {
    const half = (point.x - at.x) / 2;
    path += ` C${n(at.x + half)} ${n(at.y)} ${n(point.x - half)} ${n(point.y)} ${n(point.x)} ${n(point.y)}`;
    at = point;
  };
  for (const id of way.slice(1, -1)) {
    const slot = scene.slots.get(id);
    const [left, right] = scene.columns[slot?.layer ?? 0] ?? [0, 0];
    const y = (slot?.y ?? 0) + (slot?.height ?? 0) / 2 + MARGIN + TITLE;
    to({ x: left, y });
    path += ` H${n(right)}`;
    at = { x: right, y };
  }
  to(end);
  return path;
}

/** Back to the left, below both boxes. */
function around(start: Point, end: Point, a: Place, b: Place): string {
  const below = Math.max(a.y + a.height, b.y + b.height) + 14;
  return [
    `M${n(start.x)} ${n(start.y)}`,
    `C${n(start.x + 50)} ${n(start.y)} ${n(start.x + 50)} ${n(below)} ${n(start.x - 10)} ${n(below)}`,
    `H${n(end.x + 10)}`,
    `C${n(end.x - 50)} ${n(below)} ${n(end.x - 50)} ${n(end.y)} ${n(end.x)} ${n(end.y)}`,
  ].join(' ');
}

function foot(height: number): string {
  const words =
    'Thicker: more calls. Red: some failed. Amber: some refused. Dashed: back to somebody further left.';
  return `<text class="muted" x="${MARGIN}" y="${n(height - MARGIN)}" font-size="11" fill="#6b7280">${words}</text>`;
}

/** A count as people say it. */
function short(count: number): string {
  return count < 1_000 ? `${count} ×` : `${Number((count / 1_000).toPrecision(3))} k ×`;
}

/** A length as SVG says it: one place is more than eyes see. */
export function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A text within SVG. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
