/**
 * An MCP server with manners that tests need. Arguments: `collide` adds two tools whose names become one;
 * `log=<file>` is where it tells what happened to it.
 */
import { appendFileSync } from 'node:fs';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const PAGE = 2;
const args = process.argv.slice(2);
const log = args.find((arg) => arg.startsWith('log='))?.slice(4);
const tell = (line) => (log === undefined ? undefined : appendFileSync(log, `${line}\n`));
tell(`started ${process.pid}`);

const none = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: {} };
const tools = [
  {
    name: 'Say Hello!',
    description: 'Greets.',
    inputSchema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      // A pattern that looks ahead: no engine of linear time can run it.
      properties: {
        name: { type: 'string', pattern: '^(?!root).*$' },
        tags: { type: 'array', uniqueItems: true },
      },
      required: ['name'],
    },
    outputSchema: { ...none, properties: { text: { type: 'string' } }, required: ['text'] },
    annotations: { readOnlyHint: true },
  },
  { name: 'env', inputSchema: none },
  { name: 'fail', inputSchema: none, annotations: { idempotentHint: true } },
  { name: 'die', inputSchema: none },
  { name: 'wait', inputSchema: none },
  ...(args.includes('collide') ? [{ name: 'FAIL', inputSchema: none }] : []),
];

const text = (words) => ({ content: [{ type: 'text', text: words }] });
const handlers = {
  'Say Hello!': ({ name }) => ({ ...text(`hello ${name}`), structuredContent: { text: `hello ${name}` } }),
  env: () => text(JSON.stringify(Object.keys(process.env).sort())),
  fail: () => ({ ...text('the disk is on fire'), isError: true }),
  die: () => process.exit(1),
  wait: (_, { signal }) =>
    new Promise((resolve) => {
      tell('waiting');
      signal.addEventListener('abort', () => {
        tell('cancelled');
        resolve(text('too late'));
      });
    }),
};

const server = new Server({ name: 'test-server', version: 'v3.14.15' }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
  const start = Number(params?.cursor ?? 0);
  const next = start + PAGE < tools.length ? { nextCursor: String(start + PAGE) } : {};
  return { tools: tools.slice(start, start + PAGE), ...next };
});
server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
  handlers[params.name](params.arguments, extra),
);
await server.connect(new StdioServerTransport());
