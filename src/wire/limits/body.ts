/**
 * The bounds of large bodies: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const bodyLimits = {
  bodyCheckBytes: {
    value: 8_388_608,
    unit: 'bytes',
    reason:
      'Largest JSON or msgpack body, by reference: a gateway holds it whole while it checks it. Above it only raw bytes pass.',
  },
  bodyRefBytes: {
    value: 134_217_728,
    unit: 'bytes',
    reason: 'Largest body by reference: its sender and its receiver hold it whole.',
  },
  chunkBytes: {
    value: 262_144,
    unit: 'bytes',
    reason: 'One chunk of a large body: small beside max_payload, so that calls on the same connection pass.',
  },
  chunkWindow: {
    value: 4,
    unit: 'chunks',
    reason: 'Chunks of one body on their way: the next goes when one is acknowledged.',
  },
  chunksAtOnce: { value: 64, unit: 'chunks', reason: 'Chunks one gateway has in hand: 16 MB.' },
  chunksPerUser: {
    value: 16,
    unit: 'chunks',
    reason: 'Chunks one gateway has in hand for one user; more are told to come later.',
  },
  chunkMs: {
    value: 5_000,
    unit: 'ms',
    reason: 'Who sends or asks for a chunk waits this long, then repeats.',
  },
  sealMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'Sealing reads the whole body once; many may wait for their turn.',
  },
  bodyReads: {
    value: 2,
    unit: 'bodies',
    reason: 'Bodies one gateway reads at once to check or to seal them: 16 MB, and what parsing makes of it.',
  },
  bodyReadsWaiting: {
    value: 32,
    unit: 'bodies',
    reason: 'Bodies that wait for it; all are read before their calls come back as suspects.',
  },
  bodiesPerOwner: { value: 256, unit: 'bodies', reason: 'Large bodies that one user has in store.' },
  ownerBytes: {
    value: 536_870_912,
    unit: 'bytes',
    reason: 'Bytes of large bodies that one user has in store: four of the largest.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;
