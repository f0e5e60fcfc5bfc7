/** Checks that an operator may accept: a gateway starts all the same, and says so at every start. */
export const acceptable = ['server-version', 'tls', 'files'] as const;
