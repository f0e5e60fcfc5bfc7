/**
 * The policy of the demo. Everybody in a chain of calls must be allowed what is asked at its end, so all of them may
 * read; nobody may write.
 */

/** Text of its policy file. */
export const demoPolicy = `version: 1
roles:
  asks: { call: ['docs.*', fs.list_directory, fs.read_text_file] }
  starts: { mayRoot: true }
  serves-files: { serve: ['fs.*'] }
  serves-list: { serve: [docs.list] }
  serves-read: { serve: [docs.read] }
  serves-outline: { serve: [docs.outline] }
  serves-count: { serve: [docs.count] }
  serves-report: { serve: [docs.report] }
members:
  me: [asks, starts]
  fs: [serves-files]
  lister: [serves-list, asks]
  reader: [serves-read, asks]
  outliner: [serves-outline, asks]
  counter: [serves-count, asks]
  reporter: [serves-report, asks]
`;

/** The agents that the policy names. */
export const demoAgents = ['fs', 'lister', 'reader', 'outliner', 'counter', 'reporter'] as const;
