/**
 * The bounds of MCP, in both directions; they are part of the table in `src/wire/limits.ts`.
 */
export const mcpLimits = {
  mcpNameChars: { value: 128, unit: 'characters', reason: 'Longest name of a tool that MCP allows.' },
  mcpTools: {
    value: 1_000,
    unit: 'tools',
    reason: 'Tools one MCP client is shown; far above what a model can choose from.',
  },
  mcpListBytes: {
    value: 500_000,
    unit: 'bytes',
    reason: 'Tools of one page of the list; the next has a cursor.',
  },
  mcpPollMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'How often the list of tools is compared while clients are there.',
  },
  mcpProgressMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'A client that asked for progress hears of a running call this often.',
  },
  mcpCalls: { value: 64, unit: 'calls', reason: 'Calls of one MCP client at once, over all its sessions.' },
  mcpRequests: {
    value: 2_048,
    unit: 'requests',
    reason: 'HTTP requests of one MCP client at once; a flood of calls is refused one by one below it.',
  },
  mcpRequestBytes: {
    value: 2_000_000,
    unit: 'bytes',
    reason: 'One message of an MCP client: the largest body, with room for escapes and the envelope.',
  },
  mcpHeldBytes: {
    value: 16_000_000,
    unit: 'bytes',
    reason: 'Messages of one MCP client that are being received at once.',
  },
  mcpUnreadBytes: {
    value: 32_000_000,
    unit: 'bytes',
    reason: 'Answers one HTTP client has not read yet; more requests are refused until it does.',
  },
  mcpLists: { value: 16, unit: 'lists', reason: 'Lists of tools one MCP client asks for at once.' },
  mcpSessions: {
    value: 64,
    unit: 'sessions',
    reason: 'Sessions of one MCP client; the longest unused one gives way.',
  },
  mcpSessionIdleMs: {
    value: 1_800_000,
    unit: 'ms',
    reason: 'A session that nobody used or listened to this long is ended.',
  },
  mcpConnections: { value: 4_096, unit: 'connections', reason: 'Of all HTTP clients; about 20 KB each.' },
  mcpHeadMs: { value: 10_000, unit: 'ms', reason: 'An HTTP client must have sent its headers within this.' },
  mcpReceiveMs: { value: 30_000, unit: 'ms', reason: 'And the whole request within this.' },
  mcpLeaveMs: {
    value: 1_000,
    unit: 'ms',
    reason:
      'What runs when an MCP client leaves or the door closes may end within this, then it is cancelled.',
  },
  mcpPingMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'A mounted server over HTTP is asked this often whether it lives, while it works on a call.',
  },
  mcpReplyBytes: {
    value: 10_485_760,
    unit: 'bytes',
    reason: 'One message of a mounted server; as much as over stdio.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;
