/** What src exports, it explains. */
import { isSource, type Rule, type SourceFile } from './rule.js';

const EXPORT =
  /^export (?:default )?(?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|interface|const|enum) (\w+)/;

function undocumented({ path, text }: SourceFile): string[] {
  const lines = text.split('\n');
  const explained = new Set<string>();
  return lines.flatMap((line, i) => {
    const name = EXPORT.exec(line)?.[1];
    // An overload is explained by the first of its kind.
    if (name === undefined || explained.has(name)) {
      return [];
    }
    explained.add(name);
    return lines[i - 1]?.endsWith('*/')
      ? []
      : [`${path}:${i + 1} ${name}: say in a docstring directly above what it is for`];
  });
}

/** Every exported function, class, interface and constant has a docstring. */
export const docstrings: Rule = {
  name: 'docstrings',
  check: (files) => files.filter(isSource).flatMap(undocumented),
  planted: [
    {
      path: 'src/wire/a.ts',
      text: '/** A. */\nexport const a = 1;\n\nexport async function b(): Promise<void> {}\n',
    },
    { path: 'src/wire/c.ts', text: '// Not a docstring.\nexport class C {}\n' },
  ],
  seenAt: ['src/wire/a.ts:4', 'src/wire/c.ts:2'],
};
