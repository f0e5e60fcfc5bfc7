/**
 * The bounds of proving who connects. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const identityLimits = {
  tokenBytes: {
    value: 3_500,
    unit: 'bytes',
    reason: 'The server takes a connect line of 4 KB; the rest is for name, key and signature.',
  },
  tokenClockSkewMs: {
    value: 5_000,
    unit: 'ms',
    reason: 'How far the clocks of an issuer and of the mesh may differ.',
  },
  sessionMs: {
    value: 3_600_000,
    unit: 'ms',
    reason:
      'A connection proves itself again after this unless mesh.identity.yaml says less, or its proof ends.',
  },
  calloutMs: {
    value: 2_500,
    unit: 'ms',
    reason: 'Longest work on one proof: the server gives up on a connection after 3 s.',
  },
  callouts: {
    value: 512,
    unit: 'proofs',
    reason:
      'Proofs one process works on at once; more are left to the others, or to the next try of the client.',
  },
  issuers: { value: 32, unit: 'issuers', reason: 'Issuers and certificate patterns of one mesh, of each.' },
  issuerKeys: { value: 100, unit: 'keys', reason: 'Keys taken from one issuer.' },
  issuerBytes: {
    value: 262_144,
    unit: 'bytes',
    reason: 'Largest answer read from an issuer; a hundred keys are about 60 KB.',
  },
  issuerTimeoutMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'An issuer that is slower is away; a connection waits for less than calloutMs.',
  },
  issuerFreshMs: {
    value: 300_000,
    unit: 'ms',
    reason: 'Keys older than this are fetched again, beside the work.',
  },
  issuerStaleMs: {
    value: 86_400_000,
    unit: 'ms',
    reason: 'Keys of an issuer that is away are believed this long, then no longer.',
  },
  issuerBackoffMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'An issuer is asked again after this, doubled each time it fails or has nothing new.',
  },
  issuerBackoffMaxMs: { value: 60_000, unit: 'ms', reason: 'The back-off grows to this.' },
  enrolMs: {
    value: 3_600_000,
    unit: 'ms',
    reason: 'An enrolment token ends after this unless the operator says otherwise.',
  },
  enrolMaxMs: { value: 604_800_000, unit: 'ms', reason: 'Longest life of an enrolment token.' },
  authBackoffMs: {
    value: 200,
    unit: 'ms',
    reason: 'A client that was refused tries again after this, doubled each time.',
  },
  authBackoffMaxMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'The back-off of a refused client grows to this: identity may be away, so it never gives up.',
  },
  renewMarginPercent: {
    value: 20,
    unit: '%',
    reason: 'A session is renewed when this share of it is left, so that there is time to try again.',
  },
} as const;
