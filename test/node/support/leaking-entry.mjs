/** A host in a child process whose runs keep what they made: what a framework that leaks looks like. */

import { serveHost } from '../../../dist/src/host/serve.js';

const kept = [];
process.on('disconnect', () => process.exit(0));
serveHost(
  {
    post: (message) => void process.send(message),
    onMessage: (listener) => process.on('message', listener),
  },
  async () => ({
    listBackends: async () => [],
    open: async () => ({
      info: { backend: 'cpu', inputs: [], outputs: [], answers: {}, runtime: 'leaking' },
      dispose: async () => undefined,
      async run([n]) {
        kept.push(Buffer.alloc(700_000, 1));
        return [n * 2, process.pid];
      },
    }),
  }),
  () => process.memoryUsage.rss(),
);
