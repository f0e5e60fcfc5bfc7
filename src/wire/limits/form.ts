/**
 * The bounds of what is read: bodies, headers, schemas, cards. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const formLimits = {
  bodyBytes: {
    value: 1_000_000,
    unit: 'bytes',
    reason: 'Below max_payload of the server (1 MiB) with room for headers.',
  },
  bodyDepth: {
    value: 32,
    unit: 'levels',
    reason: 'Deeper values cost stack in every reader and no real request needs them.',
  },
  bodyValues: { value: 50_000, unit: 'values', reason: 'Keeps checking one body under ten milliseconds.' },
  headerBytes: {
    value: 16_384,
    unit: 'bytes',
    reason: 'A ticket with a full chain of longest names is about 11 KB.',
  },
  schemaErrors: { value: 10, unit: 'errors', reason: 'As many as a person reads.' },
  cardBytes: { value: 262_144, unit: 'bytes', reason: 'A card with 256 capabilities of 1 KB.' },
  schemaBytes: { value: 65_536, unit: 'bytes', reason: 'Compile time of a schema grows with its size.' },
  schemaWeight: {
    value: 5_000,
    unit: 'nodes',
    reason: 'Schema nodes visited for one value, references expanded: bounds the cost of a check.',
  },
  patternChars: { value: 512, unit: 'characters', reason: 'Linear-time patterns still cost per character.' },
  patternText: {
    value: 16_384,
    unit: 'characters',
    reason: 'Linear is still about a microsecond a character; longer texts do not match any pattern.',
  },
  uniqueItems: { value: 256, unit: 'items', reason: 'uniqueItems compares pairs.' },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;
