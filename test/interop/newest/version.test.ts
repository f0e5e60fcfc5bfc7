/** The tests that stand beside this one in its project run on the newest nats-server, and not on another. */
import { expect, inject, test } from 'vitest';
import { startTestMesh } from '../../support/mesh.js';

test('the server is the one that was built for this', async () => {
  const mesh = await startTestMesh();
  expect(mesh.server.version).toBe(inject('tools').go?.serverVersion);
  await mesh.stop();
});
