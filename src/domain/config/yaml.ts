/**
 * Reading a YAML file against a shape. Every problem is found in one go, each with its line and column; a key that is
 * not known is refused with the nearest one that is.
 */
import type * as Yaml from 'yaml';
import type { LineCounter, Node, Pair } from 'yaml';
import { meshError, type MeshError } from '../../wire/errors.js';
import { later } from '../../wire/later.js';
import { nearNames } from '../near.js';
import {
  expectedOf,
  judge,
  type Fields,
  type Keys,
  type OneShape,
  type Scalar,
  type Shape,
} from './shape.js';

const yaml = later<typeof Yaml>('yaml'); // most commands have no file to read

/** Where something stands; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong in a file. */
export interface Problem extends Place {
  readonly file: string;
  /** The key, in dots. */
  readonly where: string;
  readonly why: string;
}

/** A file that was read. What is wrong is left out of `value`. */
export interface ReadYaml<V> {
  readonly value: V;
  readonly problems: readonly Problem[];
  /** Where a key stands, by its path in dots; the top of the file when it is not there. */
  place(path: string): Place;
}

/** Read a text; `V` is the `ValueOf` of the shape. Never throws: see `problems`. */
export function readYaml<V>(text: string, file: string, shape: Keys): ReadYaml<V> {
  const lines = new (yaml().LineCounter)();
  const doc = yaml().parseDocument(text, { uniqueKeys: true, lineCounter: lines, prettyErrors: false });
  const walk = new Walk(file, lines, shape);
  for (const { pos, message } of [...doc.errors, ...doc.warnings]) {
    walk.report(pos[0], '', message);
  }
  const value = doc.errors.length > 0 ? {} : walk.keys(doc.contents, shape.fields, '');
  return {
    value: value as V,
    problems: walk.problems.toSorted((a, b) => a.line - b.line || a.column - b.column),
    place: (path) => walk.places.get(path) ?? { line: 1, column: 1 },
  };
}

/** The first problem as an error. Code `config_invalid`; says how many more there are. */
export function problemError(problems: readonly Problem[]): MeshError {
  const [first] = problems;
  if (first === undefined) {
    return meshError('internal', { where: 'problemError' });
  }
  const { file, where, why, line, column } = first;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return meshError('config_invalid', {
    file: line === 0 ? file : `${file}:${line}:${column}`,
    where: where === '' ? 'its syntax' : where,
    why: `${why}${more}`,
    ...(line === 0 ? {} : { line, column }),
  });
}

/** A value for a person: short, and on one line. */
export function shown(value: unknown): string {
  const text = value === null || value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

class Walk {
  readonly problems: Problem[] = [];
  readonly places = new Map<string, Place>();
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #paths: readonly string[];

  constructor(file: string, lines: LineCounter, shape: Shape) {
    this.#file = file;
    this.#lines = lines;
    this.#paths = pathsOf(shape, '');
  }

  report(offset: number, where: string, why: string): void {
    this.problems.push({ file: this.#file, where, why, ...this.#at(offset) });
  }

  keys(node: unknown, fields: Fields, path: string): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    const missing = new Set(Object.keys(fields).filter((key) => fields[key]?.needed === true));
    for (const [key, pair] of this.#pairs(node, path)) {
      const inner = path === '' ? key : `${path}.${key}`;
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      missing.delete(key);
      if (field === undefined) {
        this.report(offsetOf(pair.key), inner, `there is no such key${this.#hint(key, Object.keys(fields))}`);
      } else {
        this.#put(found, key, pair, field.shape, inner);
      }
    }
    for (const key of missing) {
      this.report(offsetOf(node), path === '' ? key : `${path}.${key}`, 'it is missing');
    }
    return found;
  }

  #names(node: unknown, { key: name, of }: Extract<Shape, { is: 'names' }>, path: string): object {
    const found: Record<string, unknown> = {};
    for (const [key, pair] of this.#pairs(node, path)) {
      const inner = `${path}.${key}`;
      if (name.pattern.test(key)) {
        this.#put(found, key, pair, of, inner);
      } else {
        this.report(offsetOf(pair.key), inner, `the key must be ${name.expected}`);
      }
    }
    return found;
  }

  #put(found: Record<string, unknown>, key: string, pair: Pair, shape: Shape, path: string): void {
    this.places.set(path, this.#at(offsetOf(pair.key)));
    const value = this.#value(pair.value, pair.key, shape, path);
    if (value !== undefined) {
      found[key] = value;
    }
  }

  /** `holder` tells the place of a value that is not there. */
  #value(node: unknown, holder: unknown, shape: Shape, path: string): unknown {
    if (shape.is === 'keys') {
      return this.keys(node, shape.fields, path);
    }
    if (shape.is === 'names') {
      return this.#names(node, shape, path);
    }
    if (shape.is === 'list') {
      return this.#list(node, holder, shape.of, path);
    }
    if (shape.is === 'either') {
      return yaml().isMap(node)
        ? this.keys(node, shape.map.fields, path)
        : this.#scalar(node, holder, shape.word, shape, path);
    }
    return this.#scalar(node, holder, shape, shape, path);
  }

  #scalar(node: unknown, holder: unknown, shape: OneShape, wanted: Shape, path: string): unknown {
    const scalar = node === null ? null : yaml().isScalar(node) ? scalarOf(node.value) : undefined;
    const judged = scalar === undefined ? undefined : judge(shape, scalar);
    if (judged !== undefined && 'value' in judged) {
      return judged.value;
    }
    this.#wrong(node, holder, wanted, path);
    return undefined;
  }

  #list(node: unknown, holder: unknown, of: Shape, path: string): unknown {
    if (!yaml().isSeq(node)) {
      this.#wrong(node, holder, { is: 'list', of }, path);
      return undefined;
    }
    return node.items.flatMap((item, i) => {
      const inner = `${path}[${i}]`;
      this.places.set(inner, this.#at(offsetOf(item)));
      return this.#value(item, item, of, inner) ?? [];
    });
  }

  #wrong(node: unknown, holder: unknown, shape: Shape, path: string): void {
    const at = isThere(node) ? node : holder;
    const found = shape.is === 'text' && shape.secret === true ? '' : `, not ${kindOf(node)}`;
    this.report(offsetOf(at), path, `it must be ${expectedOf(shape)}${found}`);
  }

  /** The entries of a map; what stands empty is an empty one. */
  #pairs(node: unknown, path: string): [string, Pair][] {
    if (!isThere(node)) {
      return [];
    }
    if (!yaml().isMap(node)) {
      this.report(offsetOf(node), path, `it must be a map, not ${kindOf(node)}`);
      return [];
    }
    return node.items.flatMap((pair): [string, Pair][] => {
      const key = yaml().isScalar(pair.key) ? scalarOf(pair.key.value) : undefined;
      if (key === undefined || key === null) {
        this.report(offsetOf(pair.key), path, `a key must be a word, not ${kindOf(pair.key)}`);
        return [];
      }
      return [[String(key), pair as Pair]];
    });
  }

  /** The nearest key beside it, or a place elsewhere where it is known. */
  #hint(key: string, beside: readonly string[]): string {
    const near = nearNames(key, beside)[0] ?? this.#paths.find((one) => one.endsWith(`.${key}`));
    return near === undefined ? ` (known: ${beside.join(', ')})` : `; did you mean ${near}?`;
  }

  #at(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function isThere(node: unknown): boolean {
  return (
    node !== null &&
    node !== undefined &&
    !(yaml().isScalar(node) && node.value === null && node.source === '')
  );
}

function offsetOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? 0;
}

function scalarOf(value: unknown): Scalar | undefined {
  const plain = ['string', 'number', 'boolean'].includes(typeof value) || value === null;
  return plain ? (value as Scalar) : undefined;
}

function kindOf(node: unknown): string {
  if (yaml().isMap(node)) {
    return 'a map';
  }
  if (yaml().isSeq(node)) {
    return 'a list';
  }
  if (yaml().isAlias(node)) {
    return 'an alias (write the value out)';
  }
  return yaml().isScalar(node) ? shown(node.value) : 'nothing';
}

/** Every path that a shape knows by name. */
function pathsOf(shape: Shape, path: string): string[] {
  if (shape.is === 'either') {
    return pathsOf(shape.map, path);
  }
  return shape.is === 'keys'
    ? Object.entries(shape.fields).flatMap(([key, field]) => {
        const inner = path === '' ? key : `${path}.${key}`;
        return [inner, ...pathsOf(field.shape, inner)];
      })
    : [];
}
