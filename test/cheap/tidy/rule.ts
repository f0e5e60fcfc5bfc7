/** What a rule of the house is, and the views of a source text that rules look at. */

/** A file of the repository, by its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule reports `path:line what is wrong: how to repair it`, one sentence for each breach. */
export interface Rule {
  readonly name: string;
  readonly check: (files: readonly SourceFile[]) => string[];
  /** A sample that breaks the rule, and where the rule must see it: proof that it is not blind. */
  readonly planted: readonly SourceFile[];
  readonly seenAt: readonly string[];
}

/** Hand-written TypeScript of the product. */
export function isSource({ path }: SourceFile): boolean {
  return path.startsWith('src/') && path.endsWith('.ts') && !isGenerated(path);
}

/** Written by `npm run generate`. */
export function isGenerated(path: string): boolean {
  return path.startsWith('src/wire/generated/') || path.startsWith('docs/reference/');
}

/** Report every match of the pattern, line by line. */
export function matchLines(file: SourceFile, text: string, pattern: RegExp, repair: string): string[] {
  return text.split('\n').flatMap((line, i) => {
    const found = pattern.exec(line)?.[0];
    return found === undefined ? [] : [`${file.path}:${i + 1} "${found.trim()}": ${repair}`];
  });
}

/** The text with its comments blanked; lines keep their numbers. */
export function withoutComments(text: string): string {
  return blank(text, (token) => /^\/[/*]/.test(token));
}

/** The text with its strings and regular expressions blanked. */
export function withoutStrings(text: string): string {
  return blank(text, (token) => !/^\/[/*]/.test(token));
}

const TOKEN = new RegExp(
  [
    /\/\*[\s\S]*?\*\//, // block comment
    /\/\/[^\n]*/, // line comment
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/, // string, template
    /(?<=[=(,:!&|?[{;]\s*|return\s)\/(?![*/\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//, // regular expression
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);

function blank(text: string, which: (token: string) => boolean): string {
  return text.replace(TOKEN, (token) => (which(token) ? token.replace(/[^\n]/g, ' ') : token));
}
