/**
 * Shapes: what a place in a configuration may hold. One shape judges a value wherever it comes from (file, variable,
 * flag), says what was expected, and is the JSON Schema that editors read.
 */
import { parseDuration } from './duration.js';

/** A whole number within bounds. */
export interface Whole {
  readonly is: 'whole';
  readonly min: number;
  readonly max: number;
  /** `ms` also takes a duration with its unit (`30s`). */
  readonly unit?: 'ms' | undefined;
}

/** A whole number within these bounds. */
export function whole(min: number, max: number, unit?: 'ms'): Whole {
  return unit === undefined ? { is: 'whole', min, max } : { is: 'whole', min, max, unit };
}

/** A number within bounds, with its fractions. */
export interface Part {
  readonly is: 'part';
  readonly min: number;
  readonly max: number;
}

/** One of a few words. */
export interface Choice<T extends string = string> {
  readonly is: 'choice';
  readonly of: readonly T[];
}

/** A text that fits. */
export interface Text {
  readonly is: 'text';
  /** What it must be, after "it must be". */
  readonly expected: string;
  readonly pattern: RegExp;
  /** A whole number up to this one is taken as its digits: people write ports without quotes. */
  readonly digits?: number;
  /** It is never printed. */
  readonly secret?: true;
}

/** True or false. */
export interface Flag {
  readonly is: 'flag';
}

/** A list of one shape. */
export interface List<S extends Shape = Shape> {
  readonly is: 'list';
  readonly of: S;
}

/** A map whose keys are chosen by its writer. */
export interface Names<S extends Shape = Shape> {
  readonly is: 'names';
  readonly key: Text;
  readonly of: S;
}

/** A map with known keys. */
export interface Keys<F extends Fields = Fields> {
  readonly is: 'keys';
  readonly fields: F;
}

/** A word, or a map with known keys that says more. */
export interface Either<W extends Choice = Choice, K extends Keys = Keys> {
  readonly is: 'either';
  readonly word: W;
  readonly map: K;
}

/** A known key: what it holds, what it is for, and whether it must be there. */
export interface Field<S extends Shape = Shape> {
  readonly shape: S;
  readonly what: string;
  readonly needed?: true;
  /** What counts when it is not there, for the schema. */
  readonly fallback?: string | number | boolean;
}

/** Known keys by name. */
export type Fields = Readonly<Record<string, Field>>;

/** What one value is described by. */
export type OneShape = Whole | Part | Choice | Text | Flag;

/** What a place may hold. */
export type Shape =
  | Whole
  | Part
  | Choice
  | Text
  | Flag
  | { readonly is: 'list'; readonly of: Shape }
  | { readonly is: 'names'; readonly key: Text; readonly of: Shape }
  | { readonly is: 'keys'; readonly fields: Fields }
  | {
      readonly is: 'either';
      readonly word: Choice;
      readonly map: { readonly is: 'keys'; readonly fields: Fields };
    };

/** The value that a shape describes. */
export type ValueOf<S> = S extends Whole | Part
  ? number
  : S extends Choice<infer T>
    ? T
    : S extends Text
      ? string
      : S extends Flag
        ? boolean
        : S extends List<infer I>
          ? readonly ValueOf<I>[]
          : S extends Names<infer I>
            ? Readonly<Record<string, ValueOf<I>>>
            : S extends Keys<infer F>
              ? { readonly [K in keyof F]?: ValueOf<F[K]['shape']> }
              : S extends Either<infer W, infer K>
                ? ValueOf<W> | ValueOf<K>
                : never;

/** A scalar as the readers give it. */
export type Scalar = string | number | boolean | null;

/** Check a scalar: the value as the program takes it, or what was expected (`it must be …`). */
export function judge(shape: OneShape, given: Scalar): { value: Scalar } | { why: string } {
  const value = taken(shape, given);
  return fits(shape, value) ? { value } : { why: `it must be ${expectedOf(shape)}` };
}

/** A duration is milliseconds, digits are a text where the shape says so. */
function taken(shape: OneShape, given: Scalar): Scalar {
  if (shape.is === 'whole' && shape.unit === 'ms' && typeof given === 'string') {
    return parseDuration(given) ?? given;
  }
  const digits = shape.is === 'text' && shape.digits !== undefined && Number.isSafeInteger(given);
  return digits ? String(given) : given;
}

const YES_OR_NO: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false };

/** A list, or one value, as a variable or a flag carries it: entries of a list stand between commas. */
export function judgeTexts(
  shape: OneShape | List<OneShape>,
  text: string,
): { value: Scalar | readonly Scalar[] } | { why: string } {
  if (shape.is !== 'list') {
    return judgeText(shape, text);
  }
  const judged = text.split(',').map((one) => judgeText(shape.of, one.trim()));
  const wrong = judged.find((one) => 'why' in one);
  return wrong ?? { value: judged.flatMap((one) => ('value' in one ? [one.value] : [])) };
}

/** The value of a text, as a variable or a flag carries it. */
export function judgeText(shape: OneShape, text: string): { value: Scalar } | { why: string } {
  if (shape.is === 'whole' && /^-?\d{1,16}$/.test(text)) {
    return judge(shape, Number(text));
  }
  if (shape.is === 'part' && /^\d{0,4}(?:\.\d{1,16})?$/.test(text) && text !== '') {
    return judge(shape, Number(text));
  }
  if (shape.is === 'flag' && Object.hasOwn(YES_OR_NO, text)) {
    return { value: YES_OR_NO[text] === true };
  }
  return judge(shape, text);
}

function fits(shape: OneShape, value: Scalar): boolean {
  switch (shape.is) {
    case 'whole':
      return typeof value === 'number' && Number.isInteger(value) && value >= shape.min && value <= shape.max;
    case 'part':
      return typeof value === 'number' && value >= shape.min && value <= shape.max;
    case 'choice':
      return typeof value === 'string' && shape.of.includes(value);
    case 'text':
      return typeof value === 'string' && shape.pattern.test(value);
    case 'flag':
      return typeof value === 'boolean';
  }
}

/** What a place must hold, after "it must be". */
export function expectedOf(shape: Shape): string {
  switch (shape.is) {
    case 'whole':
      return expectedNumber(shape);
    case 'part':
      return `a number from ${shape.min} to ${shape.max}`;
    case 'choice':
      return shape.of.join(' or ');
    case 'text':
      return shape.expected;
    case 'flag':
      return 'true or false';
    case 'list':
      return `a list, each entry ${expectedOf(shape.of)}`;
    case 'names':
    case 'keys':
      return 'a map';
    case 'either':
      return `${expectedOf(shape.word)}, or a map`;
  }
}

function expectedNumber({ min, max, unit }: Whole): string {
  if (min === max) {
    return String(min);
  }
  return unit === 'ms'
    ? `a whole number of ms from ${min} to ${max}, or a duration such as 30s`
    : `a whole number from ${min} to ${max}`;
}
