/** One word per thing: what the mesh calls its parts, and the synonyms that stay out. */
import { isSource, matchLines, withoutStrings, type Rule } from './rule.js';

/** Synonym → our word. */
const synonyms: readonly (readonly [synonym: RegExp, ours: string])[] = [
  [/(?<!idle[ _-]?)heart-?beats?/i, 'beat'],
  [/\btimeoutAt\b/i, 'deadline (an instant)'],
  [/\bmicro-?services?\b/i, 'agent'],
  [/\bDLQ\b|dead-?letters?/i, 'dead'],
  [/\b(correlation|request)[-_ ]?ids?\b/i, 'call'],
  [/\bmiddlewares?\b/i, 'interceptor'],
  [/\borchestrators?\b/i, 'supervisor'],
  [/circuit[-_ ]?breakers?/i, 'breaker'],
  [/\bsucceeded\b/i, 'completed'],
  [/\bcancel(ed|ing)\b/i, 'cancelled, cancelling'],
];

/** Identifiers and comments of src use our words; strings may quote others. */
export const words: Rule = {
  name: 'words',
  check: (files) =>
    files.filter(isSource).flatMap((file) => {
      const text = withoutStrings(file.text);
      return synonyms.flatMap(([synonym, ours]) => matchLines(file, text, synonym, `say ${ours}`));
    }),
  planted: [
    { path: 'src/wire/a.ts', text: 'const b = 1;\nconst lastHeartbeat = b;\n' },
    {
      path: 'src/wire/c.ts',
      text: "const idle_heartbeat = 'Heartbeat';\n// goes to the dead-letter queue\n",
    },
    { path: 'test/d.ts', text: 'const correlationId = 1;\n' },
  ],
  seenAt: ['src/wire/a.ts:2', 'src/wire/c.ts:2'],
};
