/** Sizes: files and functions that fit into one head. */
import {
  isGenerated,
  isSource,
  withoutComments,
  withoutStrings,
  type Rule,
  type SourceFile,
} from './rule.js';

const FILE_MAX = 300;
/** A table of data: all subjects are in one place so that nobody has to look in two. */
const TABLES = new Set(['subjects/table.ts']);
const FILE_MEDIAN = 150;
const FUNCTION_MAX = 40;

/** No file but a table of data is longer than 300 lines, and half of src stays within 150. */
export const fileSizes: Rule = {
  name: 'file sizes',
  check: (files) => {
    const ours = files.filter(
      ({ path }) => /^(src|bin|bench|subjects)\//.test(path) && !isGenerated(path) && !TABLES.has(path),
    );
    const long = ours
      .filter((file) => lines(file) > FILE_MAX)
      .map(
        (file) =>
          `${file.path}:${FILE_MAX} ${lines(file)} lines, allowed are ${FILE_MAX}: split it by what changes together`,
      );
    const sizes = files
      .filter(isSource)
      .map(lines)
      .sort((a, b) => a - b);
    const median = sizes[Math.floor(sizes.length / 2)] ?? 0;
    return median > FILE_MEDIAN
      ? [
          ...long,
          `src:1 the median file has ${median} lines, allowed are ${FILE_MEDIAN}: split the long ones`,
        ]
      : long;
  },
  planted: [
    { path: 'src/wire/a.ts', text: 'x\n'.repeat(301) },
    { path: 'src/wire/generated/b.ts', text: 'x\n'.repeat(301) },
    { path: 'bench/c.ts', text: 'x\n'.repeat(300) },
  ],
  seenAt: ['src/wire/a.ts:300', 'src:1'],
};

/** Nine functions in ten of src fit into 40 lines. */
export const functionSizes: Rule = {
  name: 'function sizes',
  check: (files) => {
    const all = files.filter(isSource).flatMap(functionsOf);
    const long = all.filter((one) => one.length > FUNCTION_MAX).sort((a, b) => b.length - a.length);
    return long.length * 10 <= all.length
      ? []
      : long.map(
          (one) => `${one.at} a function of ${one.length} lines, allowed are ${FUNCTION_MAX}: name its parts`,
        );
  },
  planted: [
    { path: 'src/wire/a.ts', text: `function a(\n  b: string,\n): void {\n${'  b;\n'.repeat(37)}}\n` },
    {
      path: 'src/wire/b.ts',
      text: `class B {\n  b(): void {\n${'    if (x) {\n    }\n'.repeat(19)}  }\n}\n`,
    },
    { path: 'src/wire/c.ts', text: `export const c = { // {\n${'  d: "{",\n'.repeat(50)}};\n` },
  ],
  seenAt: ['src/wire/a.ts:1'],
};

interface FunctionSpan {
  readonly at: string;
  readonly length: number;
}

const CONTROL =
  /^\s*(\} )?(if|else|for|while|do|switch|try|catch|finally|with|class|interface|export (default )?(abstract )?(class|interface|enum|type)|type|enum)\b/;

/** Prettier lays out the code, so a function ends at the first `}` on the indentation of its head. */
function functionsOf(file: SourceFile): FunctionSpan[] {
  const text = withoutStrings(withoutComments(file.text))
    .split('\n')
    .map((line) => line.trimEnd());
  return text.flatMap((line, i) => {
    if (!/(\)(: .+)?|=>) \{$/.test(line)) {
      return [];
    }
    const indent = /^ */.exec(line)?.[0] ?? '';
    const own = (other: string) => other.startsWith(indent) && /^[^\s)}\]]/.test(other.slice(indent.length));
    const head = /^\s*[)}\]]/.test(line) ? text.findLastIndex((other, j) => j < i && own(other)) : i;
    const end = text.findIndex((other, j) => j > i && other.startsWith(`${indent}}`));
    return CONTROL.test(text[head] ?? '') ? [] : [{ at: `${file.path}:${head + 1}`, length: end - head + 1 }];
  });
}

function lines({ text }: SourceFile): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
