/** The reference of what programs import: read right from any text, and closed in itself. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { doors, exportsOf } from '../../subjects/generate/api.js';
import { declarationOf } from '../../subjects/generate/declarations.js';

const SAMPLE = `/** Not this one. */
export const other = 1;

/** A bird. Has an unfinished song: \`{\`. */
export class Bird<T extends Song> extends Animal {
  /** How it is called. */
  readonly name: string = 'bird';
  readonly #secret: string;
  count = 0;

  /** Nobody calls this. */
  constructor(name: string) {
    super(name);
  }

  /** Sing. */
  async sing<R>(
    what: Record<string, R>,
    times: number = 1,
    at = Date.now(),
  ): Promise<R[]> {
    if (times > 1) {
      return [];
    }
  }

  /** Fly. */
  fly(): void;
  fly(to: string): void;
  fly(to?: string): void {
    land(to);
  }

  #hide(): void {
    this.count++;
  }

  get far(): number {
    return 1;
  }
}

/**
 * Two
 * lines.
 */
export function twice(a: string): void;
export function twice(a: number, b?: string): void;
export function twice(a: string | number): void {
  other(a);
}

/** One line. */
export async function once(a: Map<string, number>, now: number = Date.now()): Promise<void> {}

/** A choice. */
export type Choice =
  | { readonly a: 1 }
  | 'b';

export type Silent = 1;
`;

describe('a declaration', () => {
  it.each([
    [
      'Bird',
      'A bird. Has an unfinished song: `{`.',
      `declare class Bird<T extends Song> extends Animal {
  /** How it is called. */
  readonly name: string;
  count;
  /** Sing. */
  sing<R>(
    what: Record<string, R>,
    times?: number,
    at = Date.now(),
  ): Promise<R[]>;
  /** Fly. */
  fly(): void;
  fly(to: string): void;
  get far(): number;
}`,
    ],
    [
      'twice',
      'Two\nlines.',
      'function twice(a: string): void;\nexport function twice(a: number, b?: string): void;',
    ],
    ['once', 'One line.', 'function once(a: Map<string, number>, now?: number): Promise<void>;'],
    ['Choice', 'A choice.', "type Choice =\n  | { readonly a: 1 }\n  | 'b';"],
  ])('%s is taken without bodies and private parts', (name, doc, code) => {
    expect(declarationOf(name, SAMPLE)).toEqual({ name, doc, code });
  });

  it.each(['Silent', 'Absent'])('%s is not found without a docstring', (name) => {
    expect(declarationOf(name, SAMPLE)).toBeUndefined();
  });
});

describe.each(doors)('$name', ({ name, file }) => {
  const known = new Set(doors.flatMap((door) => exportsOf(door.file).map((one) => one.name)));
  const BUILT_IN =
    /^(Promise|Record|Readonly|Omit|AbortSignal|AsyncIterable|Iterable|AsyncGenerator|Error|Uint8Array|Map|T|[A-Z_]+)$/;

  it('names no type that it does not export', () => {
    const foreign = exportsOf(file).flatMap((one) =>
      [...one.code.replace(/\/\*\*[^]*?\*\/|'[^']*'/g, '').matchAll(/\b[A-Z]\w*/g)]
        .map(([word]) => word)
        .filter((word) => !known.has(word) && !BUILT_IN.test(word))
        .map((word) => `${one.name}: ${word}`),
    );
    expect(foreign).toEqual([]);
  });

  it('is a door of the package', () => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      exports: Record<string, { types: string }>;
    };
    const types = exports[name.replace('capmesh', '.')]?.types;
    expect(types).toBe(`./dist/${file.replace(/\.ts$/, '.d.ts')}`);
  });
});
