/**
 * Takes one exported declaration out of a source text: its docstring, and its code without bodies and private parts.
 */

/** A declaration as a reader sees it. */
export interface Declaration {
  readonly name: string;
  /** The docstring as prose. */
  readonly doc: string;
  readonly code: string;
}

/** The declaration of this name; nothing when the text does not export one with a docstring. */
export function declarationOf(name: string, text: string): Declaration | undefined {
  const lines = text.split('\n');
  const head = new RegExp(
    `^export (?:async )?(?:abstract )?(function|class|interface|type|const) ${name}\\b`,
  );
  const at = lines.findIndex((line) => head.test(line));
  const doc = at < 0 ? undefined : docAbove(lines, at);
  if (doc === undefined) {
    return undefined;
  }
  const kind = head.exec(lines[at] ?? '')?.[1] ?? '';
  return { name, doc: proseOf(doc), code: codeOf(kind, lines.slice(at)).replace(/^export /, '') };
}

function codeOf(kind: string, lines: readonly string[]): string {
  if (kind === 'class') {
    return classOf(lines);
  }
  if (kind === 'function') {
    return signatures(lines).replace(/^export (async )?/, 'export ');
  }
  const last = kind === 'interface' ? /^\}$|\{\}$/ : /;$/;
  const end = lines.findIndex((line, i) => last.test(line) && isBalanced(lines.slice(0, i + 1)));
  return lines.slice(0, end + 1).join('\n');
}

/** A function: its overloads when it has some, else its own head. */
function signatures(lines: readonly string[]): string {
  const name = /function (\w+)/.exec(lines[0] ?? '')?.[1] ?? '';
  const heads: string[] = [];
  for (let rest = lines; rest[0]?.includes(`function ${name}`) === true;) {
    const { head, length } = headOf(rest);
    if (/\{\}?$/.test(head)) {
      return heads.length === 0 ? withoutBody(head) : heads.join('\n');
    }
    heads.push(head);
    rest = rest.slice(length);
  }
  return heads.join('\n');
}

function classOf(lines: readonly string[]): string {
  const end = lines.indexOf('}');
  const out = [`declare ${(lines[0] ?? '').replace(/^export /, '')}`];
  let doc: string[] = [];
  const overloaded = new Set<string>();
  for (let i = 1; i < end;) {
    const line = lines[i] ?? '';
    if (/^ {2}\/\*\*/.test(line)) {
      const close = lines.findIndex((one, j) => j >= i && one.endsWith('*/'));
      doc = lines.slice(i, close + 1);
      i = close + 1;
      continue;
    }
    const { head, length } = line.trim() === '' ? { head: '', length: 1 } : headOf(lines.slice(i));
    const name = /^ {2}(?:static |readonly |async |get |set )*([#\w[\].]+)/.exec(head)?.[1] ?? '';
    const isImplementation = /\{\}?$/.test(head);
    if (isPublic(name, head) && !(isImplementation && overloaded.has(name))) {
      out.push(...doc, withoutBody(head));
    }
    if (head.endsWith(');') || /\): .*;$/.test(head)) {
      overloaded.add(name);
    }
    doc = line.trim() === '' ? doc : [];
    i += head.endsWith('{')
      ? lines.slice(i).findIndex((one) => /^ {2}[})]/.test(one) && one.endsWith('}')) + 1
      : Math.max(1, length);
  }
  return [...out, '}'].join('\n');
}

function isPublic(name: string, head: string): boolean {
  return (
    name !== '' && !name.startsWith('#') && name !== 'constructor' && !/^ {2}(private|protected) /.test(head)
  );
}

/** From the first line to the one that ends the signature (`{` or `;`) outside of all brackets. */
function headOf(lines: readonly string[]): { head: string; length: number } {
  const end = lines.findIndex((line, i) => {
    const text = lines.slice(0, i + 1);
    return /\{\}?$/.test(line)
      ? isBalanced([...text.slice(0, -1), line.replace(/\{\}?$/, '')])
      : line.endsWith(';') && isBalanced(text);
  });
  return { head: lines.slice(0, end + 1).join('\n'), length: end + 1 };
}

/** A method ends before its body, a field before its first value; defaults of parameters make them optional. */
function withoutBody(head: string): string {
  if (!/\{\}?$/.test(head)) {
    return head.replace(/ = [^=>][^]*;$/, ';');
  }
  return head
    .replace(/ \{\}?$/, ';')
    .replace(/^( *)async /, '$1')
    .replace(/(\w+): ([^,()=]+(?:\([^)]*\)[^,()=]*)?) = (?:[^,()\n]|\([^()]*\))+/g, '$1?: $2');
}

function isBalanced(lines: readonly string[]): boolean {
  let depth = 0;
  for (const [bracket] of lines
    .join('\n')
    .replaceAll('=>', '')
    .matchAll(/[(){}[\]<>]/g)) {
    depth += '({[<'.includes(bracket) ? 1 : -1;
  }
  return depth === 0;
}

function docAbove(lines: readonly string[], at: number): string[] | undefined {
  if (lines[at - 1]?.endsWith('*/') !== true) {
    return undefined;
  }
  const from = lines.findLastIndex((line, i) => i < at && line.startsWith('/**'));
  return lines.slice(from, at);
}

function proseOf(doc: readonly string[]): string {
  return doc
    .map((line) => line.replace(/^\/\*\* ?| ?\*\/$|^ \*\/?/g, '').trim())
    .join('\n')
    .trim();
}
