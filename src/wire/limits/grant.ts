/**
 * The bounds of grants: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const grantLimits = {
  grantLinks: {
    value: 8,
    unit: 'links',
    reason: 'A grant and its delegations; each link costs a signature when it is seen first.',
  },
  grantTokenBytes: { value: 4_096, unit: 'bytes', reason: 'One link; a usual one has about 700.' },
  grantBytes: {
    value: 8_192,
    unit: 'bytes',
    reason: 'All links of a grant: half of what the headers of a call may hold.',
  },
  grantPatterns: { value: 32, unit: 'patterns', reason: 'Each is compared with the capability of a call.' },
  grantConstraints: { value: 16, unit: 'constraints', reason: 'Each is looked up in the body of a call.' },
  grantValues: { value: 32, unit: 'values', reason: 'Values that one constraint lists.' },
  grantTextChars: {
    value: 256,
    unit: 'characters',
    reason: 'A pointer, a value or a label of a grant: names, not documents.',
  },
  grantLabels: { value: 16, unit: 'labels', reason: 'As many as a call may have.' },
  grantBudgets: { value: 8, unit: 'units', reason: 'Money, tokens, seconds: few things are counted.' },
  grantLifeMs: {
    value: 2_592_000_000,
    unit: 'ms',
    reason: 'Thirty days: what is needed for longer is a role.',
  },
  grantsCached: {
    value: 2_048,
    unit: 'grants',
    reason: 'Proven grants that a gateway keeps in each of two generations; about 8 KB for the longest.',
  },
  grantsIntroduced: {
    value: 2_048,
    unit: 'grants',
    reason: 'Texts of grants that every gateway keeps, until they are over: at most 17 MB, usually 2.',
  },
  grantsIntroducedEach: {
    value: 32,
    unit: 'grants',
    reason: 'Of them those of one holder; more are presented as texts.',
  },
  introduceAgainMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'The SDK waits so long for an introduction, presenting the text meanwhile, and then tries again.',
  },
  grantsCarried: {
    value: 4,
    unit: 'grants',
    reason: 'Grants of the callers above that a task carries for its child calls.',
  },
  grantsCarriedBytes: {
    value: 6_144,
    unit: 'bytes',
    reason: 'What they take in the ticket, which is a header of every child call.',
  },
  revokedGraceMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'A running task whose authority was revoked has this long to say how it stopped.',
  },
  revocationMs: {
    value: 2_595_600_000,
    unit: 'ms',
    reason:
      'The revocation of a grant is kept for the longest life of a grant and an hour for clocks: then there is nothing left to revoke.',
  },
  revokedPastMs: {
    value: 90_000_000,
    unit: 'ms',
    reason:
      'What a name began before it was reinstated stays out for this long: the longest life of a call and an hour.',
  },
  revocations: {
    value: 200_000,
    unit: 'revocations',
    reason:
      'Revoked ids a gateway keeps before it looks for those that are over; the bucket holds about as many.',
  },
  blindMs: {
    value: 5_000,
    unit: 'ms',
    reason:
      'A gateway that could not make sure for this long that it knows what was revoked decides nothing more.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;
