/**
 * An MCP server with manners that tests need. Arguments: `collide` adds two tools whose names become one;
 * `log=<file>` is where it tells what happened to it, and beside it lies what `hold` waits for; `port=<n>` serves
 * streamable HTTP there instead of stdio, and `bearer=<token>` only to those who send it.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const PAGE = 2;
const args = process.argv.slice(2);
const valueOf = (name) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
const log = valueOf('log');
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
  { name: 'hold', inputSchema: none },
  { name: 'huge', inputSchema: none },
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
  hold: () =>
    new Promise((resolve) => {
      tell('holding');
      const look = setInterval(() => {
        if (existsSync(`${log}.go`)) {
          clearInterval(look);
          resolve(text('held'));
        }
      }, 20);
    }),
  huge: () => text('x'.repeat(11_000_000)),
};

function makeServer() {
  const server = new Server({ name: 'test-server', version: 'v3.14.15' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const start = Number(params?.cursor ?? 0);
    const next = start + PAGE < tools.length ? { nextCursor: String(start + PAGE) } : {};
    return { tools: tools.slice(start, start + PAGE), ...next };
  });
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
    handlers[params.name](params.arguments, extra),
  );
  return server;
}

const sessions = new Map();

async function answer(req, res) {
  const bearer = valueOf('bearer');
  if (bearer !== undefined && req.headers.authorization !== `Bearer ${bearer}`) {
    return void res.writeHead(401).end('who are you?');
  }
  const id = req.headers['mcp-session-id'];
  if (id !== undefined && !sessions.has(id)) {
    return void res.writeHead(404).end('no such session');
  }
  let transport = sessions.get(id);
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (made) => sessions.set(made, transport),
    });
    await makeServer().connect(transport);
  }
  await transport.handleRequest(req, res);
}

const port = valueOf('port');
if (port === undefined) {
  await makeServer().connect(new StdioServerTransport());
} else {
  const http = createServer((req, res) => void answer(req, res));
  http.listen(Number(port), '127.0.0.1', () => process.stdout.write(`${http.address().port}\n`));
}
